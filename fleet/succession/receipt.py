"""What a failover leaves for the customer and for us: what was known, what it may have cost, and later what it did."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fleet.succession import lsn
from fleet.succession.ladder import Proof
from fleet.succession.loss import NOTHING, Look, bound


@dataclass(frozen=True)
class Discarded:
    """The WAL of the old leader that the new history does not have; positions as text. `commits` is how many commit
    records lie in it, each possibly acknowledged; None: not counted."""

    from_lsn: str
    to_lsn: str
    bytes: int
    commits: int | None = None


@dataclass(frozen=True)
class Receipt:
    """Positions as text, "" where nobody knows. `bound_bytes` counts up to the last look at the old leader; `bound_s`
    covers all it wrote: no acknowledged write older than that is lost. None: can't be bounded. `discarded` comes once
    the old leader's end was seen. `notes` are what else is lost, or may be, in sentences."""

    old_leader: str
    new_leader: str
    last_seen_lsn: str
    last_seen_s: float | None
    last_archived_wal: str
    promoted_lsn: str
    bound_bytes: int | None
    bound_s: float | None
    rests_on: str
    rung: int
    proof: str
    discarded: Discarded | None = None
    notes: tuple[str, ...] = ()


def build(
    old_leader: str,
    new_leader: str,
    looks: Sequence[Look],
    last_archived_wal: str,
    fork_lsn: int | None,
    lossless: bool,
    proof: Proof,
    notes: Sequence[str] = (),
) -> Receipt:
    """The receipt at the promotion. `looks` with their ages as of the proof; `lossless` as the choice said."""
    last = max(looks, key=lambda look: look.lsn, default=None)
    loss = NOTHING if lossless else bound(looks, fork_lsn)
    return Receipt(
        old_leader=old_leader,
        new_leader=new_leader,
        last_seen_lsn="" if last is None else lsn.text(last.lsn),
        last_seen_s=min((look.age_s for look in looks), default=None),
        last_archived_wal=last_archived_wal,
        promoted_lsn="" if fork_lsn is None else lsn.text(fork_lsn),
        bound_bytes=loss.bytes,
        bound_s=loss.seconds,
        rests_on=loss.rests_on,
        rung=proof.rung,
        proof=proof.text,
        notes=tuple(notes),
    )


def discarded(old_end_lsn: int | None, fork_lsn: int | None, commits: int | None = None) -> Discarded | None:
    """What lies past the fork on the old leader; None while either end is not known."""
    if old_end_lsn is None or fork_lsn is None:
        return None
    end = max(old_end_lsn, fork_lsn)
    return Discarded(lsn.text(fork_lsn), lsn.text(end), end - fork_lsn, commits)


def settle(receipt: Receipt, old_end_lsn: int) -> Receipt:
    """The receipt once the old leader's end is known."""
    return replace(receipt, discarded=discarded(old_end_lsn, lsn.known(receipt.promoted_lsn)))
