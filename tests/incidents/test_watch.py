"""The alarms: ignorance changes nothing, a blip opens nothing, nothing flaps, and each row fires when it should."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.facts import BOOL, FACTS, FLOAT, INT, Facts, read
from fleet.strays import UNREAD
from incidents import forecast, watch
from incidents.resolvers import RESOLVERS
from incidents.watch import ALARMS, BY_KIND, BY_TYPE, GIB, KINDS, judge, open_types
from tests.worlds import NOW

SMALL = settings(max_examples=60, deadline=None)
VERDICTS = st.lists(st.sampled_from([True, False, None]), max_size=60)
ALARM = st.sampled_from(ALARMS)


def values(type_: str) -> st.SearchStrategy[Any]:
    kinds = {BOOL: st.booleans(), INT: st.integers(-1, 2**40), FLOAT: st.floats(-1, 1e9)}
    return kinds.get(type_, st.sampled_from(["down", "creating", "available", "stopped", "failed", ""]))


FACTS_OF_ANY_KIND = st.fixed_dictionaries({}, optional={name: values(fact.type) for name, fact in FACTS.items()})


def run(alarm: watch.Alarm, verdicts: list[bool | None]) -> list[bool]:
    """Whether it is open after each verdict."""
    standing, opened = (False, 0), []
    for verdict in verdicts:
        standing = watch.step(alarm, verdict, *standing)
        opened.append(standing[0])
    return opened


def beats(kind: str, facts: Mapping[str, Any], n: int, streaks: Mapping[str, Any] | None = None) -> dict[str, Any]:
    standing = dict(streaks or {})
    for _beat in range(n):
        standing = judge(kind, Facts(NOW, facts), standing).streaks
    return standing


@pytest.mark.thorough
@SMALL
@given(st.sampled_from(KINDS), st.lists(FACTS_OF_ANY_KIND, max_size=8))
def test_what_is_not_known_changes_nothing(kind: str, looks: list[dict[str, Any]]) -> None:
    streaks: dict[str, Any] = {}
    for look in looks:
        streaks = judge(kind, Facts(NOW, look), streaks).streaks
    after = judge(kind, read(NOW, {}), streaks)
    assert after == watch.Judged(streaks)


@SMALL
@given(ALARM, VERDICTS, st.data())
def test_a_blip_shorter_than_the_threshold_opens_nothing(alarm, before, data) -> None:
    closed = [False, *(verdict for verdict in before if verdict is not True)]
    blip = [True] * data.draw(st.integers(0, alarm.open - 1))
    assert not any(run(alarm, [*closed, *blip, False]))


@SMALL
@given(ALARM, VERDICTS)
def test_nothing_flaps(alarm: watch.Alarm, verdicts: list[bool | None]) -> None:
    """Between one change and the next lie as many beats that say so as the row asks for."""
    was, agreeing = False, 0
    for verdict, is_open in zip(verdicts, run(alarm, verdicts), strict=True):
        agreeing = agreeing if verdict is None else 0 if verdict is was else agreeing + 1
        if is_open is not was:
            assert agreeing == (alarm.close if was else alarm.open)
            was, agreeing = is_open, 0


@SMALL
@given(ALARM)
def test_what_goes_on_opens_and_what_ends_closes(alarm: watch.Alarm) -> None:
    assert run(alarm, [True] * alarm.open)[-1]
    assert not run(alarm, [True] * alarm.open + [False] * alarm.close)[-1]


@pytest.mark.thorough
@SMALL
@given(st.sampled_from(KINDS), st.lists(FACTS_OF_ANY_KIND, min_size=1, max_size=12))
def test_what_opened_and_closed_is_what_stands(kind: str, looks: list[dict[str, Any]]) -> None:
    standing: set[str] = set()
    streaks: dict[str, Any] = {}
    for look in looks:
        judged = judge(kind, Facts(NOW, look), streaks)
        standing = (standing | set(judged.opened)) - set(judged.closed)
        streaks = judged.streaks
        assert set(open_types(streaks)) == standing


FIRES = [
    ("server", {"state": "down", "machine": "stopped"}, "server_down"),
    ("server", {"state": "down", "machine": "running"}, "server_unreachable"),
    ("server", {"state": "down"}, "server_unreachable"),
    ("server", {"state": "available", "scheduled_events": "retires on the 14th"}, "server_retiring"),
    ("server", {"state": "retiring", "scheduled_events": ""}, "server_retiring"),
    ("server", {"state": "available", "ssh": True, "lets_in": False}, "no_new_login"),
    ("server", {"state": "available", "disk_used_pct": 86.0}, "disk_filling"),
    ("server", {"state": "available", "disk_used_pct": 50.0, "disk_full_in_s": 3600.0}, "disk_filling"),
    ("server", {"state": "available", "disk_used_pct": 96.0}, "disk_critical"),
    ("server", {"state": "available", "clock_skew_s": -3.0}, "clock_skew"),
    ("server", {"state": "down", "machine": "running", "leaders": 0}, "spare_down"),
    ("instance", {"state": "down"}, "instance_down"),
    ("instance", {"state": "down", "role": "leader", "planned": False}, "instance_down"),
    ("instance", {"state": "down", "role": "standby", "outdated": False}, "standby_down"),
    ("instance", {"role": "standby", "service_available": True, "in_recovery": False}, "two_writers"),
    ("instance", {"generation": 2, "next_generation": 2}, "records_outdated"),
    ("instance", {"generation": 1, "next_generation": 2, "host_epoch": 9, "next_epoch": 9}, "records_outdated"),
    (
        "instance",
        {"state": "available", "role": "standby", "outdated": False, "receiver": "none"},
        "follower_stuck",
    ),
    ("instance", {"role": "standby", "outdated": False, "replay_lag_s": 400.0}, "follower_lagging"),
    *(
        ("instance", {"state": "available", "role": "standby", "outdated": False} | why, "diverged")
        for why in (
            {"receiver": "waiting", "receiver_age_s": 86_400.0},
            {"unfed_s": 16.0, "upstream_state": "available"},
        )
    ),
    ("instance", {"state": "uncertain", "state_s": 61.0, "heard_s": 0.2, "doubt_window_s": 2.5}, "cut_off"),
    ("resource", {"unsafe_s": 61.0}, "unprotected"),
    *(
        ("instance", {"state": "available", "role": "standby", "outdated": False} | why, "standby_unfit")
        for why in ({"replay_paused": True}, {"short_of": "max_connections 15 of 90"})
    ),
    (
        "instance",
        {"state": "available", "role": "leader", "service_available": True, "in_recovery": True},
        "not_leading",
    ),
    *(
        ("resource", {"state": "available", "service_available": True} | why, "cant_write")
        for why in ({"read_only": True}, {"in_recovery": True}, {"can_write": False})
    ),
    ("resource", {"write_hangs": True}, "writes_hang"),
    ("resource", {"customers_read_only": True}, "read_only_set"),
    *(
        ("resource", {"state": "down", "service_available": False, "instance_state": "available"} | why, "locked_out")
        for why in ({"service_code": "28P01"}, {"service_code": "53300", "closed": "CONNECTION_LIMIT"})
    ),
    *(
        ("resource", {"service_available": False, "service_code": "53300", "closed": "", "service_why": why}, type_)
        for why in ('FATAL: too many connections for role "anna"', 'FATAL: too many connections for database "anna"')
        for type_ in ("connections_used_up",)
    ),
    (
        "resource",
        {"service_available": False, "service_code": "53200", "closed": "", "own_instance": True},
        "locks_used_up",
    ),
    ("instance", {"service_code": "53200", "own_instance": False}, "out_of_locks"),
    ("resource", {"own_instance": False, "lock_pct": 25.1}, "lock_table_taken"),
    ("resource", {"suspended": True, "suspension_s": 900.0}, "suspended"),
    ("timeline", {"state": "open", "archive_missing": "A-B"}, "archive_gap"),
    ("instance", {"sorts_unlike": "glibc 2.36, its leader's with 2.31"}, "sorts_unlike"),
    ("timeline", {"state": "closed", "state_s": 600.0, "archive_missing": "A-B", "hole_told": False}, "archive_hole"),
    ("timeline", {"state": "open", "prepared": True, "backup_age_s": 200_000.0}, "backup_stale"),
    (
        "address",
        {"state": "detached", "changeover": "none", "instance_state": "available", "state_s": 9.0},
        "address_detached",
    ),
    ("changeover", {"state": "needs_human"}, "changeover_stuck"),
    ("resource", {"restorable": False}, "drill_failed"),
    ("resource", {"loadable": False}, "load_failed"),
    ("instance", {"state": "creating", "job": "failed", "tries": 3}, "install_failed"),
    ("instance", {"state": "creating", "outdated": True, "job": "failed", "job_why": UNREAD}, "strays_unread"),
    ("instance", {"archiver_failing": True}, "archive_failing"),
    ("instance", {"slot_retained_bytes": 2 * GIB, "inactive_slots": 1}, "slot_pins_wal"),
    ("instance", {"xid_age": 2**30}, "xid_age"),
    ("instance", {"connections": 96, "max_connections": 100}, "connections_exhausted"),
    ("instance", {"sync_setting": "ANY 1 (b)", "weak_commits": 1}, "durability_weakened"),
    ("instance", {"longest_transaction_s": 9000.0}, "long_transaction"),
    ("resource", {"state": "down", "service_available": False, "instance_state": "available"}, "resource_down"),
    ("resource", {"estimated_rows": 10_000, "rows_allowed": 10_000}, "row_limit"),
    *((kind, {"state": "creating", "state_s": 1000.0}, "stuck") for kind in KINDS),
]


@pytest.mark.parametrize(("kind", "facts", "type_"), FIRES)
def test_each_row_opens_when_it_should(kind: str, facts: dict[str, Any], type_: str) -> None:
    assert type_ in open_types(beats(kind, facts, BY_TYPE[type_].open))
    assert type_ not in open_types(beats(kind, facts, BY_TYPE[type_].open - 1))


def test_every_row_is_tried_above() -> None:
    assert {alarm.type for alarm in ALARMS} == {type_ for _kind, _facts, type_ in FIRES}


WELL = {
    "server": {"state": "available", "machine": "running", "scheduled_events": "", "disk_used_pct": 40.0,
               "disk_full_in_s": 1e8, "leaders": 2, "clock_skew_s": 0.1, "state_s": 1e6, "ssh": True, "lets_in": True},
    "instance": {"state": "available", "archiver_failing": False, "slot_retained_bytes": 0, "inactive_slots": 0,
                 "xid_age": 200_000_000, "connections": 5, "max_connections": 100, "longest_transaction_s": 1.0,
                 "state_s": 1e6, "role": "leader", "outdated": False, "planned": False, "service_available": True,
                 "in_recovery": False, "receiver": None, "sync_setting": "ANY 1 (b)", "weak_commits": 0,
                 "replay_lag_s": 0.0, "generation": 1, "next_generation": 2, "replay_paused": None, "short_of": None,
                 "sorts_unlike": "", "own_instance": False},
    "timeline": {"state": "open", "archive_missing": "", "prepared": True, "backup_age_s": 60.0, "state_s": 1e6},
    "backup": {"state": "kept", "state_s": 1e6},
    "address": {"state": "attached", "changeover": "none", "instance_state": "available", "state_s": 1e6},
    "changeover": {"state": "done", "state_s": 1e6},
    "resource": {"restorable": True, "loadable": True, "state": "available",
                 "service_available": True, "instance_state": "available",
                 "connections": 1, "connection_limit": 20, "estimated_rows": 5, "rows_allowed": 10_000, "state_s": 1e6,
                 "read_only": False, "in_recovery": False, "can_write": True, "customers_read_only": False,
                 "write_hangs": False, "follows": False, "closed": "", "unsafe_s": 0.0, "suspended": False,
                 "suspension_s": None, "own_instance": False, "lock_pct": 0.0},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_well_has_no_alarm_and_ends_all_that_there_were(kind: str) -> None:
    everything = {alarm.type: [True, 0] for alarm in BY_KIND[kind]}
    assert judge(kind, Facts(NOW, WELL[kind]), {}) == watch.Judged({})
    assert beats(kind, WELL[kind] | {"job": "done"}, 8, everything) == {}


def test_an_instance_that_is_down_explains_its_resources() -> None:
    facts = {"state": "down", "service_available": False, "instance_state": "down", "state_s": 60.0}
    assert open_types(beats("resource", facts, 20)) == []


@pytest.mark.parametrize(
    ("facts", "kind"), [({"job": "running"}, "instance"), ({"instance_state": "creating"}, "resource")]
)
def test_what_a_job_builds_may_take_hours(kind: str, facts: dict[str, Any]) -> None:
    building = {"state": "creating"} | facts
    assert open_types(beats(kind, building | {"state_s": 3600.0}, 8)) == []
    assert open_types(beats(kind, building | {"state_s": watch.COPYING_S + 1}, 8)) == ["stuck"]


def test_the_table_is_sound() -> None:
    assert watch.check(RESOLVERS) == []


def test_a_disk_that_fills_is_full_when_its_room_is_used_up() -> None:
    before, now = {"disk_used_kb": "400"}, {"disk_used_kb": "500", "disk_used_pct": "50.0"}
    assert forecast.full_in_s(before, 100.0, now, 110.0) == pytest.approx(50.0)
    assert forecast.full_in_s(now, 100.0, now, 110.0) == forecast.NEVER_S
    assert forecast.full_in_s({}, 100.0, now, 110.0) is None
    assert forecast.full_in_s(before, 109.0, now, 110.0) is None


def test_a_customer_is_not_blamed_for_an_instance_that_is_full() -> None:
    """Of 50 databases that are refused, none is told that it has used everything up."""
    refused = {"state": "available", "service_available": False, "closed": "", "own_instance": False}
    for code, why in (
        ("53300", "FATAL: sorry, too many clients already"),
        ("53300", "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute"),
        ("53200", "FATAL: out of shared memory"),
    ):
        assert open_types(beats("resource", refused | {"service_code": code, "service_why": why}, 50)) == []


def test_an_instance_that_lets_a_login_in_again_is_not_out_of_locks() -> None:
    full = {"service_code": "53200", "own_instance": False}
    assert open_types(beats("instance", full, 3)) == ["out_of_locks"]
    streaks = watch.judge("instance", dict.fromkeys(FACTS) | full, {"out_of_locks": (True, 0)}).streaks
    well = dict.fromkeys(FACTS) | {"service_available": True, "own_instance": False}
    assert watch.judge("instance", well, streaks).closed == ("out_of_locks",)
    assert open_types(beats("instance", full | {"own_instance": True}, 50)) == []


@pytest.mark.parametrize(
    "theirs",
    [
        {"state": "available", "service_available": True, "in_recovery": True, "read_only": True, "follows": True},
        {"state": "available", "service_available": True, "can_write": False, "customers_read_only": True},
        {"state": "down", "service_available": False, "service_code": "28P01", "instance_state": "available"},
        {"state": "down", "service_available": False, "closed": "CONNECTION_LIMIT", "instance_state": "available"},
        {
            "state": "available",
            "service_available": False,
            "service_code": "53300",
            "closed": "",
            "service_why": 'FATAL: too many connections for role "anna"',
        },
        {
            "state": "available",
            "service_available": False,
            "service_code": "53200",
            "closed": "",
            "own_instance": True,
        },
        {"state": "available", "service_available": False, "own_instance": False, "lock_pct": 100.0},
        {
            "state": "available",
            "service_available": False,
            "service_code": "28000",
            "suspended": True,
            "suspension_s": 900.0,
            "closed": "NOLOGIN",
        },
    ],
)
def test_what_its_customer_has_set_pages_nobody(theirs: dict[str, Any]) -> None:
    found = open_types(beats("resource", theirs | {"state_s": 60.0}, 50))
    assert [BY_TYPE[type_].type for type_ in found if BY_TYPE[type_].severity == watch.PAGE] == []
    assert set(found) <= set(watch.THEIRS)
