"""Every probe on what it is for: real PostgreSQLs by the roles that herdsite looks with, a leader, its standby, and
this machine through a shell."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from fleet import jobs, policy
from fleet.facts import FACTS, typed
from fleet.jobs import DONE, Look
from fleet.postgres import control
from fleet.postgres.config import MONITOR, conf
from fleet.providers.base import PAUSED, Machine
from fleet.states import AVAILABLE, CREATING, DOWN, UNCERTAIN, states_of
from fleet.subject import INSTANCE, KINDS, RESOURCE, SERVER, Subject
from fleet.transports.base import Database, checked
from fleet.transports.sql import PsycopgSql
from observations.probes.base import (
    DOOR,
    PROVIDER,
    SHELL,
    SQL,
    Answer,
    Probe,
    due,
    read_all,
    shell_answers,
    shell_question,
    sql_answers,
    sql_question,
    timeout,
)
from observations.probes.reach import read as read_reach
from observations.probes.table import PROBES
from tests.clusters import ANNA, MAJORS, SIZING, WATCH, WITHOUT_TLS, Cluster, build, instance
from tests.localshell import LocalShell, ended

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def subject(kind: str, state: str = AVAILABLE, **fields: Any) -> Subject:
    return Subject(kind, uuid4(), "x", state, NOW, **fields)


def table(kind: str, over: str) -> list[Probe]:
    return [probe for probe in PROBES if (probe.kind, probe.over) == (kind, over)]


def understood(attrs: dict[str, str | None]) -> dict[str, Any]:
    """As facts. Fails when a value does not read as its fact's type."""
    values = {name: None if value is None else typed(name, value) for name, value in attrs.items()}
    assert [name for name, value in values.items() if value is None and attrs[name] is not None] == []
    return values


def felt(cluster: Cluster, kind: str, user: str, password: str, dbname: str, read_only: bool = True) -> dict[str, Any]:
    """All SQL probes of that kind in one round trip, as facts."""
    looked_at = replace(cluster.subject, kind=kind, state=AVAILABLE)
    sslmode = "disable" if looked_at.major in WITHOUT_TLS else "require"
    database = Database(looked_at.bind, looked_at.port, dbname, user, password, sslmode)
    probes = table(kind, SQL)
    rows = PsycopgSql().fetch(database, sql_question(probes, looked_at), 10.0, read_only=read_only)
    for probe, result in zip(probes, rows, strict=True):
        assert tuple(result[0]) == probe.fills, f"{probe.name}: columns are what it fills"
    return understood(read_all(probes, sql_answers(probes, rows), looked_at, 0.0, 0.0))


def monitored(cluster: Cluster) -> dict[str, Any]:
    return felt(cluster, INSTANCE, MONITOR, WATCH, "postgres")


def used(cluster: Cluster, read_only: bool = False) -> dict[str, Any]:
    return felt(cluster, RESOURCE, "anna", ANNA, "anna", read_only)


@dataclass
class Pair:
    leader: Cluster
    standby: Cluster


@pytest.fixture(scope="module", params=MAJORS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A leader with a customer's database, and a standby that streams from it."""
    shell = LocalShell()
    leader = Cluster(shell, instance(shell, request.param))
    assert build(shell, leader.subject) == Look(DONE)
    leader.create("anna", ANNA)
    standby = Cluster(shell, instance(shell, request.param, data=f"{shell.home}/instances/standby/data"))
    follow(standby, leader)
    yield Pair(leader, standby)
    shell.close()


def follow(standby: Cluster, leader: Cluster) -> None:
    shell, from_, to = leader.shell, leader.subject, standby.subject
    shell.run(["sh", "-c", 'echo local replication postgres peer map=herdsite >> "$1/pg_hba.conf"', "sh", from_.data])
    control.reload(shell, from_)
    copy = [f"{to.bin}/pg_basebackup", "-h", from_.socket, "-p", str(from_.port), "-U", "postgres"]
    copy += ["-D", to.data, "-R", "-c", "fast", "-C", "-S", "standby"]
    checked(copy, shell.run(copy, timeout=60))
    text = conf(to, SIZING, tls=to.major not in WITHOUT_TLS).encode()
    shell.run(["sh", "-c", 'cat > "$1/postgresql.conf"', "sh", to.data], stdin=text)
    assert standby.do(control.start, "start-standby") == Look(DONE)
    until(lambda: monitored(leader)["standbys"] == 1)


def until(happens) -> None:
    deadline = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Instances and resources, over SQL.


def test_a_leader_tells_all_about_itself(pair: Pair) -> None:
    seen = monitored(pair.leader)
    assert (seen["service_available"], seen["in_recovery"], seen["timeline_id"]) == (True, False, 1)
    assert seen["version"] // 10000 == pair.leader.subject.major
    assert (seen["connections"], seen["max_connections"], seen["databases"]) == (1, 15, 1)
    assert (seen["slots"], seen["inactive_slots"], seen["lost_slots"]) == (1, 0, 0)
    assert (seen["receiver"], seen["replay_lag_s"]) == (None, None)
    assert seen["archiver_failing"] is False
    assert seen["size_bytes"] > 10 << 20
    assert 0 < seen["cache_hit_pct"] <= 100
    assert abs(time.time() - seen["started"]) < 300


def test_a_standby_tells_how_it_follows(pair: Pair) -> None:
    seen = monitored(pair.standby)
    assert (seen["in_recovery"], seen["timeline_id"], seen["receiver"]) == (True, 1, "streaming")
    assert (seen["standbys"], seen["standby_lag_bytes"]) == (0, None)
    assert seen["receiver_age_s"] >= 0
    pair.leader.sql("SELECT pg_logical_emit_message(true, 'test', 'x')")
    until(lambda: monitored(pair.standby)["lsn"] == monitored(pair.leader)["lsn"])
    assert monitored(pair.standby)["replay_lag_s"] == 0
    until(lambda: monitored(pair.leader)["standby_lag_bytes"] == 0)


def test_a_dead_follower_shows_as_a_slot_that_nobody_reads(pair: Pair) -> None:
    assert pair.standby.do(control.stop, f"stop-{uuid4()}") == Look(DONE)
    until(lambda: monitored(pair.leader)["inactive_slots"] == 1)
    pair.leader.sql("SELECT pg_logical_emit_message(true, 'test', repeat('x', 200000))")
    seen = monitored(pair.leader)
    assert (seen["standbys"], seen["standby_lag_bytes"]) == (0, None)
    assert seen["slot_retained_bytes"] > 100000
    assert (seen["slot_inactive_s"] is not None) == (pair.leader.subject.major >= 17)
    assert pair.standby.do(control.start, f"start-{uuid4()}") == Look(DONE)
    until(lambda: monitored(pair.leader)["standbys"] == 1)


def test_what_clients_do_is_seen(pair: Pair) -> None:
    with pair.leader.connect("anna", ANNA, "anna") as sits, pair.leader.connect("anna", ANNA, "anna") as waits:
        sits.execute("BEGIN; SELECT pg_advisory_xact_lock(1), txid_current()")
        waits.pgconn.send_query(b"SELECT pg_advisory_lock(1)")
        until(lambda: monitored(pair.leader)["blocked"] == 1)
        seen = monitored(pair.leader)
        assert (seen["active"], seen["waiting"], seen["idle_in_transaction"]) == (1, 1, 1)
        assert seen["longest_transaction_s"] >= seen["idle_in_transaction_s"] > 0
        assert seen["longest_query_s"] > 0
        sits.execute("COMMIT")
        while waits.pgconn.get_result():
            pass


def test_what_a_customer_sets_against_waiting_for_a_standby_is_seen(pair: Pair) -> None:
    assert monitored(pair.leader)["weak_commits"] == 0
    with pair.leader.connect("anna", ANNA, "anna") as connection:
        connection.execute("ALTER ROLE anna SET synchronous_commit = 'Local'; COMMIT")
        assert monitored(pair.leader)["weak_commits"] == 1
        connection.execute("ALTER ROLE anna SET synchronous_commit = on; COMMIT")
        assert monitored(pair.leader)["weak_commits"] == 0
        connection.execute("ALTER ROLE anna RESET synchronous_commit; COMMIT")


def test_a_failing_archiver_is_seen(pair: Pair) -> None:
    pair.leader.sql("ALTER SYSTEM SET archive_mode = on")
    pair.leader.sql("ALTER SYSTEM SET archive_command = 'false'")
    assert pair.leader.do(control.restart, f"archive-{uuid4()}") == Look(DONE)
    pair.leader.sql("SELECT pg_logical_emit_message(true, 'test', 'x'); SELECT pg_switch_wal()")
    until(lambda: monitored(pair.leader)["archiver_failing"])
    seen = monitored(pair.leader)
    assert (seen["archived_count"], seen["last_archived_wal"]) == (0, None)
    assert seen["failed_count"] > 0
    pair.leader.sql("ALTER SYSTEM SET archive_command = 'true'")
    control.reload(pair.leader.shell, pair.leader.subject)
    until(lambda: monitored(pair.leader)["archiver_failing"] is False)
    assert monitored(pair.leader)["archived_count"] > 0


def test_a_resource_as_its_customer_sees_it(pair: Pair) -> None:
    with pair.leader.connect("anna", ANNA, "anna") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes AS SELECT generate_series(1, 1000) AS id")
        connection.execute("ANALYZE notes")
        seen = used(pair.leader)
        assert (seen["connections"], seen["connection_limit"], seen["blocked"]) == (2, 2, 0)
    assert (seen["service_available"], seen["in_recovery"], seen["read_only"], seen["can_write"]) == (
        True,
        False,
        False,
        True,
    )
    assert (seen["tables"], seen["estimated_rows"]) == (1, 1000)
    assert seen["db_size_bytes"] > 5 << 20


def test_can_write_is_a_write_and_leaves_nothing(pair: Pair) -> None:
    before, used_, after = monitored(pair.leader)["lsn"], used(pair.leader), monitored(pair.leader)["lsn"]
    assert used_["can_write"] is True
    assert pair.leader.sql(f"SELECT pg_wal_lsn_diff('{after}', '{before}') > 0") == "t"
    assert used(pair.leader)["tables"] == used_["tables"]
    assert used(pair.leader, read_only=True)["can_write"] is False
    on_standby = used(pair.standby)
    assert (on_standby["service_available"], on_standby["in_recovery"], on_standby["can_write"]) == (True, True, False)


# Hosts, over a shell.


def asked(shell: LocalShell, looked_at: Subject, *env: str) -> dict[str, Any]:
    probes = table(looked_at.kind, SHELL)
    argv = ["env", *env, *shell_question(probes, looked_at)]
    before = time.time()
    result = checked(argv, shell.run(argv))
    answers = shell_answers(probes, result.out)
    return understood(read_all(probes, answers, looked_at, before, result.seconds))


def test_a_host_tells_how_it_is(pair: Pair) -> None:
    home = str(pair.leader.shell.home)
    seen = asked(pair.leader.shell, subject(SERVER, home=home))
    unknown = {name for name, value in seen.items() if value is None}
    # A file system may have no inodes to count, and lie on no device of this machine.
    assert unknown - {"inodes_used_pct", "disk_read_kb", "disk_written_kb"} == {"read_iops", "write_iops"}
    assert seen["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert seen["postmasters"] == f"instances/pg{pair.leader.subject.major}/data,instances/standby/data"
    assert 0 < seen["mem_available_kb"] < seen["mem_total_kb"]
    assert 0 < seen["disk_used_pct"] <= 100
    memory = dict(part.split(":") for part in seen["postgres_memory"].split(","))
    assert [*memory] == seen["postmasters"].split(",")
    assert all(4_000 < int(kb) < 400_000 for kb in memory.values())
    assert abs(seen["clock_skew_s"]) < 5


def test_a_host_has_a_boot_id_and_a_disk_of_its_own(pair: Pair) -> None:
    shell = pair.leader.shell
    shell.run(["mkdir", "-p", f"{shell.home}/bin"])
    script = "#!/bin/sh\necho Filesystem x\necho disk 1000 250 750 25% /\n"
    shell.run(["sh", "-c", 'cat > bin/df; chmod +x bin/df; echo boot-7 > "$1"', "sh", "boot"], stdin=script.encode())
    env = (f"PATH={shell.home}/bin:/usr/bin:/bin", f"BOOT_ID_FILE={shell.home}/boot")
    seen = asked(shell, subject(SERVER, home=str(shell.home)), *env)
    assert (seen["boot_id"], seen["disk_total_kb"], seen["disk_used_pct"]) == ("boot-7", 1000, 25.0)


def test_an_instance_from_its_hosts_side() -> None:
    shell = LocalShell()
    bare = instance(shell, 17, job="build")
    assert evidence(asked(shell, bare)) == (False, False, "none", None)
    assert build(shell, bare) == Look(DONE)
    assert evidence(asked(shell, bare)) == (True, True, "done", None)
    control.stop(shell, bare, "stop")
    assert ended(shell, "stop") == Look(DONE)
    assert evidence(asked(shell, replace(bare, job=""))) == (True, False, "none", None)
    Path(bare.data, "postmaster.pid").write_text("1\n")
    assert evidence(asked(shell, bare))[1] is False
    jobs.start(shell, bare.home, "fails", "echo no room >&2; exit 1")
    ended(shell, "fails")
    assert evidence(asked(shell, replace(bare, job="fails"))) == (True, False, "failed", "no room ")
    shell.close()


def evidence(seen: dict[str, Any]) -> tuple[Any, ...]:
    assert seen["ssh"] is True
    return seen["data_dir"], seen["postmaster"], seen["job"], seen["job_why"]


def test_a_clock_ahead_of_ours_is_told_from_a_slow_answer() -> None:
    seen = read_reach(Answer({"clock": "1000105.5"}, subject(SERVER), 1000100.0, 1.0))
    assert seen["clock_skew_s"] == "5.000"
    assert read_reach(Answer({}, subject(SERVER), 0.0, 1.0))["clock_skew_s"] is None


def test_operations_of_a_disk_are_what_came_to_pass_since_the_look_before() -> None:
    before = {"boot_id": "b", "uptime_s": "100.00", "disk_read_kb": "1600", "disk_written_kb": "64", "load1": None}
    said = {"boot_id": "b", "uptime_s": "110.0", "disk_read_kb": "1920", "disk_written_kb": "64"}

    def rates(**others: str) -> tuple[str | None, ...]:
        seen = read_reach(Answer(said | others, subject(SERVER, known=before), 0.0, 1.0))
        return seen["read_iops"], seen["write_iops"]

    assert rates() == ("2.000", "0.000")
    assert rates(boot_id="another") == rates(uptime_s="100.5") == rates(uptime_s="") == (None, None)
    assert rates(disk_read_kb="1599") == (None, "0.000")
    assert read_reach(Answer(said, subject(SERVER), 0.0, 1.0))["read_iops"] is None


def test_one_probe_that_fails_spoils_no_other() -> None:
    shell = LocalShell()
    bad = Probe("bad", SERVER, SHELL, 0, 1, ("a",), lambda _: "echo a=1; exit 7", lambda answer: answer.said)
    good = replace(bad, name="good", fills=("b", "c"), ask=lambda _: 'echo b=x=y; echo noise; [ -z "$a" ]')
    result = shell.run(shell_question([bad, good], subject(SERVER)))
    answers = shell_answers([bad, good], result.out)
    shell.close()
    assert result.ok
    assert read_all([bad, good], answers, subject(SERVER), 0.0, 0.0) == {"a": "1", "b": "x=y", "c": None}


def test_the_providers_word() -> None:
    (calm, _) = probes = table(SERVER, PROVIDER)
    machine = Machine(PAUSED, events=("retires 2026-02-14", "reboots"))
    for probe in probes:
        attrs = read_all([probe], {probe.name: machine}, subject(SERVER), 0.0, 0.0)
        assert attrs == {"machine": "paused", "scheduled_events": "retires 2026-02-14; reboots"}
    assert calm.ask(subject(SERVER)) == "x"


# The table, and what is due.


def test_the_table_agrees_with_the_catalogue_and_the_states() -> None:
    limits = {
        SQL: policy.SQL_TIMEOUT_S,
        SHELL: policy.SSH_TIMEOUT_S,
        PROVIDER: policy.PROVIDER_TIMEOUT_S,
        DOOR: policy.DOOR_TIMEOUT_S,
    }
    for probe in PROBES:
        assert set(probe.fills) <= set(FACTS), probe.name
        assert set(probe.states or ()) <= set(states_of(probe.kind)), probe.name
        assert probe.timeout <= limits[probe.over], probe.name
    assert len({probe.name for probe in PROBES}) == len(PROBES)
    assert {probe.kind for probe in PROBES} == set(KINDS)


def test_the_first_sql_probe_of_a_kind_is_its_sign_of_life() -> None:
    for kind in (INSTANCE, RESOURCE):
        first = table(kind, SQL)[0]
        assert (first.every, first.states, first.fills[0]) == (0, None, "service_available")


def names(looked_at: Subject, now: float, forced: bool = False) -> set[str]:
    return {probe.name for probe in due(PROBES, looked_at, now, forced)}


def test_a_probe_is_due_at_the_beat_that_is_nearest_to_its_time() -> None:
    felt_at = {probe.name: 1000.0 for probe in PROBES}
    slow = subject(RESOURCE, interval_s=60, probed=felt_at)
    assert names(slow, 1001) == {"login"}
    assert names(slow, 1055) == {"login", "write", "usage"}
    assert names(slow, 1280) == {"login", "write", "usage", "size", "unlogged"}
    quick = subject(INSTANCE, interval_s=1, probed=felt_at)
    assert names(quick, 1014) == {"service", "quorum", "doors"}
    quarter = {"replication", "activity", "archiver", "slots", "capacity"}
    assert names(quick, 1014.6) == {"service", "quorum", "doors"} | quarter
    assert names(quick, 1001, forced=True) == {probe.name for probe in table(INSTANCE, SQL)}


def test_what_was_never_asked_is_due() -> None:
    assert names(subject(RESOURCE), time.time()) == {"login", "write", "usage", "size", "unlogged"}


def test_the_host_is_asked_about_an_instance_only_when_it_counts() -> None:
    assert "host" not in names(subject(INSTANCE), 1.0)
    assert "host" in names(subject(INSTANCE, job="restart"), 1.0)
    for state in (CREATING, UNCERTAIN, DOWN):
        assert "host" in names(subject(INSTANCE, state), 1.0)
        assert "sizes" not in names(subject(INSTANCE, state, job="restart"), time.time())


def test_a_machine_in_doubt_is_asked_about_at_once() -> None:
    felt_at = {probe.name: 1000.0 for probe in PROBES}
    assert names(subject(SERVER, probed=felt_at), 1005) == set()
    assert "machine_now" in names(subject(SERVER, UNCERTAIN, probed=felt_at), 1005)


def test_one_look_takes_as_long_as_its_slowest_probe() -> None:
    assert timeout(table(SERVER, SHELL) + table(SERVER, PROVIDER)) == 5
    assert timeout([]) == 0


def test_a_resource_of_unknown_version_is_asked_what_every_version_understands() -> None:
    slots = next(probe for probe in PROBES if probe.name == "slots")
    assert "inactive_since" not in slots.ask(subject(INSTANCE))
    assert "inactive_since" in slots.ask(subject(INSTANCE, known={"version": "170010"}))
    assert "inactive_since" not in slots.ask(subject(INSTANCE, major=16, known={"version": "170010"}))
