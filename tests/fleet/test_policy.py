"""The numbers: nothing waits longer than a minute, the doubtful and the moving go before the healthy."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet import policy
from fleet.states import (
    AVAILABLE,
    CHANGING_OVER,
    CREATING,
    DESTROYING,
    DOWN,
    ENDS,
    MAINTENANCE,
    RETIRING,
    STOPPED,
    UNCERTAIN,
)
from fleet.states import states_of as of
from fleet.subject import KINDS

STATES = [(kind, state) for kind in KINDS for state in of(kind)]
SECONDS = st.floats(0, 1e7)


@settings(deadline=None)
@given(st.sampled_from(STATES), st.none() | st.floats(0.001, 1e6), SECONDS, st.none() | SECONDS)
def test_whatever_a_plan_says_nothing_waits_longer_than_a_minute(
    where: tuple[str, str], beat_s: float | None, state_s: float, asked_s: float | None
) -> None:
    kind, state = where
    interval = policy.interval(kind, state, beat_s, state_s, asked_s)
    if state in ENDS:
        assert interval is None
    else:
        assert interval is not None
        assert 0 < interval <= policy.LONGEST_S


@settings(deadline=None)
@given(st.floats(0.01, 60), st.floats(0, 1, exclude_max=True))
def test_jitter_is_always_to_the_early_side(interval: float, draw: float) -> None:
    assert interval * (1 - policy.JITTER) <= policy.early(interval, draw) <= interval


@pytest.mark.parametrize(
    ("kind", "state", "beat_s", "interval"),
    [
        ("resource", AVAILABLE, 1, 1),
        ("resource", AVAILABLE, 15, 15),
        ("resource", AVAILABLE, 60, 60),
        ("resource", AVAILABLE, 3600, 60),
        ("resource", AVAILABLE, None, 60),
        ("resource", MAINTENANCE, 1, 60),
        ("instance", AVAILABLE, 1, 1),
        ("instance", STOPPED, 1, policy.SERVER_S),
        ("instance", UNCERTAIN, 60, policy.SUSPECT_S),
        ("instance", UNCERTAIN, 0.5, policy.HASTY_SUSPECT_S),
        ("resource", CHANGING_OVER, 0.5, 0.5),
        ("instance", DOWN, 1, policy.DOWN_S),
        ("server", AVAILABLE, None, policy.SERVER_S),
        ("server", RETIRING, None, policy.SERVER_S),
        ("server", CREATING, None, 1.5),
    ],
)
def test_importance_is_policy(kind: str, state: str, beat_s: float | None, interval: float) -> None:
    assert policy.interval(kind, state, beat_s, 30.0) == interval


@pytest.mark.parametrize("left", [2.5, 1.9, 1.04, 0.8, 0.6, 0.36])
def test_the_last_of_hasty_looks_ends_with_the_doubt_window(left: float) -> None:
    while left > 0.01:
        look = policy.sql_timeout(1.0, left)
        assert policy.HASTIEST_S <= look <= policy.HASTY_SQL_S
        left -= look
    assert left > -0.01


def test_who_asked_is_served_at_once_however_long_all_was_well() -> None:
    assert policy.interval("instance", AVAILABLE, 15, 86_400.0, asked_s=0.5) == policy.BUILDING_S
    assert policy.interval("instance", AVAILABLE, 15, 86_400.0, asked_s=101.0) == policy.PATIENT_S


def test_what_takes_long_is_looked_at_less_often_but_in_time() -> None:
    waits = [policy.interval("resource", CREATING, 15, float(since)) for since in (0, 2, 10, 60, 100, 86_400)]
    assert waits == [policy.BUILDING_S, policy.BUILDING_S, 0.5, 3.0, policy.PATIENT_S, policy.PATIENT_S]


@pytest.mark.parametrize(
    ("state", "queue"),
    [
        (CREATING, policy.WORK),
        (DESTROYING, policy.WORK),
        (RETIRING, policy.FEEL),
        (UNCERTAIN, policy.SUSPECT),
        (DOWN, policy.SUSPECT),
        (AVAILABLE, policy.FEEL),
        (STOPPED, policy.FEEL),
    ],
)
def test_the_doubtful_and_the_moving_have_rings_of_their_own(state: str, queue: str) -> None:
    assert policy.queue(state) == queue


@pytest.mark.parametrize(("kind", "state"), STATES)
@pytest.mark.parametrize("job", [True, False])
def test_a_lease_outlasts_its_beat(kind: str, state: str, job: bool) -> None:
    assert policy.beat_timeout(kind, state, job) + policy.LEASE_MARGIN_S == policy.lease(kind, state, job)
    assert policy.beat_timeout(kind, state, job) >= policy.beat_timeout(kind, state)


def test_an_instance_with_a_job_may_take_as_long_as_its_host() -> None:
    with_job = policy.beat_timeout("instance", AVAILABLE, job=True)
    assert with_job - policy.beat_timeout("instance", AVAILABLE) == policy.SSH_CONNECT_S + policy.SSH_TIMEOUT_S


@pytest.mark.parametrize("wait", [policy.retry, policy.again])
def test_each_try_waits_longer_than_the_last_up_to_an_end(wait) -> None:
    waits = [wait(tries) for tries in range(policy.MOST_TRIES + 1)]
    assert waits == sorted(waits)
    assert 0 < waits[0] < 1
    assert waits[-1] == policy.PATIENT_S
