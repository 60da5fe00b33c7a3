"""How many things there are, by kind and state, and whether anybody still looks at them: one query a kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Max, Q, Value

from fleet.models import MEMBERS
from fleet.policy import LONGEST_S
from fleet.states import ENDS, STATES, State
from herdsite.portal.ranks import rank
from herdsite.portal.shown import Moment, moment

LATE = timedelta(seconds=LONGEST_S)
# Something is always due within the longest interval; this much later still means that nobody looks.
SILENT = timedelta(seconds=LONGEST_S + 5)


def plural(kind: str) -> str:
    """A kind's heading: "Servers", "Addresses"."""
    return f"{kind.capitalize()}{'es' if kind.endswith('s') else 's'}"


PLURALS = {kind: plural(kind) for kind in MEMBERS}
# What an operator looks after. The other kinds come and go with these, and would drown them.
FIRST = ("server", "instance", "resource")


@dataclass(frozen=True)
class Total:
    """So many things in one state."""

    look: State
    count: int


@dataclass(frozen=True)
class Kind:
    """All things alive of one kind: how many, and of which states, what wants attention first. `minor`: it is
    not in FIRST."""

    kind: str
    label: str
    count: int
    totals: tuple[Total, ...]
    minor: bool


@dataclass(frozen=True)
class Counted:
    """One group of a census. Servers are counted in each zone, other kinds across all."""

    kind: str
    zone: str
    state: str
    count: int
    late: int
    felt_at: datetime | None


@dataclass(frozen=True)
class Silence:
    """The herd's data is old: since when nobody has looked at anything, and how many things wait for a late beat."""

    since: Moment | None
    late: int


def take(now: datetime) -> tuple[Counted, ...]:
    """Everything that has not come to its end. `late` counts what has waited longer than LATE for its beat at `now`."""
    found = []
    for kind, model in MEMBERS.items():
        groups = (
            model.objects.exclude(state__in=ENDS)
            .order_by()
            .values(lies_in=F("zone") if kind == "server" else Value(""), now_in=F("state"))
            .annotate(count=Count("pk"), late=Count("pk", filter=Q(due_at__lt=now - LATE)), felt=Max("felt_at"))
            .values_list("lies_in", "now_in", "count", "late", "felt")
        )
        found += [Counted(kind, *group) for group in groups]
    return tuple(found)


def kinds(census: tuple[Counted, ...]) -> tuple[Kind, ...]:
    return tuple(
        Kind(kind, label, count(groups, kind), totals(groups), kind not in FIRST)
        for kind, label in PLURALS.items()
        for groups in [[group for group in census if group.kind == kind]]
    )


def count(groups: Iterable[Counted], kind: str, state: str = "") -> int:
    """How many things of a kind are in these groups, or how many of them in one state."""
    return sum(group.count for group in groups if group.kind == kind and state in ("", group.state))


def totals(groups: list[Counted]) -> tuple[Total, ...]:
    """The groups' members by state, what wants attention first."""
    states = sorted({group.state for group in groups}, key=rank)
    return tuple(Total(STATES[state], sum(g.count for g in groups if g.state == state)) for state in states)


def zones(census: tuple[Counted, ...]) -> tuple[str, ...]:
    return tuple(sorted({group.zone for group in census if group.zone}))


def silence(census: tuple[Counted, ...], now: datetime) -> Silence | None:
    """What is wrong with the looking itself; None when all of the herd is being looked at."""
    late = sum(group.late for group in census)
    last = max((group.felt_at for group in census if group.felt_at), default=None)
    silent = last is not None and now - last > SILENT
    return Silence(moment(last) if silent else None, late) if silent or late else None
