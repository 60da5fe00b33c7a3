"""The lists of the herd page: one row a thing, what wants attention first, in pages. One query a
list, over only the columns that are shown.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet

from fleet.filters import SEARCHED, ZONES
from fleet.models import MEMBERS
from fleet.states import ENDS, STATES, State
from herdsite.portal.census import FIRST, LATE, PLURALS, Counted
from herdsite.portal.filters import Filters
from herdsite.portal.live import drawn
from herdsite.portal.ranks import NOT_WELL, WELL, by_rank
from herdsite.portal.shown import Moment, moment, percent, share, size

PAGE = 100
# Servers and instances have the map as well: beside the resources only the first of them are listed.
GLANCE = 12

COMMON = ("name", "state", "felt_at", "state_since", "due_at", "row", "why", "problem")
EXTRA: dict[str, dict[str, str]] = {
    "server": {
        "zone": "zone",
        "load": "facts__load1",
        "disk": "facts__disk_used_pct",
        "kin": "provider",
    },
    "instance": {
        "zone": "server__zone",
        "plan": "plan_id",
        "server": "server__name",
        "connections": "facts__connections",
        "limit": "facts__max_connections",
        "bytes": "facts__size_bytes",
        "kin": "role",
    },
    "resource": {
        "zone": "instance__server__zone",
        "plan": "plan_id",
        "server": "instance__server__name",
        "instance": "instance__name",
        "connections": "facts__connections",
        "limit": "plan__connections",
        "bytes": "facts__db_size_bytes",
        "kin": "customer__name",
    },
    "timeline": {
        "plan": "plan_id",
        "use": "facts__archive_last",
        "bytes": "facts__archive_bytes",
        "kin": "resource__name",
    },
    "backup": {
        "instance": "instance__name",
        "use": "method",
        "bytes": "bytes",
        "kin": "resource__name",
    },
    "changeover": {
        "plan": "plan_id",
        "server": "source__name",
        "instance": "target__name",
        "use": "generation",
        "kin": "reason",
    },
    "address": {
        "server": "target",
        "use": "endpoint",
        "kin": "resource__name",
    },
}
USE = {
    "server": ("Load", "Disk"),
    "instance": ("Connections", "Size"),
    "resource": ("Connections", "Size"),
    "timeline": ("Last segment", "Archive"),
    "backup": ("Method", "Size"),
    "changeover": ("Generation", ""),
    "address": ("Endpoint", ""),
}


@dataclass(frozen=True)
class Row:
    """One thing in a list. `kin` is its provider, role, customer or resource; `use` and `size` are what USE heads for
    its kind; `late` says that its beat is overdue, `incidents` how many are open about it."""

    kind: str
    heads: tuple[str, str]
    name: str
    look: State
    felt: Moment | None
    since: Moment | None
    late: bool
    table_row: int | None
    why: str
    problem: str
    zone: str
    plan: str
    server: str
    instance: str
    use: str
    size: str
    kin: str
    incidents: int = 0

    @property
    def html(self) -> str:
        return drawn("portal/_row.html", self)


@dataclass(frozen=True)
class Listing:
    """Part of the things of one kind that were asked for. Links are query strings, empty where there is no page."""

    kind: str
    label: str
    heads: tuple[str, str]
    count: int
    rows: tuple[Row, ...]
    first: int
    last: int
    earlier: str
    later: str
    all: str


def lists(filters: Filters, census: tuple[Counted, ...], now: datetime) -> tuple[Listing, ...]:
    """One listing a kind that was asked for, also when nothing is in it; none for a kind that there is not. The kinds
    that are not in FIRST are listed when they are asked for, or when something that is searched for is found there."""
    if filters.kind:
        return tuple(listing(kind, filters, census, now) for kind in PLURALS if kind == filters.kind)
    first = tuple(listing(kind, filters, census, now) for kind in FIRST)
    if filters.zone or not (filters.q or filters.state):
        return first
    others = (listing(kind, filters, census, now) for kind in PLURALS if kind not in FIRST)
    return first + tuple(one for one in others if one.rows)


def listing(kind: str, filters: Filters, census: tuple[Counted, ...], now: datetime) -> Listing:
    found = matching(kind, filters)
    ill, well = counts(kind, found, filters, census)
    count = ill + well
    paged = kind == "resource" or filters.kind == kind
    page = min(filters.page, max(1, -(-count // PAGE))) if paged else 1
    first = (page - 1) * PAGE
    rows = read(kind, found, ill, first, first + (PAGE if paged else GLANCE), now)
    last = first + len(rows)
    return Listing(
        kind,
        PLURALS[kind],
        USE[kind],
        count,
        rows,
        first=first + 1 if rows else 0,
        last=last,
        earlier=filters.but(page=page - 1) if page > 1 else "",
        later=filters.but(page=page + 1) if paged and last < count else "",
        all=filters.but(kind=kind) if not paged and last < count else "",
    )


def counts(kind: str, found: QuerySet[Any], filters: Filters, census: tuple[Counted, ...]) -> tuple[int, int]:
    """How many of those that were asked for are not well, and how many are. The census knows what is plain."""
    if filters.q or filters.zone or filters.state in ENDS:
        return found.filter(state__in=NOT_WELL).count(), found.filter(state__in=WELL).count()
    groups = [one for one in census if one.kind == kind and filters.state in ("", one.state)]
    well = sum(group.count for group in groups if group.state in WELL)
    return sum(group.count for group in groups) - well, well


def matching(kind: str, filters: Filters) -> QuerySet[Any]:
    """What was asked for; what has come to its end only if its state was."""
    found = MEMBERS[kind].objects.all()
    found = found.filter(state=filters.state) if filters.state else found.exclude(state__in=ENDS)
    if filters.zone:
        found = found.filter(**{ZONES[kind]: filters.zone}) if kind in ZONES else found.none()
    if filters.q:
        anywhere = Q()
        for path in SEARCHED.get(kind, ("name",)):
            anywhere |= Q(**{f"{path}__icontains": filters.q})
        found = found.filter(anywhere)
    return found


def read(kind: str, found: QuerySet[Any], ill: int, first: int, last: int, now: datetime) -> tuple[Row, ...]:
    """The rows from `first` to before `last`, by rank and name; `ill` of them are not well, and come first. Those that
    are well come by the index of names, the others by that of states: to sort all of a big herd is to read all of it.
    """
    unwell = found.filter(state__in=NOT_WELL).order_by(by_rank(), "name").values("pk")[first:last]
    well = found.filter(state__in=WELL).order_by("name").values("pk")[max(0, first - ill) : max(0, last - ill)]
    paths = (F(path) for path in EXTRA[kind].values())
    rows = MEMBERS[kind].objects.filter(pk__in=unwell.union(well, all=True)).order_by(by_rank(), "name")
    return tuple(_row(kind, values, now) for values in rows.values_list(*COMMON, *paths))


def _row(kind: str, values: tuple[Any, ...], now: datetime) -> Row:
    name, state, felt_at, since, due_at, table_row, why, problem = values[: len(COMMON)]
    more = dict(zip(EXTRA[kind], values[len(COMMON) :], strict=True))
    return Row(
        kind=kind,
        heads=USE[kind],
        name=name,
        look=STATES[state],
        felt=moment(felt_at),
        since=moment(since),
        late=due_at is not None and now - due_at > LATE,
        table_row=table_row,
        why=why,
        problem=problem,
        zone=more.get("zone") or "",
        plan=more.get("plan") or "",
        server=more.get("server") or "",
        instance=more.get("instance") or "",
        use=str(more.get("use") or more.get("load") or share(more.get("connections"), more.get("limit"))),
        size=percent(more.get("disk")) or size(more.get("bytes")),
        kin=more["kin"] or "",
    )
