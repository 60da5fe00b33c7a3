"""The map: zones, the servers in them, the instances on those, and the resources on these, one small cell each.

A big herd would be a big page, so at most SERVERS servers are drawn (the troubled first), and beyond CELLS resources
those of an instance are counted by state instead of drawn one by one.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, Q, Value, When

from fleet.models import Instance, Resource, Server
from fleet.states import STATES, State
from herdsite.portal.census import Counted, Total, totals
from herdsite.portal.ranks import GONE, TROUBLED, rank

SERVERS = 48
CELLS = 600
WAITING = 100


@dataclass(frozen=True)
class Cell:
    """A resource."""

    name: str
    look: State


@dataclass(frozen=True)
class Postgres:
    """An instance with its resources, drawn (`cells`) or counted (`counts`)."""

    name: str
    look: State
    role: str
    cells: tuple[Cell, ...]
    counts: tuple[Total, ...]


@dataclass(frozen=True)
class Machine:
    """A server with its instances."""

    name: str
    look: State
    instances: tuple[Postgres, ...]


@dataclass(frozen=True)
class Zone:
    """`more` servers are there that are not drawn; `totals` counts all of the zone's servers."""

    name: str
    totals: tuple[Total, ...]
    servers: tuple[Machine, ...]
    more: int


@dataclass(frozen=True)
class Map:
    """`waiting` are resources that have no place yet."""

    zones: tuple[Zone, ...]
    waiting: tuple[Cell, ...]


def draw(census: tuple[Counted, ...], zone: str = "") -> Map:
    """The map of the herd, or of one zone of it."""
    servers = _servers(census, zone)
    instances = _instances([pk for pk, *_ in servers], census)
    machines = defaultdict(list)
    for pk, name, state, where in servers:
        machines[where].append(Machine(name, STATES[state], tuple(instances[pk])))
    groups = defaultdict(list)
    for group in census:
        if group.kind == "server" and zone in ("", group.zone):
            groups[group.zone].append(group)
    drawn = tuple(
        Zone(name, totals(groups[name]), tuple(machines[name]), sum(g.count for g in groups[name]) - len(machines[name]))
        for name in sorted(groups)
    )
    return Map(drawn, () if zone else _waiting())


def _servers(census: tuple[Counted, ...], zone: str) -> list[Any]:
    """(id, name, state, zone), by name: cells that jump about could not be read."""
    found = Server.objects.exclude(state=GONE)
    if zone:
        found = found.filter(zone=zone)
    if sum(group.count for group in census if group.kind == "server") > SERVERS:
        ill = Q(pk__in=Instance.objects.filter(state__in=TROUBLED).values("server"))
        ill |= Q(pk__in=Resource.objects.filter(state__in=TROUBLED, instance__isnull=False).values("instance__server"))
        first = Case(When(Q(state__in=TROUBLED), then=Value(0)), When(ill, then=Value(1)), default=Value(2))
        found = found.order_by(first, "name")
    return sorted(found.values_list("pk", "name", "state", "zone")[:SERVERS], key=lambda server: server[1])


def _instances(servers: list[UUID], census: tuple[Counted, ...]) -> dict[UUID, list[Postgres]]:
    """The instances of these servers, by server."""
    rows = list(
        Instance.objects.filter(server__in=servers)
        .exclude(state=GONE)
        .order_by("name")
        .values_list("pk", "server_id", "name", "state", "role")
    )
    alive = Resource.objects.exclude(state=GONE).filter(instance__in=[pk for pk, *_ in rows])
    cells: dict[UUID, list[Cell]] = defaultdict(list)
    counts: dict[UUID, list[Total]] = defaultdict(list)
    if sum(group.count for group in census if group.kind == "resource") <= CELLS:
        for pk, name, state in alive.order_by("name").values_list("instance_id", "name", "state"):
            cells[pk].append(Cell(name, STATES[state]))
    else:
        groups = alive.order_by().values_list("instance_id", "state").annotate(Count("pk"))
        for pk, state, count in sorted(groups, key=lambda group: (rank(group[1]), group[1])):
            counts[pk].append(Total(STATES[state], count))
    found = defaultdict(list)
    for pk, server, name, state, role in rows:
        found[server].append(Postgres(name, STATES[state], role, tuple(cells[pk]), tuple(counts[pk])))
    return found


def _waiting() -> tuple[Cell, ...]:
    found = Resource.objects.exclude(state=GONE).filter(instance__isnull=True).order_by("name")
    return tuple(Cell(name, STATES[state]) for name, state in found.values_list("name", "state")[:WAITING])
