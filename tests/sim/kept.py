"""Schedules that broke an invariant once, made small: tests/sim/test_kept.py plays each again. What `story` prints
of a broken schedule can be put here as it is, with a line that says what was wrong.
"""

from tests.sim.faults import Fault
from tests.sim.profiles import CALM
from tests.sim.run import Spec

KEPT: dict[str, Spec] = {
    # The job that rewound it ended after the one that removed it: its data stood there again, and no row led on.
    "a former leader is destroyed while it comes back": Spec(
        "destroy", 1, CALM, faults=[Fault(1.0, "switchover"), Fault(1.654, "destroy")], choices={}
    ),
    # It ended between its build and the first look at it, and no row led on.
    "a standby's postmaster ends before it was seen to answer": Spec(
        "cancel", 360347, CALM, faults=[Fault(1.0, "switchover"), Fault(2.5, "crash", "herd-a-1")], choices={}
    ),
}
