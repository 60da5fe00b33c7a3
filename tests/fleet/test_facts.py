"""Facts: text becomes what the catalogue says, and what does not read as that is not known."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.facts import BOOL, FACTS, FLOAT, INT, TEXT, read, text, typed

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
@given(st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text())
def test_what_is_kept_as_text_comes_back(value: bool | int | float | str) -> None:
    name = BY_TYPE[{bool: BOOL, int: INT, float: FLOAT, str: TEXT}[type(value)]]
    assert typed(name, text(value) or "") == value


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
