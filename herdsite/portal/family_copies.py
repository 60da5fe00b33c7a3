"""Backups as the pages list them, and what they are good for: the window one can go back to, and the last drill."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from fleet import copies, progress, under_way
from fleet.logical import trials
from fleet.models import Backup, Resource
from fleet.states import EXPIRED, KEPT, STATES, State
from herdsite.portal.shown import Moment, moment, size

MOST = 20


@dataclass(frozen=True)
class Copy:
    """One backup: of which moment, how large; `progress` while it is being taken. It can be `fetched` by a link."""

    name: str
    method: str
    look: State
    of: Moment | None
    size: str
    progress: str
    until: Moment | None
    problem: str
    fetched: bool


@dataclass(frozen=True)
class Window:
    """From when to when one can go back; `newest` is None while nothing has been archived."""

    oldest: Moment | None
    newest: Moment | None


@dataclass(frozen=True)
class Drill:
    """The last trial restore."""

    good: bool
    at: Moment | None
    took: str
    newest: Moment | None
    why: str


def copies_of(found: Any) -> tuple[Copy, ...]:
    """The latest of these backups, but for those that have expired."""
    return tuple(map(_copy, found.exclude(state=EXPIRED).order_by("-created_at")[:MOST]))


def of(resource: Resource) -> tuple[Copy, ...]:
    """Its own, base and logical."""
    return copies_of(Backup.objects.filter(Q(timeline__resource=resource) | Q(resource=resource)).distinct())


def window(resource: Resource) -> Window | None:
    """None where its plan does not go back in time, or nothing is there yet."""
    if not resource.own_instance:
        return None
    oldest, newest = copies.window(resource)
    return Window(moment(oldest), moment(newest)) if oldest else None


def drill(resource: Resource) -> Drill | None:
    """None until it was restored for a trial."""
    return _trial(resource.drilled)


def loaded(resource: Resource) -> Drill | None:
    """None until one of its logical backups was loaded for a trial."""
    return _trial(trials.last(resource))


def _trial(said: Mapping[str, Any]) -> Drill | None:
    if not said.get("at"):
        return None
    took = said.get("took_s")
    return Drill(
        bool(said.get("good")),
        _at(said["at"]),
        "" if took is None else f"{float(took):.1f} s",
        _at(said.get("newest")),
        str(said.get("why") or ""),
    )


def _at(text: Any) -> Moment | None:
    return moment(datetime.fromisoformat(str(text))) if text else None


def _copy(backup: Backup) -> Copy:
    return Copy(
        name=backup.name,
        method=backup.get_method_display(),
        look=STATES[backup.state],
        of=moment(backup.ended_at if backup.method == Backup.BASE else backup.began_at) or moment(backup.created_at),
        size=size(backup.bytes),
        progress=_progress(backup),
        until=moment(backup.keep_until),
        problem=backup.problem,
        fetched=backup.method == Backup.LOGICAL and backup.state == KEPT,
    )


def _progress(backup: Backup) -> str:
    """How far it is: "dumping 12 MB of 40 MB, 3 MB/s, 9 s left"; nothing where nothing is under way."""
    far = under_way.backup(backup)
    return progress.words(far) if far else ""
