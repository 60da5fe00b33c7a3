"""Stray writes that could not be read out wait for a person: no row undoes them by itself, and no verb by mistake."""

import pytest

from fleet import strays
from fleet.facts import FACTS
from fleet.postgres.copy_scripts import STANDBY
from fleet.rules import think
from fleet.think.instance import LIFE
from incidents.watch import BY_TYPE

STUCK = {
    "state": "creating",
    "role": "standby",
    "outdated": True,
    "upstream_state": "available",
    "job": "failed",
    "job_why": f"pg_dump: no space left {strays.UNREAD} ",
    "tries": 3,
    "asked": None,
}


def facts(**more: object) -> dict[str, object]:
    return dict.fromkeys(FACTS) | STUCK | more


@pytest.mark.parametrize(
    ("asked", "row"), [("", 206), ("retry", 207), ("discard", 202)], ids=["nobody asked", "retry", "discard"]
)
def test_a_person_decides(asked: str, row: int) -> None:
    assert think(LIFE, "creating", facts(asked=asked)).row == row


def test_another_failure_is_no_reason_to_let_them_go() -> None:
    assert think(LIFE, "creating", facts(asked="discard", job_why="no route to host")).row != 202


def test_they_wake_somebody_once() -> None:
    assert BY_TYPE["strays_unread"].when(facts()) is True
    assert BY_TYPE["install_failed"].when(facts()) is False
    assert BY_TYPE["strays_unread"].when(facts(job_why="no route to host")) is False


def test_the_script_says_it_in_these_words() -> None:
    assert f'echo "{strays.UNREAD}" >&2' in STANDBY
