"""Every schedule with at most two hold-ups and one fault, over what begins a changeover and what may strike it: counted
through, not drawn. A case has a number, so that a long run can go on where it left off.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from tests.sim.arena import Arena
from tests.sim.faults import Fault
from tests.sim.profiles import CALM
from tests.sim.run import Spec, play
from tests.sim.schedule import Choice

# For longer than any lease of a changeover, and long enough for the other worker to get ahead.
HELD: tuple[Choice, ...] = (("pause", 16.0), ("pause", 0.05))
DIES: Choice = ("kill", 0.0)
# What a person asks for, and when.
ASKED = {
    "switchover": (Fault(1.0, "switchover"),),
    "failover": (Fault(1.0, "failover"),),
    "cancel": (Fault(1.0, "switchover"), Fault(1.15, "cancel")),
}
STRIKES = ("crash", "off", "freeze")
# When a fault strikes: before, in each step, and after (s).
AT_S = (0.95, 1.02, 1.05, 1.1, 1.2, 1.5, 2.5)
# What the calm run came to from its first question on is where workers may be held up.
BEGINS_S, ENDS_S = 0.95, 2.0


@dataclass(frozen=True)
class Cases:
    """All of one scenario: `points` are the keys of its choices in the calm run, `faults` what may strike besides."""

    asked: str
    points: Sequence[str]
    faults: Sequence[Fault]

    def __len__(self) -> int:
        return (1 + len(self._single) + len(self._pairs)) * (1 + len(self.faults))

    @property
    def _single(self) -> list[dict[str, Choice]]:
        return [{point: choice} for point in self.points for choice in (*HELD, DIES)]

    @property
    def _pairs(self) -> list[dict[str, Choice]]:
        return [{one: HELD[0], other: HELD[0]} for one, other in combinations(self.points, 2)]

    def spec(self, number: int) -> Spec:
        """Those with one hold-up come before those with two, and each is struck by every fault in turn."""
        which, fault = divmod(number, 1 + len(self.faults))
        choices = [{}, *self._single, *self._pairs][which]
        struck = [*ASKED[self.asked], *([self.faults[fault - 1]] if fault else [])]
        return Spec(self.asked, number, CALM, sorted(struck, key=lambda one: one.at), choices)


def cases(arena: Arena, asked: str) -> Cases:
    """What there is to try: one calm run tells where workers pass."""
    calm = play(arena, Spec(asked, 0, CALM, list(ASKED[asked]), {}))
    hosts = sorted(arena.world.herd.provider.machines)
    faults = [Fault(at, kind, host) for host in hosts for kind in STRIKES for at in AT_S]
    points = [key for at, key in calm.passed if BEGINS_S <= at <= ENDS_S]
    return Cases(asked, points, faults)


def numbers(first: int, count: int, total: int) -> Iterator[int]:
    """`count` cases from `first` on, spread over all of them: a slice sees every kind of case, and slices that follow
    each other are all of them."""
    step = next(step for step in range(int(total * 0.618) | 1, total * 2 + 3, 2) if _coprime(step, total))
    return ((first + n) * step % total for n in range(min(count, total - first)))


def _coprime(one: int, other: int) -> bool:
    while other:
        one, other = other, one % other
    return one == 1
