"""The steps from one required set to the next, one by one; and what each of them does not do."""

from dataclasses import replace

import pytest

from fleet.succession.quorum import (
    CANT_LOSE,
    MAY_LOSE,
    Apply,
    Nothing,
    Record,
    Standby,
    Step,
    Write,
    next_step,
    promoted,
    wish,
)
from fleet.succession.seen import Seen, Stream, setting

A, B = Standby("a", 0.0, True), Standby("b", 0.0, True)
SAFE = Record(("a",), CANT_LOSE, 4, True)
IN_FORCE = Seen(True, 'FIRST 1 ("a")', 4, True, 500, (Stream("a", True, "sync", 1, 500),))
WAITING = replace(SAFE, says=MAY_LOSE)


def step(record: Record, seen: Seen, *standbys: Standby, wanted: int = 1) -> Step:
    return next_step(record, seen, standbys, wanted, patience_s=10.0)


def test_a_restoration_from_the_first_step_to_the_last() -> None:
    seen = Seen(True, "", 4, True, 900, (Stream("a", True, "async", 0, 880),))
    first = step(Record(serial=4), seen, A)
    assert isinstance(first, Write) and first.record == Record(("a",), MAY_LOSE, 5)
    assert isinstance(order := step(first.record, seen, A), Apply)
    assert (order.setting, order.serial) == ('FIRST 1 ("a")', 5)
    # The leader is busy: the standby never is where the leader is.
    seen = replace(seen, setting=order.setting, serial=5, streams=(Stream("a", True, "sync", 1, 880),))
    shown = step(first.record, seen, A)
    assert isinstance(shown, Write) and shown.record == replace(first.record, shown=True)
    since = step(shown.record, seen, A)
    assert isinstance(since, Write) and since.record == replace(shown.record, since_lsn=900)
    assert isinstance(step(since.record, seen, A), Nothing)
    proven = step(since.record, replace(seen, lsn=1000, streams=(Stream("a", True, "sync", 1, 900),)), A)
    assert isinstance(proven, Write) and proven.record == replace(since.record, says=CANT_LOSE)


def test_the_record_gives_up_its_claim_before_the_leader_is_told() -> None:
    gone = replace(A, away_s=10.1, ready=False)
    alone = Record((), MAY_LOSE, 5)
    assert step(SAFE, IN_FORCE, gone) == Write(alone, "commits are to wait for no standby, no longer for a")
    assert step(alone, IN_FORCE, gone) == Apply("", 5, "commits are to wait for no standby")
    other = step(SAFE, IN_FORCE, gone, B)
    assert isinstance(other, Write) and other.record == Record(("b",), MAY_LOSE, 5)
    assert isinstance(step(replace(alone, shown=True), replace(IN_FORCE, setting="", serial=5), gone), Nothing)


@pytest.mark.parametrize("away_s", [None, 0.5, 10.0])
def test_nobody_is_dropped_for_a_short_absence_or_an_unknown_one_nor_does_another_join_meanwhile(away_s) -> None:
    assert isinstance(step(SAFE, IN_FORCE, replace(A, away_s=away_s, ready=False), B, wanted=2), Nothing)


@pytest.mark.parametrize("sure", [None, False])
def test_nothing_changes_while_the_leader_is_in_doubt(sure) -> None:
    for record in (SAFE, WAITING, Record()):
        assert isinstance(step(record, replace(IN_FORCE, sure=sure)), Nothing)


def test_one_that_is_gone_for_good_is_dropped_at_once() -> None:
    changed = step(SAFE, IN_FORCE, B)
    assert isinstance(changed, Write) and changed.record == Record(("b",), MAY_LOSE, 5)


@pytest.mark.parametrize("change", [{"setting": ""}, {"serial": 3}, {"serial": None}])
def test_a_leader_that_shows_something_else_ends_the_claim(change) -> None:
    changed = step(SAFE, replace(IN_FORCE, **change), A)
    assert isinstance(changed, Write) and changed.record == Record(("a",), MAY_LOSE, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"setting": None},
        {"settled": None},
        {"settled": False},
        {"lsn": None},
        {"streams": None},
        {"streams": ()},
        {"streams": (Stream("a", True, "sync", 1, None),)},
        {"streams": (Stream("a", False, "sync", 1, 500),)},
        {"streams": (Stream("a", True, "potential", 1, 500),)},
        {"streams": (Stream("a", True, "sync", 2, 500),)},
        {"streams": (Stream("a", True, "sync", 1, 500), Stream("a", True, "sync", 1, 500))},
        {"streams": (Stream("a", True, "sync", 1, 500), Stream("b", True, "async", 2, 500))},
    ],
)
def test_what_a_look_lacks_proves_nothing(change) -> None:
    proven = step(WAITING, IN_FORCE, A)
    assert isinstance(proven, Write) and proven.record == SAFE
    unproven = step(WAITING, replace(IN_FORCE, **change), A)
    assert isinstance(unproven, Nothing) or unproven == replace(unproven, record=replace(WAITING, since_lsn=500))


def test_who_joins_comes_first_and_who_leaves_makes_room() -> None:
    c = Standby("c", 0.0, True)
    assert wish((), (A, B, c), 2, 10, True) == ("a", "b")
    assert wish(("a",), (A, B, c), 2, 10, True) == ("b", "a")
    assert wish(("a", "b"), (A, B, c), 3, 10, True) == ("c", "a", "b")
    assert wish(("a", "b"), (A, B, c), 1, 10, True) == ("a",)
    assert wish(("a", "b"), (replace(A, away_s=11, ready=False), B, c), 2, 10, True) == ("c", "b")
    assert wish(("a", "b"), (A, B), 0, 10, True) == ()
    assert wish((), (replace(A, ready=None), replace(B, ready=False)), 2, 10, True) == ()


def test_a_second_one_joins_only_a_setting_that_everybody_has_heard_of() -> None:
    assert wish((), (A, B), 2, 10, False) == ("a",)
    assert wish(("a",), (A, B), 2, 10, False) == ("a",)
    assert isinstance(step(SAFE, replace(IN_FORCE, settled=False), A, B, wanted=2), Nothing)
    grown = step(
        SAFE, replace(IN_FORCE, streams=(*IN_FORCE.streams, Stream("b", True, "async", 0, 500))), A, B, wanted=2
    )
    assert isinstance(grown, Write) and grown.record == Record(("b", "a"), MAY_LOSE, 5)


def test_the_next_leader_waits_for_nobody_and_takes_no_order_of_the_old_one() -> None:
    assert promoted(SAFE) == Record((), MAY_LOSE, 5)


def test_the_setting_requires_all_of_them() -> None:
    assert setting(()) == ""
    assert setting(("a",)) == 'FIRST 1 ("a")'
    assert setting(("serene-elk-1", 'o"dd, name')) == 'FIRST 2 ("serene-elk-1", "o""dd, name")'


@pytest.mark.parametrize("names", [("",), ("*",), ("a" * 64,), ("é",), ("a\n",), ("a", "a"), ("a", "A")])
def test_a_name_that_postgresql_would_change_or_take_for_another_is_refused(names) -> None:
    with pytest.raises(ValueError, match="standby"):
        setting(names)
