"""Taking a changeover's beats here and now. Any process may take a beat, so a failover can be forced from a terminal
when no worker is alive; where workers are, they and this process take turns, by the leases."""

import time
from collections.abc import Callable

from fleet import policy, workers
from fleet.models import Changeover
from fleet.states import CANCELLED, DONE, NEEDS_HUMAN
from herdsite import wiring
from herdsite.turns import Turn

ENDS = (DONE, CANCELLED, NEEDS_HUMAN)


def follow(changeover: Changeover, tell: Callable[[str], None], seconds: float) -> Changeover:
    """Beat it until it has ended or needs a person, telling each step as it comes. Returns it as it is then."""
    turn = Turn(policy.WORK, wiring.ports(), workers.vantage(), kinds=(Changeover.KIND,))
    end, told = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        changeover.refresh_from_db()
        now = f"{changeover.look.label}: {changeover.problem or changeover.marks.get('why') or changeover.why}"
        if now != told:
            tell(now)
            told = now
        if changeover.state in ENDS:
            break
        if not turn.once(Changeover.KIND):
            time.sleep(0.05)
    return changeover
