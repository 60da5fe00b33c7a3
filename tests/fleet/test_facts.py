"""Facts: text becomes what the catalogue says, and what does not read as that is not known."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.facts import BOOL, FACTS, FLOAT, INT, LONGEST, MOST, TEXT, admitted, read, text, typed

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BY_TYPE = {fact.type: name for name, fact in FACTS.items()}


@pytest.mark.parametrize(
    ("name", "said", "value"),
    [
        ("ssh", "true", True),
        ("ssh", "false", False),
        ("ssh", "True", None),
        ("ssh", "yes", None),
        ("connections", "7", 7),
        ("connections", "7.5", None),
        ("connections", "", None),
        ("load1", "0.25", 0.25),
        ("load1", "1e3", 1000.0),
        ("load1", "nan", None),
        ("load1", "-inf", None),
        ("load1", "high", None),
        ("machine", "running", "running"),
        ("machine", "", ""),
        ("no_such_fact", "7", None),
    ],
)
def test_text_is_read_as_the_catalogue_says(name: str, said: str, value: object) -> None:
    assert typed(name, said) == value
    assert type(typed(name, said)) is type(value)


@settings(deadline=None)
@given(st.sampled_from(sorted(FACTS)), st.text())
def test_whatever_was_said_reads_as_its_type_or_not_at_all(name: str, said: str) -> None:
    value = typed(name, said)
    assert value is None or type(value) is {BOOL: bool, INT: int, FLOAT: float, TEXT: str}[FACTS[name].type]


@settings(deadline=None)
@given(st.booleans() | st.integers(1 - MOST, MOST - 1) | st.floats(-1e18, 1e18) | st.text())
def test_what_is_kept_as_text_comes_back(value: bool | int | float | str) -> None:
    name = BY_TYPE[{bool: BOOL, int: INT, float: FLOAT, str: TEXT}[type(value)]]
    assert typed(name, text(value) or "") == value


NUMBERS = sorted(name for name, fact in FACTS.items() if fact.type in (INT, FLOAT))
NO_NUMBERS = ["NaN", "inf", "-Infinity", "1e400", "1" + 400 * "0", str(MOST), "", "0x10", "ten", "7\0", "1,5", "true"]


@pytest.mark.parametrize("name", NUMBERS)
def test_no_number_is_kept_that_is_none_or_larger_than_any(name: str) -> None:
    assert [admitted(name, said) for said in NO_NUMBERS] == [None] * len(NO_NUMBERS)
    assert (admitted(name, "7"), admitted(name, "-1")) == ("7", "-1")


@settings(deadline=None)
@given(st.sampled_from(NUMBERS), st.text("0123456789.eE+-_ \u0663\uff17nafi", max_size=12))
def test_a_number_is_kept_in_a_form_that_every_reader_understands(name: str, said: str) -> None:
    kept = admitted(name, said)
    if kept is not None:
        assert kept.isascii() and "_" not in kept and " " not in kept
        assert typed(name, kept) == typed(name, said)


def test_a_word_is_kept_without_what_moves_a_cursor_and_not_at_any_length() -> None:
    assert (
        admitted("job_why", "no\x1b[2J\r\nroom\u202e\0 größe 大") == "no\ufffd[2J\ufffd\ufffdroom\ufffd\ufffd größe 大"
    )
    assert admitted("not in the catalogue", "a\x9bb") == "a\ufffdb"
    assert admitted("job_why", "x" * LONGEST) == "x" * LONGEST
    assert admitted("job_why", "x" * (LONGEST + 1)) is None
    assert admitted("ssh", "yes") is None


def test_nothing_is_kept_as_nothing() -> None:
    assert text(None) is None


def test_a_name_that_is_not_there_is_not_known_and_one_that_there_is_not_is_an_error() -> None:
    facts = read(NOW, {"ssh": "true", "load1": None, "colour": "blue"}, tries=3, asked=None)
    assert dict(facts) == {"ssh": True, "tries": 3}
    assert facts["load1"] is facts["asked"] is facts["machine"] is None
    with pytest.raises(KeyError, match="'colour' is not in the catalogue"):
        facts["colour"]


def test_what_the_beat_knows_itself_counts_more_than_what_was_recorded() -> None:
    assert read(NOW, {"tries": "1", "problem": "old"}, tries=2, problem=None)["tries"] == 2
