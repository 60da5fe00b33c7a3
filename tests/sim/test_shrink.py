"""A failing schedule is made small: by the halves that it breaks without as well, for the same invariant, in so many
runs."""

from tests.sim.faults import Fault
from tests.sim.profiles import CALM
from tests.sim.run import Ending, Spec
from tests.sim.seeds import story
from tests.sim.shrink import shrink

FAULTS = [Fault(float(n), "crash", f"host-{n}") for n in range(6)]
CHOICES = {f"here/1:commit#{n}": ("pause", float(n)) for n in range(9)}
NEEDED = (FAULTS[2], "here/1:commit#5")


def played(spec: Spec) -> Ending:
    """It loses a commit if both are there that are needed, and leads nowhere without the one choice."""
    faults, choices = list(spec.faults or ()), dict(spec.choices or {})
    broken = "S1: c7 is not on shop-2" if NEEDED[1] in choices and NEEDED[0] in faults else "L: nobody leads"
    told = [*(f"{fault.kind} {fault.arg}" for fault in faults), *choices] * 20
    return Ending(spec, broken, faults, choices, story=told)


def test_what_is_left_is_what_the_same_invariant_breaks_by():
    runs = []

    def run(spec: Spec) -> Ending:
        runs.append(spec)
        return played(spec)

    found = shrink(played(Spec("switchover", 7, CALM, FAULTS, CHOICES)), run)
    assert (list(found.faults), list(found.taken)) == ([NEEDED[0]], [NEEDED[1]])
    assert found.broken.startswith("S1")
    assert len(runs) < 40


def test_it_ends_after_so_many_runs_with_the_smallest_so_far():
    runs = []

    def run(spec: Spec) -> Ending:
        runs.append(spec)
        return played(spec)

    found = shrink(played(Spec("switchover", 7, CALM, FAULTS, CHOICES)), run, most=3)
    assert len(runs) == 3
    assert found.broken.startswith("S1") and len(found.taken) < len(CHOICES)


def test_its_story_is_a_screen_and_says_how_to_play_it_again():
    told = story(played(Spec("switchover", 7, CALM, FAULTS, CHOICES)), played)
    assert len(told.splitlines()) <= 64
    spec = eval(told[told.index("Spec(") : told.index("})") + 2], {"Spec": Spec, "CALM": CALM, "Fault": Fault})
    assert spec == Spec("switchover", 7, CALM, [NEEDED[0]], {NEEDED[1]: CHOICES[NEEDED[1]]})
    assert played(spec).broken.startswith("S1")
