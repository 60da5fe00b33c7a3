"""Seeds of the simulator: whatever is lost, late, doubled or killed on the way, no acknowledged write is lost, one
leads, and all is well again in the end.
"""

import pytest

from tests.sim.profiles import CALM, PLAIN, Profile
from tests.sim.seeds import endings, specs, story

pytestmark = [pytest.mark.django_db, pytest.mark.thorough, pytest.mark.timeout(1800)]
# As many as the whole suite has time for; `bin/bench simulate` plays thousands.
SEEDS, CHUNK = 30, 10
SCENARIOS = ("switchover", "failover", "standby", "async", "impatient", "rebuild")
# What is about one thing, without anything that happens besides.
ALONE = (
    *("cut", "restart", "told", "held", "late", "return", "blind", "alone", "behind", "gap", "back"),
    *("older", "blip", "resize", "destroy"),
)


def unbroken(seeds: range, profile: Profile, scenarios: tuple[str, ...]) -> None:
    for ending, again in endings(specs(seeds, profile, scenarios)):
        assert not ending.broken, story(ending, again)


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_seed_breaks_an_invariant(first: int):
    unbroken(range(first, first + CHUNK), PLAIN, SCENARIOS)


@pytest.mark.parametrize("scenario", ALONE)
def test_what_a_scenario_is_about_breaks_no_invariant(scenario: str):
    unbroken(range(2), CALM, (scenario,))
