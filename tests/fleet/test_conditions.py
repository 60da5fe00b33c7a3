"""Three-valued conditions: what is not known never acts, and never hides what is known."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.conditions import Condition, always, asked, is_, named, no, over, reached, under, yes

VERDICTS = [True, False, None]


def verdict(value: bool | None) -> Condition:
    return Condition(str(value), (str(value),), lambda _facts: value)


def facts(**known: object) -> dict[str, object]:
    return dict.fromkeys(("ssh", "load1", "machine", "doubt_s", "doubt_window_s", "asked")) | known


@pytest.mark.parametrize("one", VERDICTS)
@pytest.mark.parametrize("other", VERDICTS)
def test_kleene(one: bool | None, other: bool | None) -> None:
    both, either = (verdict(one) & verdict(other))({}), (verdict(one) | verdict(other))({})
    assert both is (False if False in (one, other) else None if None in (one, other) else True)
    assert either is (True if True in (one, other) else None if None in (one, other) else False)


@settings(deadline=None)
@given(st.sampled_from(VERDICTS), st.sampled_from(VERDICTS))
def test_de_morgan(one: bool | None, other: bool | None) -> None:
    a, b = verdict(one), verdict(other)
    assert (~(a & b))({}) is (~a | ~b)({})
    assert (~(a | b))({}) is (~a & ~b)({})
    assert (~~a)({}) is one


@pytest.mark.parametrize(
    ("condition", "true", "false"),
    [
        (yes("ssh"), {"ssh": True}, {"ssh": False}),
        (no("ssh"), {"ssh": False}, {"ssh": True}),
        (over("load1", 2), {"load1": 2.1}, {"load1": 2}),
        (under("load1", 2), {"load1": 1.9}, {"load1": 2}),
        (is_("machine", "stopped", "absent"), {"machine": "absent"}, {"machine": "running"}),
        (reached("load1", "doubt_s"), {"load1": 2, "doubt_s": 2}, {"load1": 1, "doubt_s": 2}),
    ],
    ids=str,
)  # fmt: skip
def test_a_condition_is_true_false_or_not_known(condition: Condition, true: dict, false: dict) -> None:
    assert condition(facts(**true)) is True
    assert condition(facts(**false)) is False
    assert condition(facts()) is None
    assert set(condition.names) == set(true)


@pytest.mark.parametrize("known", ["doubt_s", "doubt_window_s"])
def test_half_known_is_not_known(known: str) -> None:
    assert reached("doubt_s", "doubt_window_s")(facts(**{known: 1.0})) is None


def test_nobody_having_asked_is_known() -> None:
    assert asked("stop")(facts()) is False
    assert asked("stop")(facts(asked="stop")) is True
    assert asked("stop")(facts(asked="start")) is False


def test_always() -> None:
    assert always({}) is True


def test_a_composed_condition_reads_as_it_judges_and_names_each_fact_once() -> None:
    condition = yes("ssh") & (no("ssh") | over("load1", 2)) & ~is_("machine", "absent")
    assert str(condition) == "yes(ssh) & (no(ssh) | load1 > 2) & not machine is absent"
    assert condition.names == ("ssh", "load1", "machine")
    assert str(~(yes("ssh") & no("ssh"))) == "not (yes(ssh) & no(ssh))"


def test_a_name_of_its_own_changes_nothing_but_the_text() -> None:
    condition = named("the host answers", yes("ssh"))
    assert str(condition) == "the host answers"
    assert condition.names == ("ssh",)
    assert condition(facts(ssh=True)) is True
