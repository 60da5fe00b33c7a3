"""The tables of what belongs to the herd: a changeover ends, an address finds back, a backup is only good when it was
seen to be, and a timeline leaves only when nobody needs it."""

from collections.abc import Callable
from typing import Any

import pytest

from fleet.facts import Facts
from fleet.rules import GO, Rule, think
from fleet.states import (
    ATTACHED,
    CANCELLED,
    CLOSED,
    DONE,
    EXPIRED,
    FENCING,
    KEPT,
    NEEDS_HUMAN,
    OPEN,
    PREPARING,
    PROMOTING,
    move,
    states_of,
)
from fleet.think import LIFE
from tests.worlds import NOW

Effects = dict[str, Callable[[dict[str, Any]], None]]


def walk(kind: str, state: str, known: dict[str, Any], effects: Effects, beats: int = 40) -> tuple[str, list[int]]:
    """Beat by beat from a state, with what each action brings about; the state it comes to, and the rows."""
    rows = []
    for _beat in range(beats):
        rule: Rule = think(LIFE[kind], state, Facts(NOW, known))
        rows.append(rule.row)
        if rule.then.kind == GO:
            state = move(kind, rule.then.name).target
            known.pop("refused", None)
        elif rule.then.name:
            effects[rule.then.name](known)
    return state, rows


def then(**facts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda known: known.update(facts)


MOVING = {
    **dict.fromkeys(("ready", "refused", "proven", "handed_over", "promoted", "repointed"), False),
    **dict.fromkeys(("lost", "rolled_back"), False),
    **{"placed": True, "window_open": True, "planned": False, "upgrades": False, "tries": 0, "asked": None},
}
WELL: Effects = {
    "prepare": then(ready=True),
    "fence": then(proven=True),
    "promote": then(promoted=True),
    "repoint": then(repointed=True),
    "roll_back": then(rolled_back=True, asked=None),
    "fulfil": then(asked=None),
    "refuse": then(asked=None),
}


def test_a_changeover_passes_every_step_in_its_order() -> None:
    state, rows = walk("changeover", "planned", dict(MOVING), WELL)
    assert state == DONE
    assert [row for row in rows if row != 901] == [203, 311, 313, 401, 403, 503, 505, 601, 603]


@pytest.mark.parametrize("facts", [{}, {"ready": True}, {"ready": True, "proven": True}])
def test_nothing_is_promoted_before_it_is_proven(facts: dict[str, Any]) -> None:
    for state in states_of("changeover"):
        for refused in (True, False, None):
            rule = think(LIFE["changeover"], state, Facts(NOW, MOVING | facts | {"refused": refused, "proven": None}))
            assert rule.then.name not in (("promote",) if state != PROMOTING else ())


def test_a_window_that_is_closed_is_waited_for() -> None:
    state, _rows = walk("changeover", "planned", MOVING | {"window_open": False}, WELL)
    assert state == "waiting_for_window"


@pytest.mark.parametrize("state", [PREPARING, FENCING])
def test_a_refusal_calls_a_person_and_a_planned_one_goes_on_as_before(state: str) -> None:
    known = MOVING | {"refused": True, "ready": state == FENCING}
    assert think(LIFE["changeover"], state, Facts(NOW, known)).then.name == "give_up"
    assert think(LIFE["changeover"], state, Facts(NOW, known | {"planned": True})).then.name == "roll_back"


@pytest.mark.parametrize("state", ["planned", "waiting_for_window", PREPARING, FENCING, NEEDS_HUMAN])
def test_cancelling_ends_it_as_long_as_nothing_is_proven(state: str) -> None:
    came_to, _rows = walk("changeover", state, MOVING | {"asked": "cancel"}, WELL)
    assert came_to == CANCELLED


@pytest.mark.parametrize("state", [PROMOTING, "repointing"])
def test_behind_the_proof_forward_is_the_only_way(state: str) -> None:
    known = MOVING | {"asked": "cancel", "ready": True, "proven": True, "handed_over": True}
    came_to, _rows = walk("changeover", state, known, WELL)
    assert came_to == DONE and known["asked"] is None


def test_retrying_goes_through_what_was_reached_already() -> None:
    known = MOVING | {"asked": "retry", "ready": True, "proven": True, "promoted": True}
    came_to, rows = walk("changeover", NEEDS_HUMAN, known, WELL)
    assert came_to == DONE
    assert not {311, 401, 503} & set(rows)


LEADING: Effects = {
    "allocate": then(endpoint="127.0.0.9"),
    "associate": then(leads_right=True),
    "detach_it": then(leads_right=False, asked=None),
    "release": then(endpoint="none"),
    "fulfil": then(asked=None),
}


@pytest.mark.parametrize("state", ["detached", "attaching", "attached"])
@pytest.mark.parametrize("endpoint", ["none", "127.0.0.9"])
@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("asked", [None, "detach"])
def test_an_address_finds_back_to_its_leader(state: str, endpoint: str, right: bool, asked: str | None) -> None:
    known = {"wanted": True, "endpoint": endpoint, "leads_right": right and endpoint != "none", "asked": asked}
    known |= {"instance_state": "available", "changeover": "none"}
    assert walk("address", state, known, LEADING)[0] == ATTACHED


def test_an_address_that_nobody_wants_is_given_back() -> None:
    known = {"wanted": False, "endpoint": "127.0.0.9", "leads_right": True, "asked": None}
    assert walk("address", ATTACHED, known, LEADING)[0] == "destroyed"


def test_a_changeover_moves_the_address_and_nobody_else() -> None:
    known = {"wanted": True, "endpoint": "127.0.0.9", "leads_right": False, "asked": None, "changeover": "open"}
    assert walk("address", ATTACHED, known, LEADING)[0] == ATTACHED


def confirmed(good: bool) -> Effects:
    return {
        "begin": then(job="running"),
        "begin_anew": then(job="running"),
        "confirm": then(confirmed=good),
        "abandon": then(abandoned=True),
        "remove": then(removed=True),
    }


def test_a_job_that_ended_well_makes_no_good_backup_by_itself() -> None:
    state, rows = walk("backup", "started", {"job": "done", "ssh": True, "tries": 0}, confirmed(False))
    assert state == "verifying" and rows[-1] == 221


TAKEN = {"job": "failed", "ssh": True, "instance_state": "available", "superseded": False, "tries": 0, "state_s": 1.0}
TAKING = pytest.mark.parametrize("state", ["started", "uploading"])


@TAKING
def test_a_backup_that_failed_three_times_has_failed(state: str) -> None:
    known = TAKEN | {"tries": 3}
    assert walk("backup", state, known, confirmed(True), beats=1)[1] == [209]
    assert known["abandoned"]


@TAKING
def test_a_backup_is_not_given_up_while_what_it_is_of_is_away(state: str) -> None:
    for away in ("uncertain", "down", "stopped"):
        known = TAKEN | {"tries": 3, "instance_state": away}
        assert walk("backup", state, known, confirmed(True)) == (state, [205] * 40)
    assert walk("backup", state, TAKEN | {"tries": 1}, confirmed(True)) == (state, [208] * 40)
    assert walk("backup", state, TAKEN | {"tries": 1, "state_s": 5.0}, confirmed(True), beats=1)[1] == [207]


@TAKING
def test_a_backup_of_what_leads_no_more_is_given_up(state: str) -> None:
    known = TAKEN | {"superseded": True, "instance_state": "down"}
    assert walk("backup", state, known, confirmed(True), beats=1)[1] == [204]
    assert known["abandoned"]


def test_a_kept_backup_is_removed_when_its_time_is_over() -> None:
    known = {"due_out": True, "trying": False}
    assert walk("backup", KEPT, known, confirmed(True))[0] == KEPT
    assert known["removed"]


IN_THE_ARCHIVE: Effects = {
    "prepare": then(prepared=True),
    "take_backup": then(backups=1, backup_runs=False, asked=None, backup_age_s=1.0),
    "expire_old": then(expirable=False),
    "drop": then(prepared=False),
    "refuse": then(asked=None),
}
YOUNG = {
    **{"superseded": False, "prepared": False, "writer_state": "available", "backups": 0, "backup_runs": False},
    **{"backup_age_s": 5.0, "expirable": False, "asked": None},
}


def test_a_timeline_gets_its_place_and_its_first_base_backup() -> None:
    known = dict(YOUNG)
    assert walk("timeline", OPEN, known, IN_THE_ARCHIVE)[0] == OPEN
    assert known["prepared"] and known["backups"] == 1


def test_a_base_backup_is_taken_each_day() -> None:
    known = YOUNG | {"prepared": True, "backups": 3, "backup_age_s": 90_000.0}
    assert think(LIFE["timeline"], OPEN, Facts(NOW, known)).row == 313


def test_a_timeline_that_is_needed_stays_and_one_that_is_not_leaves_nothing() -> None:
    known = YOUNG | {"superseded": True, "prepared": True, "kept": True}
    assert walk("timeline", OPEN, known, IN_THE_ARCHIVE)[0] == CLOSED
    known["kept"] = False
    assert walk("timeline", CLOSED, known, IN_THE_ARCHIVE)[0] == EXPIRED
    assert known["prepared"] is False
