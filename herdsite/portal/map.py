"""The map: zones, the servers in them, the instances on those, and the resources on these, one small cell each.

A big herd would be a big page. Beyond SERVERS servers each server is one cell, coloured by the worst on it, and beyond
CELLS of those only the troubled ones are sure to be drawn. Beyond CELLS resources, an instance's are counted by state.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, Q, Value, When

from fleet.models import Instance, Resource, Server
from fleet.states import STATES, State
from herdsite.portal.census import Counted, Total, count, totals
from herdsite.portal.live import drawn
from herdsite.portal.ranks import GONE, TROUBLED, rank

SERVERS = 40
CELLS = 600
WAITING = 100


@dataclass(frozen=True)
class Cell:
    """A resource, or a server with all that is on it; `note` says what is wrong there."""

    name: str
    look: State
    note: str = ""


@dataclass(frozen=True)
class Postgres:
    """An instance with its resources, drawn (`cells`) or counted (`counts`); of a standby `note` says for whom."""

    name: str
    look: State
    role: str
    note: str
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
    """Its servers, as `machines` or, in a big herd, as `cells`; `more` are not drawn. `totals` counts all of them."""

    name: str
    totals: tuple[Total, ...]
    machines: tuple[Machine, ...]
    cells: tuple[Cell, ...]
    more: int


@dataclass(frozen=True)
class Map:
    """`waiting` are resources that have no place yet."""

    zones: tuple[Zone, ...]
    waiting: tuple[Cell, ...]

    @property
    def html(self) -> str:
        return drawn("portal/_map.html", self)


def draw(census: tuple[Counted, ...], zone: str = "") -> Map:
    """The map of the herd, or of one zone of it."""
    there = [group for group in census if group.kind == "server" and zone in ("", group.zone)]
    big = count(there, "server") > SERVERS
    servers = Server.objects.exclude(state=GONE)
    servers = servers.filter(zone=zone) if zone else servers
    machines = {} if big else _machines(servers, count(census, "resource") <= CELLS)
    cells = _cells(servers) if big else {}
    zones = []
    for name in sorted({group.zone for group in there}):
        groups = [group for group in there if group.zone == name]
        drawn = len(machines.get(name, ())) + len(cells.get(name, ()))
        more = max(0, count(groups, "server") - drawn)
        zones.append(Zone(name, totals(groups), tuple(machines.get(name, ())), tuple(cells.get(name, ())), more))
    return Map(tuple(zones), () if zone else _waiting())


def _machines(servers: Any, each: bool) -> dict[str, list[Machine]]:
    """By zone, and by name in it: cells that jump about could not be read. `each` resource is drawn, or counted."""
    found = list(servers.order_by("name").values_list("pk", "name", "state", "zone"))
    instances = _instances([pk for pk, *_ in found], each)
    machines = defaultdict(list)
    for pk, name, state, zone in found:
        machines[zone].append(Machine(name, STATES[state], tuple(instances[pk])))
    return machines


def _instances(servers: list[UUID], each: bool) -> dict[UUID, list[Postgres]]:
    """The instances of these servers, by server."""
    rows = list(
        Instance.objects.filter(server__in=servers)
        .exclude(state=GONE)
        .order_by("name")
        .values_list("pk", "server_id", "name", "state", "role", "standby_for__name")
    )
    alive = Resource.objects.exclude(state=GONE).filter(instance__in=[pk for pk, *_ in rows])
    cells: dict[UUID, list[Cell]] = defaultdict(list)
    counts: dict[UUID, list[Total]] = defaultdict(list)
    if each:
        for pk, name, state in alive.order_by("name").values_list("instance_id", "name", "state"):
            cells[pk].append(Cell(name, STATES[state]))
    else:
        groups = alive.order_by().values_list("instance_id", "state").annotate(Count("pk"))
        for pk, state, number in sorted(groups, key=lambda group: rank(group[1])):
            counts[pk].append(Total(STATES[state], number))
    found = defaultdict(list)
    for pk, server, name, state, role, whom in rows:
        note = f"standby of {whom}" if whom else ""
        found[server].append(Postgres(name, STATES[state], role, note, tuple(cells[pk]), tuple(counts[pk])))
    return found


def _cells(servers: Any) -> dict[str, list[Cell]]:
    """One cell a server, by zone. Those with trouble are drawn before the others, and shown in order of name."""
    on: dict[UUID, set[str]] = defaultdict(set)
    troubled = Instance.objects.filter(state__in=TROUBLED).order_by().values_list("server", "state").distinct()
    beneath = Resource.objects.filter(state__in=TROUBLED, instance__isnull=False).order_by()
    for server, state in (*troubled, *beneath.values_list("instance__server", "state").distinct()):
        on[server].add(state)
    first = Case(When(Q(state__in=TROUBLED) | Q(pk__in=list(on)), then=Value(0)), default=Value(1))
    found = sorted(servers.order_by(first, "name").values_list("name", "pk", "state", "zone")[:CELLS])
    cells = defaultdict(list)
    for name, pk, state, zone in found:
        states = sorted(on[pk], key=rank)
        worst = min((state, *states), key=rank)
        note = ", ".join(STATES[one].label.lower() for one in states)
        cells[zone].append(
            Cell(name, STATES[worst], f"{STATES[state].label}{f', on this server: {note}' if note else ''}")
        )
    return cells


def _waiting() -> tuple[Cell, ...]:
    found = Resource.objects.exclude(state=GONE).filter(instance__isnull=True).order_by("name")
    return tuple(Cell(name, STATES[state]) for name, state in found.values_list("name", "state")[:WAITING])
