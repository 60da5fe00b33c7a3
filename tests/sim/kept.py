"""Schedules that broke an invariant once, made small: tests/sim/test_kept.py plays each again. What `story` prints
of a broken schedule can be put here as it is, with a line that says what was wrong.
"""

from tests.sim.run import Spec

KEPT: dict[str, Spec] = {}
