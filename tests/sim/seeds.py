"""Many schedules, one after the other: how many broke what, and the stories of those that did."""

import time
from collections.abc import Callable, Iterable, Iterator

from tests.premiumworld import premium
from tests.sim.arena import Arena, spacious
from tests.sim.faults import ROOMY, SCENARIOS
from tests.sim.profiles import Profile
from tests.sim.run import Ending, Spec, play
from tests.sim.shrink import shrink

# A transaction that holds too many schedules grows slow.
IN_ONE = 25

# Taken before any schedule shadows it.
_clock = time.perf_counter


def specs(seeds: Iterable[int], profile: Profile, scenarios: tuple[str, ...] = SCENARIOS) -> list[Spec]:
    """A seed is one schedule: the scenarios take turns."""
    return [Spec(scenarios[seed % len(scenarios)], seed, profile) for seed in seeds]


def endings(
    wanted: Iterable[Spec], budget_s: float = float("inf")
) -> Iterator[tuple[Ending, Callable[[Spec], Ending]]]:
    """Each ending, and how to play another one in the same world."""
    began = _clock()
    for some in _together(list(wanted)):
        with arena_of(some[0].scenario) as arena:
            for spec in some:
                yield play(arena, spec), lambda other, arena=arena: play(arena, other)
                if _clock() - began > budget_s:
                    return


def arena_of(scenario: str) -> Arena:
    return Arena(spacious if scenario in ROOMY else premium)


def _together(wanted: list[Spec]) -> Iterator[list[Spec]]:
    """Those that are played in one world, so many at a time."""
    for roomy in (False, True):
        some = [spec for spec in wanted if (spec.scenario in ROOMY) is roomy]
        for first in range(0, len(some), IN_ONE):
            yield some[first : first + IN_ONE]


def story(ending: Ending, again: Callable[[Spec], Ending] | None = None, lines: int = 60) -> str:
    """What a person reads: how to replay it, what was chosen, and what happened."""
    best = shrink(ending, again) if again else ending
    spec = best.spec
    head = [
        f"{best.broken}",
        f"Spec({spec.scenario!r}, {spec.seed}, {spec.profile.name.upper()},",
        f"     faults={list(best.faults)!r},",
        f"     choices={dict(best.taken)!r})",
    ]
    return "\n".join([*head, *best.story[-lines:]])
