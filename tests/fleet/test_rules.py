"""A table picks its first true row, and `check` finds what is wrong with one."""

import pytest

from fleet.conditions import always, asked, no, yes
from fleet.facts import read
from fleet.rules import ANY, WAIT, Rule, Table, check, do, go, think, tried
from fleet.states import AVAILABLE, CREATING, DESTROYING, UNCERTAIN
from tests.worlds import NOW

END = Rule(901, ANY, always, WAIT, "nothing to do")
BURY = Rule(601, DESTROYING, yes("dropped"), go("bury"), "it is gone")
TABLE: Table = (
    Rule(101, (CREATING, AVAILABLE), asked("destroy"), go("destroy"), "asked for"),
    Rule(201, CREATING, yes("service_available"), go("come_up"), "it answers"),
    Rule(301, AVAILABLE, no("service_available"), go("doubt"), "no answer"),
    BURY,
    END,
)
VERBS = ("place",)


def test_the_first_true_row_for_the_state_wins() -> None:
    facts = read(NOW, {"service_available": "false"}, asked="destroy")
    assert think(TABLE, AVAILABLE, facts).row == 101
    assert think(TABLE, UNCERTAIN, facts).row == 901
    assert think(TABLE, AVAILABLE, read(NOW, {"service_available": "false"})).row == 301


def test_a_row_that_hangs_on_something_unknown_does_not_win() -> None:
    assert think(TABLE, CREATING, read(NOW, {})).row == 901


def test_tried_shows_the_rows_up_to_the_one_that_won() -> None:
    facts = read(NOW, {"service_available": "false"})
    assert [(rule.row, verdict) for rule, verdict in tried(TABLE, AVAILABLE, facts)] == [(101, False), (301, True)]
    assert [(rule.row, verdict) for rule, verdict in tried(TABLE, CREATING, read(NOW, {}))] == [
        (101, False),
        (201, None),
        (901, True),
    ]


def test_a_table_without_an_end_is_an_error_where_it_is_read() -> None:
    with pytest.raises(LookupError, match="must end with ANY, always"):
        think(TABLE[:-1], UNCERTAIN, read(NOW, {}))


def test_a_sound_table() -> None:
    assert check("resource", TABLE, VERBS) == []


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ((END, BURY), "resource: row numbers must rise"),
        ((BURY, BURY, END), "resource: row numbers must rise"),
        ((BURY,), "resource row 601: the last row must be ANY, always, WAIT"),
        ((Rule(1, "asleep", yes("dropped"), WAIT, ""), BURY, END), "resource row 1: resource has no state 'asleep'"),
        ((Rule(1, "fenced", yes("dropped"), WAIT, ""), BURY, END), "resource row 1: resource has no state 'fenced'"),
        ((Rule(1, ANY, yes("happy"), WAIT, ""), BURY, END), "resource row 1: no fact is called 'happy'"),
        ((Rule(1, ANY, yes("dropped"), do("dance"), ""), BURY, END), "resource row 1: there is no action 'dance'"),
        ((Rule(1, ANY, yes("dropped"), go("fly"), ""), BURY, END), "resource row 1: resource has no move 'fly'"),
        ((Rule(1, CREATING, yes("dropped"), go("doubt"), ""), BURY, END), "the move does not start from 'creating'"),
        ((Rule(1, ANY, yes("dropped"), go("doubt"), ""), BURY, END), "the move does not start from 'destroyed'"),
        ((Rule(1, CREATING, always, do("place"), ""), BURY, END), "resource row 1: acts although nothing is known"),
        ((Rule(1, CREATING, ~asked("stop"), do("place"), ""), BURY, END), "acts although nothing is known"),
        ((END,), "resource: no row takes 'bury'"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(rows: Table, wrong: str) -> None:
    assert any(wrong in sentence for sentence in check("resource", rows, VERBS)), check("resource", rows, VERBS)
