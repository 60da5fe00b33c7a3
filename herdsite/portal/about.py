"""What kinds of things differ in on their pages: the lines at the top, and what is beneath and above each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fleet.models import Address, Backup, Changeover, Instance, Resource, Server, Timeline
from fleet.states import ENDS, STATES, State
from herdsite.portal.ranks import by_rank
from herdsite.portal.shown import Moment, moment, size

MOST = 100
HEADS = {
    "server": ("Runs on", "Carries"),
    "instance": ("Runs on", "Carries"),
    "resource": ("Runs on", "Carries"),
    "address": ("Belongs to", "Leads to"),
}
Lines = list[tuple[str, Any]]


@dataclass(frozen=True)
class Neighbour:
    """What it stands on, or what stands on it."""

    kind: str
    name: str
    look: State


def when(at: Any) -> str:
    """A moment that does not age: a date in the past or to come."""
    shown: Moment | None = moment(at)
    return f"{shown.text} UTC" if shown else ""


def _one(member: Any) -> Neighbour:
    return Neighbour(member.KIND, member.name, member.look)


def _those(*members: Any) -> list[Neighbour]:
    return [_one(member) for member in members if member is not None]


def _living(kind: str, members: Any) -> list[Neighbour]:
    found = members.exclude(state__in=ENDS).order_by(by_rank(), "name").values_list("name", "state")
    return [Neighbour(kind, name, STATES[state]) for name, state in found[:MOST]]


Around = tuple[list[Neighbour], list[Neighbour]]


def _of_server(server: Server) -> Around:
    return [], _living("instance", server.instances)


def _of_instance(instance: Instance) -> Around:
    beneath = _those(instance.server, instance.timeline, instance.upstream, instance.standby_for)
    return beneath, _living("resource", instance.resources) + _living("instance", instance.downstream)


def _of_resource(resource: Resource) -> Around:
    instance = resource.instance
    return (_those(instance, instance.server) if instance else []), []


def _of_timeline(timeline: Timeline) -> Around:
    above = _living("instance", timeline.instances) + _living("timeline", timeline.children)
    return _those(timeline.resource, timeline.parent), above


def _of_backup(backup: Backup) -> Around:
    line = backup.timeline
    return _those(backup.resource or (line and line.resource), line, backup.instance), []


def _of_changeover(changeover: Changeover) -> Around:
    return _those(changeover.resource, changeover.source, changeover.target), _those(changeover.timeline)


def _of_address(address: Address) -> Around:
    target = Server.objects.filter(name=address.target).first() if address.target else None
    return _those(address.resource), _those(target)


def _server(server: Server) -> Lines:
    return [
        ("Provider", server.provider),
        ("Zone", server.zone),
        ("Address", server.address and f"{server.ssh_user}@{server.address}:{server.ssh_port}"),
        ("Host key", "pinned" if server.host_key else "not pinned yet"),
        ("Home", server.home),
        ("Disk", f"{server.disk_mb} MB"),
        ("Room for", f"{server.capacity} instances"),
    ]


def _instance(instance: Instance) -> Lines:
    return [
        ("Role", instance.get_role_display()),
        ("", "Former leader, fenced: it must be rewound or rebuilt as a standby" if instance.outdated else ""),
        ("PostgreSQL", instance.major),
        ("Plan", instance.plan_id),
        ("Zone", instance.server.zone),
        ("Port", instance.port),
        ("Generation", instance.generation),
    ]


def _resource(resource: Resource) -> Lines:
    return [
        ("Customer", resource.customer),
        ("Plan", resource.plan_id),
        ("PostgreSQL", resource.major),
        ("Zone", resource.instance.server.zone if resource.instance else ""),
        ("Preferred zone", resource.zone),
        ("Database", resource.dbname),
        ("Generation", resource.generation),
    ]


def _timeline(timeline: Timeline) -> Lines:
    writer = Instance.objects.filter(pk=timeline.writer).first() if timeline.writer else None
    return [
        ("Plan", timeline.plan_id),
        ("Archive", timeline.archive or "none"),
        ("Place", timeline.place),
        ("Archived", size(timeline.facts.get("archive_bytes"))),
        ("Last segment", timeline.facts.get("archive_last")),
        ("Missing", timeline.facts.get("archive_missing")),
        ("Written by", writer),
        ("PostgreSQL", timeline.major),
        ("PostgreSQL's timeline", timeline.timeline_id),
        ("System", timeline.system_identifier),
        ("Forked at", " ".join(filter(None, (timeline.forked_lsn, when(timeline.forked_at))))),
        ("Closed", when(timeline.closed_at)),
        ("Kept until", when(timeline.keep_until)),
    ]


def _backup(backup: Backup) -> Lines:
    return [
        ("Method", backup.get_method_display()),
        ("Size", size(backup.bytes)),
        ("Began", when(backup.began_at)),
        ("Complete", when(backup.ended_at)),
        ("Label", backup.label),
        ("WAL", " to ".join(filter(None, (backup.first_wal, backup.last_wal)))),
        ("Kept until", when(backup.keep_until)),
    ]


def _changeover(changeover: Changeover) -> Lines:
    return [
        ("Reason", changeover.get_reason_display()),
        ("Requested by", changeover.actor),
        ("Why", changeover.asked_why),
        ("Generation", changeover.generation),
        ("Wanted", changeover.wanted),
        ("New plan", changeover.plan_id),
        ("Not before", when(changeover.not_before)),
        ("Forced", f"accepting a loss of {changeover.accept_loss or 'nothing'}" if changeover.force else ""),
        ("Finished", when(changeover.finished_at)),
    ]


def _address(address: Address) -> Lines:
    return [
        ("Endpoint", f"{address.endpoint}:{address.port}" if address.endpoint else "none yet"),
        ("Leads to", address.target or "not attached"),
        ("Provider", address.provider),
    ]


NEIGHBOURS: dict[str, Callable[[Any], Around]] = {
    "server": _of_server,
    "instance": _of_instance,
    "resource": _of_resource,
    "timeline": _of_timeline,
    "backup": _of_backup,
    "changeover": _of_changeover,
    "address": _of_address,
}
ABOUT: dict[str, Callable[[Any], Iterable[tuple[str, Any]]]] = {
    "server": _server,
    "instance": _instance,
    "resource": _resource,
    "timeline": _timeline,
    "backup": _backup,
    "changeover": _changeover,
    "address": _address,
}
