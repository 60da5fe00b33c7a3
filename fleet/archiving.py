"""Which archive a timeline's WAL goes to, and what its place there is. The archives themselves are ports
(fleet/archives), named in the ARCHIVES setting; they only put words together, so a page may ask them as well."""

from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from fleet.archives.base import SEGMENT_BYTES, Archive, Line
from fleet.models import Timeline
from fleet.states import EXPIRED
from fleet.succession import lsn


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


def handed_over(timeline: Timeline) -> tuple[str, list[Timeline]]:
    """Of one whose leader another took over from: the last segment that its archive has to have all by itself (the one
    that they parted in goes on as the next timeline's), and the timelines that came after it, in whose places whoever
    led then archived what was left. "" where nobody took over, or nobody knows yet where."""
    kin = list(timeline.resource.timelines.all()) if timeline.resource else []
    after: list[Timeline] = []
    for one in sorted(kin, key=lambda each: each.created_at):
        if one.parent_id in (timeline.pk, *(each.pk for each in after)) and one.major == timeline.major:
            after.append(one)
    heir = next((one for one in reversed(after) if one.parent_id == timeline.pk and one.forked_lsn), None)
    parted = (lsn.known(heir.forked_lsn) or 0) // SEGMENT_BYTES if heir else 0
    until = f"{timeline.timeline_id:08X}{(parted - 1) >> 8:08X}{(parted - 1) & 255:08X}" if parted else ""
    return until, [one for one in after if one.archive == timeline.archive and is_ready(one) and one.state != EXPIRED]


def begin(name: str, writer: str, *, archived: bool, parent: Timeline | None = None, **fields: object) -> Timeline:
    """A new Timeline that the instance with the id `writer` will write; `archived`: its WAL is kept."""
    timeline = Timeline(
        name=name, queue="slow", archive=settings.ARCHIVE if archived else "", writer=writer, parent=parent, **fields
    )
    timeline.place = f"{name[:40]}-{timeline.pk.hex[:8]}"
    timeline.save(force_insert=True)
    return timeline
