"""What moves, for the top of the herd page: changeovers under way, and addresses that lead nowhere. Two queries."""

from dataclasses import dataclass

from fleet.models import Address, Changeover
from fleet.states import ATTACHED, DESTROYING, ENDS, STATES, State
from herdsite.portal.shown import Moment, moment

MOST = 50


@dataclass(frozen=True)
class Under:
    """A changeover under way: `look` is its step, in which it has been since `since`; `until` when it may begin, where
    it waits."""

    name: str
    resource: str
    reason: str
    look: State
    began: Moment | None
    since: Moment | None
    until: Moment | None
    source: str
    target: str
    why: str
    actor: str
    problem: str


@dataclass(frozen=True)
class Adrift:
    """An address at which nobody reaches a database."""

    name: str
    endpoint: str
    resource: str
    look: State
    since: Moment | None
    problem: str


@dataclass(frozen=True)
class Moving:
    changeovers: tuple[Under, ...]
    addresses: tuple[Adrift, ...]


def moving() -> Moving:
    """The longest under way first."""
    changeovers = (
        Changeover.objects.exclude(state__in=ENDS)
        .order_by("created_at", "name")
        .values_list("name", "resource__name", "reason", "state", "created_at", "state_since", "not_before",
                     "source__name", "target__name", "asked_why", "actor", "problem")
    )  # fmt: skip
    addresses = (
        Address.objects.exclude(state__in=(ATTACHED, DESTROYING, *ENDS))
        .order_by("state_since", "name")
        .values_list("name", "endpoint", "resource__name", "state", "state_since", "problem")
    )
    return Moving(tuple(map(_under, changeovers[:MOST])), tuple(map(_adrift, addresses[:MOST])))


def _under(row: tuple) -> Under:
    name, resource, reason, state, began, since, until, source, target, why, actor, problem = row
    step, times = STATES[state], (moment(began), moment(since), moment(until))
    return Under(name, resource, reason, step, *times, source or "", target or "", why, actor, problem)


def _adrift(row: tuple) -> Adrift:
    name, endpoint, resource, state, since, problem = row
    return Adrift(name, endpoint, resource, STATES[state], moment(since), problem)
