"""Which archive a timeline's WAL goes to, and what its place there is. The archives themselves are ports
(fleet/archives), named in the ARCHIVES setting; they only put words together, so a page may ask them as well."""

from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from fleet.archives.base import Archive, Line
from fleet.models import Timeline


def archive(name: str) -> Archive:
    """The Archive of that name in settings.ARCHIVES."""
    try:
        return _built(settings.ARCHIVES[name])
    except KeyError as error:
        known = ", ".join(settings.ARCHIVES)
        raise ImproperlyConfigured(f"No archive {name!r}: ARCHIVES knows {known}.") from error


@lru_cache(maxsize=8)
def _built(path: str) -> Archive:
    return import_string(path)()


def line(timeline: Timeline) -> Line:
    """Its place in its archive."""
    return Line(timeline.place, timeline.timeline_id, timeline.writer, timeline.system_identifier)


def is_ready(timeline: Timeline) -> bool:
    """It has an archive, and its place there is made."""
    return bool(timeline.archive) and timeline.attrs.get("prepared") == "true"


def ancestry(timeline: Timeline) -> list[Timeline]:
    """The timeline and all that came before it, its own first: where a recovery looks for WAL, in this order. Those
    without an archive, and those whose archive has gone, are not among them, nor those of another major version: an
    upgrade begins anew."""
    found: list[Timeline] = []
    one: Timeline | None = timeline
    while one is not None and one.major == timeline.major:
        if one.archive and one.state != "expired":
            found.append(one)
        one = one.parent
    return found


def begin(name: str, writer: str, *, archived: bool, parent: Timeline | None = None, **fields: object) -> Timeline:
    """A new Timeline that the instance with the id `writer` will write; `archived`: its WAL is kept."""
    timeline = Timeline(
        name=name, queue="slow", archive=settings.ARCHIVE if archived else "", writer=writer, parent=parent, **fields
    )
    timeline.place = f"{name[:40]}-{timeline.pk.hex[:8]}"
    timeline.save(force_insert=True)
    return timeline
