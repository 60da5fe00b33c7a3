"""Seeds of the simulator: whatever is lost, late, doubled or killed on the way, no acknowledged write is lost, one
leads, and all is well again in the end."""

import pytest

from tests.sim.profiles import PLAIN
from tests.sim.seeds import endings, specs, story

pytestmark = [pytest.mark.django_db, pytest.mark.thorough, pytest.mark.timeout(1800)]
# As many as the whole suite has time for; `bin/bench simulate` plays thousands.
SEEDS, CHUNK = 30, 10
SCENARIOS = ("switchover", "failover", "standby")


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_seed_breaks_an_invariant(first: int):
    for ending, again in endings(specs(range(first, first + CHUNK), PLAIN, SCENARIOS)):
        assert not ending.broken, story(ending, again)
