"""Good signs are remembered with their times, and their absence grows older from look to look."""

from typing import Any

import pytest

from fleet import signs


def after(looks: list[dict[str, Any]]) -> tuple[signs.Signs, float]:
    """What is kept after looks, one a second; and when the last was."""
    known: dict[str, str | None] = {}
    now = 1000.0
    for look in looks:
        now += 1.0
        known |= signs.of_instance(known, look, now)
        known["lsn"] = look.get("lsn")
    return known, now


WAITING = {"in_recovery": True, "lsn": "0/3000000", "heard_s": None}


@pytest.mark.parametrize(
    ("good", "unfed_s"),
    [
        ({"in_recovery": True, "lsn": "0/3000000", "heard_s": 0.2}, 20.0),
        ({"in_recovery": True, "lsn": "0/2000000", "heard_s": None}, 19.0),
        ({"in_recovery": True, "lsn": "0/3000000", "heard_s": None}, 20.0),
    ],
)
def test_a_standby_is_well_as_long_as_it_hears_or_replays(good: dict[str, Any], unfed_s: float) -> None:
    known, now = after([good, *([WAITING] * 20)])
    assert signs.facts(known, now)["unfed_s"] == pytest.approx(unfed_s)
    known, now = after([WAITING, *([WAITING | {"lsn": f"0/{n}", "heard_s": None} for n in range(20)])])
    assert signs.facts(known, now)["unfed_s"] == 0.0


def test_when_a_standby_heard_last_is_kept_by_the_clock_of_those_who_look() -> None:
    known, _now = after([WAITING | {"heard_s": 0.25}, WAITING])
    assert known["heard_at"] == "1000.750"


def test_a_database_is_unsafe_since_the_first_look_that_said_so_and_until_one_says_that_it_is_not() -> None:
    first = signs.of_resource({}, True, 1000.0)
    assert signs.facts(signs.of_resource(first, True, 1061.0), 1061.0) == {"unsafe_s": 61.0}
    assert signs.facts(signs.of_resource(first, False, 1061.0), 1061.0) == {"unsafe_s": 0.0}
