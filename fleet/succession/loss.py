"""What a promotion may lose, bounded by what was seen of the old leader, and saying what the bound rests on.

Bytes can only be counted up to the last position that anybody saw. What the leader wrote after that look has no
bound in bytes but one in time, so a loss is stated in both, and both limits of a plan must hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fleet.succession import lsn
from fleet.succession.claim import NOT_WAITING

UNKNOWN: Literal["unknown"] = "unknown"
# What a person accepts to lose: nothing, so many bytes, or whatever it may be.
AcceptLoss = int | Literal["unknown"] | None


@dataclass(frozen=True)
class Look:
    """The leader's WAL was at `lsn`, `age_s` seconds ago. Every vantage counts: our own SQL, what a standby's receiver
    heard last, the control file of a leader that was stopped (age 0: it writes no more)."""

    lsn: int
    age_s: float


def remembered(before: str | None, at: str | None, archived: str | None, now: float) -> str | None:
    """What is kept of the last look that saw the WAL's end, as text: position, epoch (s), and the segment that was
    archived last (- for none). A look that saw nothing keeps what was known `before`."""
    if at is None:
        return before
    _at, _when, known = recalled(before)
    return f"{at} {now:.3f} {archived or known or '-'}"


def recalled(text: str | None) -> tuple[int | None, float, str]:
    """The reverse: the position, when it was seen, the segment ("" for none)."""
    at, _, rest = (text or "").partition(" ")
    when, _, archived = rest.partition(" ")
    return lsn.known(at), float(when or 0), "" if archived == "-" else archived


@dataclass(frozen=True)
class Loss:
    """`bytes` were seen on the leader and are missing; no write older than `seconds` is. None: can't be bounded."""

    bytes: int | None
    seconds: float | None
    rests_on: str

    def __str__(self) -> str:
        if self.bytes is None:
            return f"an amount that can't be bounded ({self.rests_on})"
        age = "(of any age)" if self.seconds is None else f"(last {self.seconds:.1f} s)"
        return f"up to {lsn.size(self.bytes)} of WAL {age} ({self.rests_on})"


NOTHING = Loss(0, 0.0, f"the leader waited for it before it acknowledged a commit, unless {NOT_WAITING}")
HANDED_BACK = Loss(0, 0.0, "the instance chosen to lead after it was never promoted, and no customer was moved there")
# What is no loss at all; every other one is an estimate.
NONE = (NOTHING, HANDED_BACK)


def bound(looks: Sequence[Look], has: int | None) -> Loss:
    """What is lost when a member that has the WAL up to `has` takes over."""
    if not looks:
        return Loss(None, None, "no look saw how far the leader had written")
    if has is None:
        return Loss(None, None, "how much WAL the standby has is not known")
    newest, furthest = min(look.age_s for look in looks), max(look.lsn for look in looks)
    return Loss(
        lsn.ahead(furthest, has),
        min((look.age_s for look in looks if look.lsn <= has), default=None),
        f"the leader was seen at {lsn.text(furthest)}, last {newest:.1f} s ago; it may have written more since",
    )
