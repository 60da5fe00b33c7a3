"""Schedules of the simulator: how many broke an invariant, and how many of the safety rules that are switched off one
at a time it notices.
"""

import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.test.utils import setup_test_environment

from bench.setup import say
from observations import retention
from tests.sim import exhaust
from tests.sim.arena import Arena
from tests.sim.faults import SCENARIOS
from tests.sim.mutants import MUTANTS, Mutant
from tests.sim.profiles import LATE, PLAIN, WILD
from tests.sim.run import Ending, play
from tests.sim.seeds import IN_ONE, endings, specs, story

# A mutant has so many seeds to be noticed in.
ENOUGH = 300
PROFILES = (PLAIN, WILD, LATE)
# So many broken schedules are told in full.
STORIES = 3

_clock = time.perf_counter


def measure(
    quick: bool, seeds: int = 1000, seed: int = 1, mutants: int = ENOUGH, cases: int = 0, first: int = 0
) -> dict[str, Any]:
    """`cases` of the exhaustive driver are counted through from number `first` on, of each scenario."""
    setup_test_environment()
    settings.ARCHIVE = ""
    retention.keep()
    seeds, mutants = (24, 4) if quick else (seeds, mutants)
    began, played, broken = _clock(), 0, []
    every = [spec for n in range(seed, seed + seeds) for spec in specs([n], PROFILES[n % len(PROFILES)], SCENARIOS)]
    for ending, again in endings(every):
        played += 1
        if ending.broken:
            broken.append(ending.broken)
            say(story(ending, again if len(broken) <= STORIES else None))
    for asked in exhaust.ASKED if cases else ():
        for ending in counted(asked, first, cases):
            played += 1
            if ending.broken:
                broken.append(ending.broken)
                say(story(ending))
    took_s = _clock() - began
    caught = [mutant.name for mutant in MUTANTS if notices(mutant, seed, mutants)] if mutants else []
    return {
        "schedules": played,
        "invariants_broken": len(broken),
        "mutants_caught": len(caught),
        "mutants": len(MUTANTS),
        "schedules_per_s": round(played / took_s, 2),
    }


def counted(asked: str, first: int, count: int) -> Iterator[Ending]:
    """Cases from number `first` on; where to go on is said every now and then."""
    for begin in range(first, first + count, IN_ONE):
        with Arena() as arena:
            every = exhaust.cases(arena, asked)
            for number in exhaust.numbers(begin, min(IN_ONE, first + count - begin), len(every)):
                yield play(arena, every.spec(number))
        say(f"{asked}: {min(begin + IN_ONE, len(every))} of {len(every)} cases")
        if begin + IN_ONE >= len(every):
            return


def notices(mutant: Mutant, first: int, most: int) -> bool:
    """Whether an invariant breaks within so many seeds while that rule is off."""
    for number, ending in enumerate(_without(mutant, first, most), 1):
        if ending.broken:
            say(f"without {mutant.name}: seed {ending.spec.seed}, the {number}. of {most}: {ending.broken}")
            return True
    say(f"without {mutant.name}: nothing broke in {most} seeds")
    return False


def _without(mutant: Mutant, first: int, most: int) -> Iterator[Ending]:
    with mutant.switched_off():
        for ending, _again in endings(specs(range(first, first + most), mutant.profile, mutant.scenarios)):
            yield ending
