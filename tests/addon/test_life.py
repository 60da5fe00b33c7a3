"""The table of what a platform is told next, row by row; and its properties."""

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.addon import life
from fleet.addon.life import LIFE, Standing, key, think

NEW = Standing(age_s=1.0, answered=202)
SPEAKING = replace(NEW, voice=True)
READY = replace(SPEAKING, ready=True)
TOLD = replace(READY, fresh=True, told=True, informed=True)
OLD = life.PATIENCE_S + 1


@pytest.mark.parametrize(
    ("standing", "row"),
    [
        (replace(TOLD, grant=True, ended=True, going=True), 91),
        (replace(NEW, grant=True), 101),
        (replace(NEW, grant=True, answered=None), 101),
        (replace(READY, left_s=life.REFRESH_S - 1), 103),
        (replace(NEW, left_s=0.0), 303),
        (replace(TOLD, left_s=life.REFRESH_S + 1), 901),
        (replace(TOLD, going=True), 201),
        (replace(NEW, going=True), 203),
        (replace(TOLD, leaving=True), 191),
        (replace(NEW, leaving=True, age_s=OLD), 191),
        (replace(NEW, leaving=True, grant=True), 101),
        (replace(TOLD, leaving=True, left_s=0.0), 103),
        (replace(TOLD, leaving=True, going=True), 193),
        (replace(TOLD, leaving=True, going=True, gone=True), 201),
        (replace(TOLD, leaving=True, going=True, gone=True, voice=False), 203),
        (replace(SPEAKING, age_s=OLD), 211),
        (replace(NEW, age_s=OLD), 211),
        (replace(NEW, age_s=OLD, gave_up=True), 303),
        (replace(TOLD, age_s=OLD), 901),
        (replace(READY, answered=None), 301),
        (replace(READY, answered=None, age_s=life.ANSWERED_S), 311),
        (SPEAKING, 303),
        (READY, 311),
        (replace(READY, voice=False), 901),
        (replace(READY, fresh=True), 313),
        (replace(READY, fresh=True, told=True), 401),
        (replace(TOLD, fresh=False), 311),
        (replace(TOLD, fresh=False, ready=False), 901),
        (replace(TOLD, hears=True), 403),
        (replace(TOLD, hears=True, subscribed=True), 901),
        (replace(TOLD, hears=True, voice=False), 901),
        (replace(READY, hears=True, fresh=True), 313),
        (TOLD, 901),
    ],
)
def test_which_row_wins(standing, row) -> None:
    assert think(standing).row == row


def test_what_was_declined_is_passed_over_until_there_is_something_else_to_say() -> None:
    declined = [key(life.PUSH, "abc")]
    assert think(replace(TOLD, fresh=False), declined, "abc").row == 901
    assert think(replace(TOLD, fresh=False), declined, "def").row == 311
    assert think(replace(READY, fresh=True), [life.TELL], "abc").row == 401


def test_rows_rise_and_the_last_is_for_all() -> None:
    rows = [row.row for row in LIFE]
    assert rows == sorted(set(rows)) and LIFE[-1].step == life.WAIT
    assert {row.step for row in LIFE} == {
        getattr(life, name)
        for name in (
            "LEAVE",
            "EXCHANGE",
            "REFRESH",
            "WITHDRAW",
            "END",
            "GIVE_UP",
            "PUSH",
            "TELL",
            "INFORM",
            "SUBSCRIBE",
            "WAIT",
        )
    }


standings = st.builds(
    Standing,
    age_s=st.floats(0, 100_000),
    answered=st.sampled_from([None, 201, 202]),
    left_s=st.one_of(st.none(), st.floats(-1e5, 1e5)),
    **{name: st.booleans() for name, value in asdict(NEW).items() if isinstance(value, bool)},
)


@given(standings)
def test_nobody_is_told_what_is_not_so(standing: Standing) -> None:
    step = think(standing).step
    if step == life.TELL:
        assert standing.ready and standing.fresh and not standing.told
    if step == life.PUSH:
        assert standing.ready and not standing.fresh
    if step in (life.PUSH, life.TELL, life.INFORM, life.SUBSCRIBE, life.WITHDRAW, life.REFRESH):
        assert standing.voice
    if step == life.GIVE_UP:
        assert not standing.told and standing.age_s > life.PATIENCE_S
    if standing.told:
        assert step != life.TELL
    if standing.leaving and not (standing.ended or standing.gone):
        assert step not in (life.WITHDRAW, life.END, life.PUSH, life.TELL, life.GIVE_UP)


def test_what_fails_is_tried_ever_more_patiently() -> None:
    waits = [life.retry_s(tries, None) for tries in range(20)]
    assert waits == sorted(waits) and waits[0] == 1 and waits[-1] == life.LONGEST_WAIT_S
    assert life.retry_s(0, 120.0) == 120.0


def test_what_is_not_ready_is_looked_at_sooner() -> None:
    assert life.look_s(NEW) == life.SOON_S < life.look_s(TOLD) == life.LOOK_S
    assert life.look_s(replace(TOLD, leaving=True)) == life.SOON_S
