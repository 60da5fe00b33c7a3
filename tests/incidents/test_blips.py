"""Ten thousand blips: troubles that are over before the plan's doubt window is, cuts of one wire only, and vantages
gone blind. Nothing goes further than doubt: no alarm opens, no action is wanted, and all is well again afterwards."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from fleet.plans import OFFERS
from fleet.states import AVAILABLE, DOWN, UNCERTAIN
from tests.simherd import FELT, SQL, SSH, Tower

pytestmark = pytest.mark.thorough

BLIPS, LOOKS = 10_000, 7
PLANS = {offer.name: offer for offer in OFFERS}
VANTAGES = ("here/1", "here/2", "there/1", "there/2")
# Does a look from this vantage over this wire get an answer?
Wire = Callable[[str, str], bool]


@dataclass(frozen=True)
class Trouble:
    """`windows` is how long it lasts at most, in the plan's doubt windows: what can't be a verdict at all may last."""

    through: Wire
    windows: float = 1.0
    blind: tuple[str, ...] = ()


def troubles(chance: random.Random) -> dict[str, Trouble]:
    """One of each kind; chance is drawn at each look."""
    vantage, place = chance.choice(VANTAGES), chance.choice(("here", "there"))
    return {
        "everything fails": Trouble(lambda _vantage, _wire: False),
        "sql fails": Trouble(lambda _vantage, wire: wire == SSH),
        "ssh fails": Trouble(lambda _vantage, wire: wire == SQL),
        "every second look fails": Trouble(lambda _vantage, _wire: chance.random() < 0.5),
        "one worker is blind": Trouble(lambda who, _wire: who != vantage),
        "one place is blind": Trouble(lambda who, _wire: not who.startswith(place), blind=(place,)),
        "every place is blind": Trouble(lambda _vantage, _wire: False, 3.0, ("here", "there")),
    }


def blip(tower: Tower, trouble: Trouble, lasts_s: float, chance: random.Random) -> None:
    """Looks at all three while it lasts, at its very beginning and end too; then it is over."""
    times = [0.0, *sorted(chance.uniform(0, lasts_s) for _n in range(LOOKS - 2)), lasts_s]
    for n, at in enumerate(times):
        kind = FELT[n % 3] if n < 3 else chance.choice(FELT)
        who = chance.choice(VANTAGES)
        sighted = not who.startswith(trouble.blind) if trouble.blind else True
        tower.look(kind, at, who, lambda wire, who=who: trouble.through(who, wire), sighted)
    for kind in FELT:
        tower.look(kind, lasts_s + 1, chance.choice(VANTAGES), lambda _wire: True, True)


def test_ten_thousand_blips_go_no_further_than_doubt() -> None:
    chance, doubted = random.Random(20_260_701), Counter[tuple[str, str]]()
    for n in range(BLIPS):
        plan = OFFERS[n % len(OFFERS)]
        name, trouble = chance.choice(list(troubles(chance).items()))
        tower = Tower(plan.doubt_s)
        blip(tower, trouble, trouble.windows * plan.doubt_s * chance.uniform(0.01, 0.999), chance)
        told = f"blip {n}: {name}, {plan.name}"
        assert tower.went <= {AVAILABLE, UNCERTAIN}, told
        assert (tower.opened, tower.did) == ([], []), told
        assert tower.states() == {AVAILABLE}, told
        doubted[name, plan.name] += UNCERTAIN in tower.went
    assert set(doubted) == {(name, plan) for name in troubles(chance) for plan in PLANS}
    assert all(doubted.values()), "each kind of trouble was felt under each plan"


@pytest.mark.parametrize("plan", ["premium-0", "standard-0", "starter-0"])
def test_what_lasts_longer_is_a_verdict(plan: str) -> None:
    tower = Tower(PLANS[plan].doubt_s)
    for tenth in range(13):
        for n, kind in enumerate(FELT):
            at = tenth / 10 * tower.members[kind].doubt_s
            tower.look(kind, at, VANTAGES[(n + tenth) % 4], lambda _wire: False, True)
    assert DOWN in tower.went and tower.opened


def test_a_blind_place_alone_comes_to_no_verdict_however_long_it_is_blind() -> None:
    tower = Tower(2.5)
    for n in range(300):
        tower.look(FELT[n % 3], float(n), VANTAGES[n % 2], lambda _wire: False, False)
    assert tower.went == {UNCERTAIN} and tower.opened == []
