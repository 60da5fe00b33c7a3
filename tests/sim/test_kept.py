"""What broke an invariant once breaks none any more."""

import pytest

from tests.sim.kept import KEPT
from tests.sim.run import play
from tests.sim.seeds import arena_of, story

pytestmark = [pytest.mark.django_db, pytest.mark.thorough, pytest.mark.timeout(600)]


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_schedule_breaks_nothing(name: str):
    with arena_of(KEPT[name].scenario) as arena:
        ending = play(arena, KEPT[name])
        assert not ending.broken, story(ending)
