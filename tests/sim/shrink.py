"""A failing schedule made small: faults and choices are left out as long as the same invariant breaks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.sim.run import Ending, Spec

Part = TypeVar("Part")
# No more runs than that: a smaller story is not worth an hour.
MOST_RUNS = 60


def shrink(ending: Ending, run: Callable[[Spec], Ending], most: int = MOST_RUNS) -> Ending:
    """The smallest that was found. `run` plays a Spec."""
    letter = ending.broken.partition(":")[0]
    left = [most]
    best = ending

    def breaks(faults: Sequence[object], choices: Mapping[str, object]) -> bool:
        nonlocal best
        if left[0] <= 0:
            return False
        left[0] -= 1
        tried = run(replace(ending.spec, faults=list(faults), choices=dict(choices)))  # type: ignore[arg-type]
        if tried.broken.partition(":")[0] != letter:
            return False
        best = tried
        return True

    choices = dict(ending.taken)
    kept = _without(list(choices), lambda names: breaks(ending.faults, {name: choices[name] for name in names}))
    choices = {name: choices[name] for name in kept}
    _without(list(ending.faults), lambda faults: breaks(faults, choices))
    return best


def _without(parts: list[Part], breaks: Callable[[list[Part]], bool]) -> list[Part]:
    """Leave out halves, then quarters, and so on, for as long as it breaks without them."""
    size = len(parts)
    while size:
        start = 0
        while start < len(parts):
            fewer = parts[:start] + parts[start + size :]
            if breaks(fewer):
                parts = fewer
            else:
                start += size
        size //= 2
    return parts
