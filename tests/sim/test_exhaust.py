"""A slice of every schedule with at most two hold-ups and one fault; `bin/bench simulate --cases` plays more."""

import pytest

from tests.sim.arena import Arena
from tests.sim.exhaust import ASKED, cases, numbers
from tests.sim.run import play
from tests.sim.seeds import story

# So many of each scenario.
SLICE = 8


def test_slices_that_follow_each_other_are_all_cases():
    for total in (1, 2, 9, 100, 1234):
        parts = [list(numbers(first, 40, total)) for first in range(0, total, 40)]
        assert sorted(number for part in parts for number in part) == list(range(total))


@pytest.mark.django_db
@pytest.mark.thorough
@pytest.mark.timeout(900)
@pytest.mark.parametrize("asked", ASKED)
def test_no_counted_case_breaks_an_invariant(asked: str):
    with Arena() as arena:
        every = cases(arena, asked)
        assert len(every) > 1000
        for number in numbers(0, SLICE, len(every)):
            ending = play(arena, every.spec(number))
            assert not ending.broken, story(ending, lambda spec: play(arena, spec))
