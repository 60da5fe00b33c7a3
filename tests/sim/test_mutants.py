"""The simulator notices what is missing: with one of twelve safety rules switched off, a schedule that is known to need
it breaks an invariant; with all of them on, the same schedule breaks none.
"""

import pytest

from tests.sim.mutants import MUTANTS, Mutant
from tests.sim.seeds import endings, specs, story

pytestmark = [pytest.mark.django_db, pytest.mark.thorough, pytest.mark.timeout(600)]


KNOWN = [mutant for mutant in MUTANTS if mutant.seed is not None]


@pytest.mark.parametrize("mutant", KNOWN, ids=lambda mutant: mutant.name)
def test_a_rule_that_is_switched_off_is_missed(mutant: Mutant):
    assert mutant.seed is not None
    wanted = specs([mutant.seed], mutant.profile, mutant.scenarios)
    ((whole, again),) = endings(wanted)
    assert not whole.broken, story(whole, again)
    with mutant.switched_off():
        ((ending, _again),) = endings(wanted)
    assert ending.broken, f"nothing misses {mutant.name}"
