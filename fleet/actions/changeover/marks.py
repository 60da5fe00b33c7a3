"""What the steps of a changeover leave for each other, and when each was reached."""

import time

from fleet import ledger
from fleet.actions.base import Acting, ActionError
from fleet.models import Changeover, Instance
from fleet.states import AVAILABLE

# What nobody asked for tries on for so long before it is given up (s): a standby that was slow to answer, a host that
# is on its way back.
PATIENCE_S = 30.0


def refuse(changeover: Changeover, acting: Acting, why: str) -> str:
    """It can't be done as things are: its table decides whether that ends it or calls a person."""
    ledger.mark(changeover, acting.lease, "refused", why=why)
    return f"refused: {why}"


def by_itself(changeover: Changeover) -> bool:
    """herdsite began it for an incident; no person asked."""
    return "case" in changeover.marks


def answers_again(changeover: Changeover, leader: Instance) -> bool:
    """A look has found since this began that the old leader leads: what is on its row from before is no word on it, nor
    is it one that it answers while its own promotion was cut off."""
    seen = leader.seen_at is not None and leader.seen_at > changeover.created_at
    return leader.state == AVAILABLE and seen and leader.facts.get("in_recovery") == "false"


def timeline_of(source: Instance) -> int:
    """The timeline that it writes, as it said last; as our records have it where it says nothing."""
    return int(source.facts.get("timeline_id") or source.timeline.timeline_id)


def refuse_in_time(changeover: Changeover, acting: Acting, why: str) -> str:
    """The same, at once where a person waits for the answer. What herdsite began by itself is tried again for a while:
    ActionError."""
    if by_itself(changeover) and time.time() - changeover.state_since.timestamp() < PATIENCE_S:
        raise ActionError(why)
    return refuse(changeover, acting, why)


def call_off(changeover: Changeover, acting: Acting, why: str) -> str:
    """There is nothing to undo, and no reason to go on."""
    ledger.mark(changeover, acting.lease, "rolled_back", why=why)
    return why
