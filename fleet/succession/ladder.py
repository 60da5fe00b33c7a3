"""What proves that the old leader can't acknowledge another write: the first rung that holds.

Silence is no rung. An asynchronous leader that nobody reaches and whose machine may run has none: that needs the
provider to stop the machine, or a person who puts their name to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fleet.succession.claim import NOT_WAITING, Claim
from fleet.succession.loss import UNKNOWN, AcceptLoss
from fleet.succession.quorum import CANT_LOSE, Record


@dataclass(frozen=True)
class Acceptance:
    """A person's word: who, why, and how much may be lost (bytes, or "unknown" for whatever it may be)."""

    by: str
    reason: str
    loss: AcceptLoss


@dataclass(frozen=True)
class Evidence:
    """What is known of the old leader. `fence` is the generation on the fence marker of its host, `generation` the one
    that the changeover brings. Looks count when they are younger than the fencing itself: `*_age_s` against
    `fencing_s`. `record` is the leader's, frozen since the changeover began. None is not known."""

    leader: str
    promoted: str
    generation: int
    fencing_s: float
    postmaster: bool | None = None
    fence: int | None = None
    host_age_s: float | None = None
    machine: str | None = None
    machine_age_s: float | None = None
    record: Record | None = None
    may_lose_bytes: int | None = None
    accepted: Acceptance | None = None


@dataclass(frozen=True)
class Proof:
    """To be stored with the changeover: the rung, a sentence, and the facts that it stands on."""

    rung: int
    text: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Unproven:
    """No rung holds; what each of them lacks, in order."""

    missing: tuple[str, ...]


def _fresh(age_s: float | None, evidence: Evidence) -> bool:
    return age_s is not None and 0 <= age_s <= evidence.fencing_s


def _stopped(e: Evidence) -> str:
    if not _fresh(e.host_age_s, e):
        return f"the host of {e.leader} was not reached since the fencing began"
    if e.postmaster is not False:
        return f"a postmaster may run on the host of {e.leader}"
    if e.fence is None or e.fence < e.generation:
        return f"no fence on the host of {e.leader} keeps PostgreSQL from starting"
    return ""


def _machine(e: Evidence) -> str:
    if not _fresh(e.machine_age_s, e):
        return f"the provider was not asked about the machine of {e.leader} since the fencing began"
    # A paused machine is not a stopped one: it wakes up and goes on.
    if e.machine not in ("stopped", "absent"):
        return f"the provider says of the machine of {e.leader}: {e.machine or 'nothing'}"
    return ""


def _synchronous(e: Evidence) -> str:
    if e.record is None or e.record.says != CANT_LOSE:
        return f"no record proves that {e.leader} waits for a synchronous standby"
    if e.promoted not in e.record.required:
        return f"{e.leader} waits for {', '.join(e.record.required)} and not for {e.promoted}"
    return ""


def _person(e: Evidence) -> str:
    if e.accepted is None or not e.accepted.by.strip() or not e.accepted.reason.strip():
        return "no person has accepted it by name and with a reason"
    loss = e.accepted.loss
    if loss == UNKNOWN:
        return ""
    if not isinstance(loss, int) or e.may_lose_bytes is None or e.may_lose_bytes > loss:
        lost = "an unknown amount" if e.may_lose_bytes is None else f"{e.may_lose_bytes} bytes"
        return f"{e.accepted.by} accepted to lose {loss or 0} bytes, and {lost} may be lost"
    return ""


@dataclass(frozen=True)
class Rung:
    """`lacks` says what is missing, or "" when it holds; then `claim` is what it proves, and `also` names what is kept
    with it whether that is known or not."""

    number: int
    lacks: Callable[[Evidence], str]
    claim: Claim
    also: tuple[str, ...] = ()


# The rung that leaves the old leader running.
SYNCHRONOUS = 3

RUNGS = (
    Rung(
        1,
        _stopped,
        Claim("PostgreSQL of {leader} is stopped, its host is fenced", ("postmaster", "fence", "host_age_s")),
    ),
    Rung(
        2,
        _machine,
        Claim("the machine of {leader} is {machine}, says its provider", ("machine", "machine_age_s")),
    ),
    Rung(
        SYNCHRONOUS,
        _synchronous,
        Claim("{leader} waits for {promoted} before it acknowledges a commit", ("record",), NOT_WAITING),
    ),
    Rung(4, _person, Claim("{accepted.by} accepts the risk: {accepted.reason}", ("accepted",)), ("may_lose_bytes",)),
)


def prove(evidence: Evidence) -> Proof | Unproven:
    """The first rung that holds, or what every one of them lacks."""
    missing = []
    for rung in RUNGS:
        lacking = rung.lacks(evidence)
        if not lacking:
            known = vars(evidence)
            facts = {name: str(known[name]) for name in (*rung.claim.rests_on, *rung.also)}
            return Proof(rung.number, rung.claim.told(known), facts)
        missing.append(lacking)
    return Unproven(tuple(missing))
