"""The metrics line: the contract's own, what follows from facts, and silence about what isn't known."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.facts import BOOL, FACTS, FLOAT, INT
from observations import logfmt
from observations.lines import behind, line

CONTRACT = (
    "source=HERDSITE_VIOLET addon=serene-elephant-42 sample#current_transaction=122163235 sample#db_size=90755887bytes "
    "sample#tables=4 sample#active-connections=15 sample#waiting-connections=0 sample#index-cache-hit-rate=0.99997 "
    "sample#table-cache-hit-rate=0.99922 sample#load-avg-1m=0.285 sample#load-avg-5m=0.345 sample#load-avg-15m=0.39 "
    "sample#read-iops=0 sample#write-iops=2.597 sample#tmp-disk-used=543633408 sample#tmp-disk-available=72435159040 "
    "sample#memory-total=3944484kB sample#memory-free=74980kB sample#memory-cached=2984436kB "
    "sample#memory-postgres=33960kB sample#wal-percentage-used=0.0665"
)
RESOURCE = {
    "db_size_bytes": 90755887,
    "tables": 4,
    "connections": 15,
    "active": 3,
    "blocked": 0,
    "index_hit_pct": 99.997,
    "table_hit_pct": 99.922,
    "transaction_id": 122163000,
}
INSTANCE = {"transaction_id": 122163235, "wal_used_pct": 6.65}
SERVER = {
    **{"load1": 0.57, "load5": 0.69, "load15": 0.78, "cpus": 2, "read_iops": 0.0, "write_iops": 2.597},
    **{"disk_used_kb": 530892, "disk_free_kb": 70737460},
    **{"mem_total_kb": 3944484, "mem_free_kb": 74980, "mem_cached_kb": 2984436, "postgres_kb": 33960},
}


def of(resource=RESOURCE, instance=INSTANCE, server=SERVER, leader=None) -> str:
    return line("HERDSITE_VIOLET", "serene-elephant-42", resource, instance, server, leader)


def test_the_line_of_the_contract() -> None:
    assert of() == CONTRACT


def test_a_follower_says_how_far_behind_it_is_before_its_wal() -> None:
    told = of(leader={"transaction_id": 122163242})
    assert told == CONTRACT.replace(" sample#wal", " sample#follower-lag-commits=7 sample#wal")


@pytest.mark.parametrize(
    ("follower", "leader", "commits"),
    [
        ({"transaction_id": 10}, {"transaction_id": 14}, 4),
        ({"transaction_id": 14}, {"transaction_id": 10}, 0),
        ({"transaction_id": 10, "replay_lag_s": 0, "receiver": "streaming"}, {"transaction_id": 14}, 0),
        ({"transaction_id": 10, "replay_lag_s": 0, "receiver": "waiting"}, {"transaction_id": 14}, 4),
        ({"transaction_id": 10, "replay_lag_s": 0}, {"transaction_id": 14}, 4),
        ({"transaction_id": 10}, {}, None),
        ({}, {"transaction_id": 14}, None),
    ],
)
def test_how_far_a_follower_is_behind(follower, leader, commits) -> None:
    assert behind(follower, leader) == commits


def test_of_nothing_known_there_is_a_name_and_no_number() -> None:
    assert of({}, {}, {}, {}) == "source=HERDSITE_VIOLET addon=serene-elephant-42"


def test_the_resources_own_transaction_stands_in_for_the_instances() -> None:
    assert "sample#current_transaction=122163000 " in of(instance={})


@pytest.mark.parametrize(
    ("server", "shown"),
    [
        ({"load1": 1.0, "cpus": 8}, "load-avg-1m=0.125"),
        ({"load1": 1.0, "cpus": 3}, "load-avg-1m=0.333"),
        ({"load1": 0.0, "cpus": 3}, "load-avg-1m=0"),
        ({"load1": 20.0, "cpus": 2}, "load-avg-1m=10"),
        ({"load1": 1.0, "cpus": None}, None),
        ({"load1": 1.0, "cpus": 0}, None),
    ],
)
def test_load_is_for_each_processor(server, shown) -> None:
    assert of({}, {}, server).split(" sample#")[1:] == ([shown] if shown else [])


@pytest.mark.parametrize(("percent", "shown"), [(0.0, "0"), (6.651, "0.0665"), (100.0, "1"), (130.0, "1")])
def test_wal_goes_from_none_to_all(percent, shown) -> None:
    assert of({}, {"wal_used_pct": percent}, {}).endswith(f"sample#wal-percentage-used={shown}")


SMALL = settings(max_examples=60, deadline=None)
ANY = {BOOL: st.booleans(), INT: st.integers(0, 2**62), FLOAT: st.floats(0, 1e12)}
NUMBERS = {name: st.none() | ANY[fact.type] for name, fact in FACTS.items() if fact.type in (INT, FLOAT)}
KNOWN = st.fixed_dictionaries({}, optional=NUMBERS | {"postgres_kb": st.none() | ANY[INT]})


@SMALL
@given(KNOWN, KNOWN, KNOWN, st.none() | KNOWN)
def test_of_any_facts_comes_a_line_that_reads_back(resource, instance, server, leader) -> None:
    pairs = dict(logfmt.read(of(resource, instance, server, leader)))
    for name, value in list(pairs.items())[2:]:
        assert name.startswith("sample#") and isinstance(value, str)
        assert float(value.removesuffix("bytes").removesuffix("kB")) >= 0
    facts_that_count = [*resource.values(), *instance.values(), *server.values()]
    assert len(pairs) == 2 or any(value is not None for value in facts_that_count)
