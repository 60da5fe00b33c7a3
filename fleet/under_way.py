"""What takes long and is under way for a thing, with how far it is: the copies, restores, drills, dumps and loads that
its last looks saw on hosts. Pages, commands and the API tell the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fleet import drills, progress
from fleet.models import Backup, Changeover, Instance, Member, Resource, Timeline
from fleet.progress import Progress
from fleet.states import CANCELLED, CREATING, DONE, STARTED, UPLOADING

TAKEN = (STARTED, UPLOADING)
MOST = 20


@dataclass(frozen=True)
class Work:
    """`name` is the thing whose job it is."""

    name: str
    far: Progress

    def __str__(self) -> str:
        return f"{self.name}: {progress.words(self.far)}"


def of(member: Member) -> list[Work]:
    """All that is under way for the thing, as far as the last looks know."""
    found = _OF[member.KIND](member) if member.KIND in _OF else ()
    return [Work(name, far) for name, far in found if far is not None]


def backup(one: Backup) -> Progress | None:
    """How far one that is being taken is."""
    return progress.read(one.facts, int(one.attrs.get("of_bytes") or 0)) if one.state in TAKEN else None


def building(one: Instance) -> Progress | None:
    """How far one that is being built is."""
    return progress.read(one.facts) if one.state == CREATING and one.facts.get("job") == "running" else None


Found = Iterable[tuple[str, Progress | None]]


def _backup(one: Any) -> Found:
    return [(one.name, backup(one))]


def _instance(one: Any) -> Found:
    return [(one.name, building(one))]


def _timeline(one: Any) -> Found:
    drilled = drills.under_way(one.attrs) and one.facts.get("job") == "running"
    drill = [(f"{one.name}'s drill", progress.read(one.facts))] if drilled else []
    return [*drill, *_backups(Backup.objects.filter(timeline=one))]


def _resource(one: Any) -> Found:
    """Its own: those of the instances that are built for it, of its backups, its drill, and a load."""
    building = Instance.objects.filter(state=CREATING, standby_for=one) | Instance.objects.filter(
        state=CREATING,
        pk__in=Changeover.objects.filter(resource=one).exclude(state__in=(DONE, CANCELLED)).values("target"),
    )
    found: list[tuple[str, Progress | None]] = [*_instance(one.instance)] if one.instance else []
    found += [work for instance in building.order_by("name")[:MOST] for work in _instance(instance)]
    if one.own_instance and one.instance and not one.follows_id:
        found += _timeline(one.instance.timeline)
    found += _backups(Backup.objects.filter(resource=one, method=Backup.LOGICAL))
    if one.facts.get("job") == "running":
        found.append((one.name, progress.read(one.facts)))
    return found


def _changeover(one: Any) -> Found:
    return _instance(one.target) if one.target else []


def _backups(found: Any) -> Found:
    return [(one.name, backup(one)) for one in found.filter(state__in=TAKEN).order_by("name")[:MOST]]


_OF = {
    Backup.KIND: _backup,
    Instance.KIND: _instance,
    Timeline.KIND: _timeline,
    Resource.KIND: _resource,
    Changeover.KIND: _changeover,
}
