"""A changeover in words: where leadership went, when each step was reached, what proved the old leader silent, and what
was lost or could have been."""

from dataclasses import dataclass
from typing import Any

from fleet.models import Changeover
from fleet.states import CANCELLED, ENDS, STATES, State
from herdsite.portal.shown import Moment, epoch, moment, size

# The marks of fleet/actions/changeover, as a person says them.
STEPS = {
    "ready": "the new leader was chosen",
    "paused": "clients were paused at the address",
    "old_end": "the last WAL position of the old leader was read",
    "fenced": "the old leader was proven to accept no writes",
    "promoted": "the new leader was promoted",
    "repointed": "the address was attached to the new leader",
    "rolled_back": "the old leader carried on",
    "refused": "the changeover was refused",
}


@dataclass(frozen=True)
class Step:
    """`after` is counted from when it was asked for: "+0.21 s"."""

    what: str
    at: Moment
    after: str


@dataclass(frozen=True)
class Move:
    """One changeover. `took` is from the asking until its customers were led to the new leader;
    `lost` says in words what its receipt says in numbers, `harmless` that no acknowledged write was."""

    name: str
    resource: str
    reason: str
    look: State
    over: bool
    began: Moment | None
    ended: Moment | None
    actor: str
    why: str
    source: str
    target: str
    generation: int
    proof: str
    lost: str
    harmless: bool
    took: str
    refused: str
    steps: tuple[Step, ...]
    numbers: tuple[tuple[str, str], ...]


def describe(changeover: Changeover) -> Move:
    """In words. Reads its resource, source and target: have them selected."""
    marks, receipt = changeover.marks, changeover.receipt
    began = changeover.created_at.timestamp()
    at = {name: marks[name] for name in STEPS if isinstance(marks.get(name), int | float)}
    lost, harmless = loss(changeover)
    return Move(
        name=changeover.name,
        resource=changeover.resource.name,
        reason=changeover.get_reason_display(),
        look=STATES[changeover.state],
        over=changeover.state in ENDS,
        began=moment(changeover.created_at),
        ended=moment(changeover.finished_at),
        actor=changeover.actor,
        why=changeover.asked_why,
        source=changeover.source.name if changeover.source else "",
        target=changeover.target.name if changeover.target else "",
        generation=changeover.generation,
        proof=str(changeover.proof.get("text", "")),
        lost=lost,
        harmless=harmless,
        took=f"{at['repointed'] - began:.1f} s" if "repointed" in at else "",
        refused=str(marks.get("why", "")) if {"refused", "rolled_back"} & at.keys() else "",
        steps=tuple(
            Step(STEPS[name], epoch(when), f"+{when - began:.2f} s")
            for name, when in sorted(at.items(), key=lambda step: step[1])
        ),
        numbers=_numbers(receipt),
    )


def loss(changeover: Changeover) -> tuple[str, bool]:
    """What was lost, or could have been, as a sentence; and whether no acknowledged write was."""
    receipt = changeover.receipt
    if not receipt:
        untouched = changeover.state == CANCELLED
        return ("Nothing was promoted: nothing was lost." if untouched else "", True)
    bound, found = receipt.get("bound_bytes"), receipt.get("discarded")
    if changeover.planned:
        said, harmless = "No write was lost: the old leader was stopped cleanly.", True
    elif bound == 0:
        said, harmless = "No acknowledged write was lost.", True
    elif bound is None:
        said, harmless = (
            f"The loss can't be bounded: {receipt.get('rests_on') or 'the last position was not seen'}.",
            False,
        )
    else:
        seconds = receipt.get("bound_s")
        since = "" if seconds is None else f", none of it older than {seconds:.1f} s,"
        said, harmless = f"At most {size(bound)} of WAL{since} could have been lost.", False
    notes = "".join(f" {note[0].upper()}{note[1:]}." for note in receipt.get("notes", ()))
    return f"{said} {_discarded(found, harmless)}".strip() + notes, harmless


def _discarded(found: dict[str, Any] | None, harmless: bool) -> str:
    if found is None:
        return ""
    if not found["bytes"]:
        return "The old leader had no WAL that the new leader lacks."
    commits = found.get("commits")
    waited = ", acknowledged only where a client cancelled the wait or had set synchronous_commit" if harmless else ""
    counted = "" if commits is None else f", with {commits} commits{waited if commits else ''}"
    return (
        f"The old leader had {size(found['bytes'])} more{counted}: {found['from_lsn']} to {found['to_lsn']} "
        "was discarded."
    )


def _numbers(receipt: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The positions on the receipt; what nobody knows is left out."""
    rows = (
        ("Last seen on the old leader", receipt.get("last_seen_lsn")),
        ("Last archived segment", receipt.get("last_archived_wal")),
        ("Promoted at", receipt.get("promoted_lsn")),
        ("Bound is based on", receipt.get("rests_on")),
        ("Proof, by number of its kind", receipt.get("rung")),
    )
    return tuple((label, str(value)) for label, value in rows if value not in (None, ""))


def last(resource: Any, most: int) -> tuple[Move, ...]:
    """The changeovers of a resource, the latest first."""
    found = resource.changeovers.select_related("resource", "source", "target").order_by("-created_at")
    return tuple(describe(one) for one in found[:most])
