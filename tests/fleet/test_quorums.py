"""What a look at a leader tells of the standbys that its commits wait for."""

import math

from fleet import quorums
from fleet.states import AVAILABLE, CREATING
from fleet.succession.seen import Stream

NOW = 1_000.0
AT = 0x3000100


def stream(flushed: int | None, streaming: bool = True) -> Stream:
    return Stream("a", streaming, "sync", 1, flushed)


def away_s(looks: list[tuple[float, Stream | None, int]], state: str = AVAILABLE) -> float | None:
    """For how long standby `a` counts as away after these looks: when, its row, and where the leader was."""
    text = ""
    for now, row, at in looks:
        found = [] if row is None else [row]
        text = quorums.remember(text, found, at, now)
    return quorums.standby("a", state, found, text, at, now).away_s


def test_a_standby_that_has_confirmed_all_is_there() -> None:
    assert away_s([(NOW, stream(AT), AT), (NOW + 60, stream(AT), AT)]) == 0.0


def test_a_standby_that_confirms_more_at_each_look_is_there_however_far_it_is_behind() -> None:
    assert away_s([(NOW + n, stream(AT + n), AT + 10_000 * n) for n in range(9)]) == 0.0


def test_a_standby_that_streams_and_confirms_nothing_more_is_away_since_it_last_did() -> None:
    assert away_s([(NOW + n, stream(AT), AT + 10_000 * n) for n in range(4)]) == 3.0


def test_a_standby_whose_row_is_gone_is_away_since_it_was_last_seen() -> None:
    assert away_s([(NOW, stream(AT), AT), (NOW + 2, None, AT)]) == 2.0


def test_a_standby_that_was_never_seen_is_not_known_to_be_away() -> None:
    assert away_s([(NOW, None, AT)]) is None


def test_nobody_is_patient_with_a_standby_that_is_down_and_confirms_nothing() -> None:
    for state in quorums.GONE:
        assert away_s([(NOW, stream(AT), AT), (NOW + 0.5, None, AT)], state) == math.inf
        assert away_s([(NOW, stream(AT), AT), (NOW + 0.5, stream(AT), AT + 1)], state) == math.inf
    assert away_s([(NOW, stream(AT), AT), (NOW + 0.5, None, AT)], CREATING) == 0.5


def test_what_its_leader_sees_confirm_is_there_though_the_control_plane_cant_reach_it() -> None:
    assert away_s([(NOW, stream(AT), AT), (NOW + 0.5, stream(AT + 1), AT + 2)], "down") == 0.0


def test_a_position_that_is_not_known_is_no_sign_of_anything() -> None:
    text = quorums.remember("", [stream(None)], AT, NOW)
    assert quorums.standby("a", AVAILABLE, [stream(None)], text, AT, NOW).away_s == 0.0


def test_what_the_version_before_remembered_is_read() -> None:
    assert quorums.standby("a", AVAILABLE, [], "a=990.000", AT, NOW).away_s == 10.0
