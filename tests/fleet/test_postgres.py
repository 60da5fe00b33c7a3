"""What one can do to a PostgreSQL, on real ones: build them whatever interrupts, start and stop them, and give
customers databases that keep their neighbours out."""

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from fleet import jobs
from fleet.jobs import DONE, FAILED, LOST, Look
from fleet.postgres import commands, control
from fleet.postgres.config import MONITOR
from fleet.postgres.quote import ident, literal
from fleet.postgres.roles import Limits
from fleet.providers.local import spawn
from fleet.transports.base import CommandFailed
from tests.clusters import ANNA, BERT, LIMITS, MAJORS, SIZING, WATCH, WITHOUT_TLS, Cluster, build, instance, serving
from tests.localshell import LocalShell, ended


@pytest.fixture(scope="module", params=MAJORS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with serving(request.param) as made:
        yield made


@pytest.fixture
def two(cluster: Cluster) -> Iterator[Cluster]:
    """With two customers' databases side by side."""
    cluster.create("anna", ANNA)
    cluster.create("bert", BERT)
    yield cluster
    cluster.drop("anna")
    cluster.drop("bert")


@pytest.fixture
def shell() -> Iterator[LocalShell]:
    shell = LocalShell()
    yield shell
    shell.close()


# Building.


def test_every_setting_is_in_force(cluster: Cluster) -> None:
    assert cluster.sql("SELECT name, error FROM pg_file_settings WHERE error IS NOT NULL") == ""
    assert cluster.sql("SELECT pg_size_bytes(current_setting('shared_buffers'))") == str(32 << 20)
    assert cluster.sql("SHOW data_checksums") == "on"
    assert cluster.sql("SHOW max_connections") == "15"


def test_customers_come_over_tls_or_not_at_all(cluster: Cluster) -> None:
    if cluster.subject.major in WITHOUT_TLS:
        assert cluster.sql("SHOW ssl") == "off"
        return
    with cluster.connect(MONITOR, WATCH, sslmode="require") as connection:
        used = connection.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    assert used in ((True, "TLSv1.2"), (True, "TLSv1.3"))
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        cluster.connect(MONITOR, WATCH, sslmode="disable")


def test_tls_that_the_server_can_not_speak_is_an_error_that_says_so(shell: LocalShell) -> None:
    subject = instance(shell, 18)
    control.build(shell, subject, "build", SIZING, WATCH, tls=True)
    look = ended(shell, "build")
    assert look.job == FAILED
    assert "SSL is not supported by this build" in look.why


def test_the_superuser_never_comes_from_outside(cluster: Cluster) -> None:
    cluster.sql("ALTER ROLE postgres PASSWORD 'guessed'")
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        cluster.connect("postgres", "guessed")
    cluster.sql("ALTER ROLE postgres PASSWORD NULL")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second account: run as root")
def test_another_account_of_the_host_is_no_superuser(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="Peer authentication failed"):
        spawn.call(commands.psql(cluster.subject), stdin=b"SELECT 1")


# What says which orders the host has taken outlives what they were about: an older one may still be under way.
TAKEN = ["data.lock", "data.orders"]

# Programs that kill the whole job around one step of it, as a host that loses power would.
KILLERS = {
    "before": "kill -9 0",
    "after": '{real} "$@"; kill -9 0',
    "during": '{real} "$@" & until [ -e "$2/base/1/PG_VERSION" ]; do :; done; kill -9 0',
}


@pytest.mark.parametrize(
    "step",
    ["initdb during", "initdb after", "postgres before", "psql before", "psql after"],
)
def test_a_build_that_is_killed_anywhere_is_finished_by_the_next(shell: LocalShell, step: str) -> None:
    subject = instance(shell, 17)
    program, when = step.split()
    trapped = replace(subject, bin=trap(shell, subject.bin, program, KILLERS[when]))
    # The postmaster has a session of its own, so what kills that is told by its job.
    assert build(shell, trapped).job == (FAILED if program == "postgres" else LOST)
    identity = Path(subject.data, "global/pg_control")
    before = identity.read_bytes()[:8] if identity.exists() else None
    jobs.clean(shell, subject.home, "build")
    assert build(shell, subject) == Look(DONE)
    after = identity.read_bytes()[:8]
    assert before in (None, after), "a complete cluster was made anew"
    with Cluster(shell, subject).monitor() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert sorted(os.listdir(Path(subject.data).parent)) == ["data", *TAKEN]


def trap(shell: LocalShell, real: str, program: str, script: str) -> str:
    """A folder with PostgreSQL's programs, one of them a trap."""
    folder = spawn.give(shell.home / "trap")
    for path in Path(real).iterdir():
        name, text = path.name, f'exec {path} "$@"'
        if name == program:
            text = script.format(real=path)
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_a_folder_that_is_not_ours_is_left_alone(shell: LocalShell) -> None:
    subject = instance(shell, 17)
    shell.run(["mkdir", "-p", subject.data])
    shell.run(["sh", "-c", 'echo dear > "$1/diary"', "sh", subject.data])
    assert build(shell, subject).job == FAILED
    assert Path(subject.data, "diary").read_text() == "dear\n"


@pytest.mark.parametrize("data", ["/etc", "HOME", "HOME/../other", "HOMEless/data", ""])
def test_data_lies_below_what_is_ours(shell: LocalShell, data: str) -> None:
    subject = replace(instance(shell, 17), data=data.replace("HOME", str(shell.home)))
    with pytest.raises(ValueError, match="no data directory below"):
        commands.destroy(subject)


def test_a_taken_port_is_named_as_the_reason(shell: LocalShell) -> None:
    subject = instance(shell, 17)
    with socket.create_server((subject.bind, subject.port)):
        look = build(shell, subject)
    assert look.job == FAILED
    assert "Address already in use" in look.why


# Running.


def test_start_stop_restart_can_be_repeated(cluster: Cluster) -> None:
    for turn, verb in enumerate([control.stop, control.stop, control.start, control.start, control.restart]):
        assert cluster.do(verb, f"turn-{turn}") == Look(DONE)
        if verb is control.stop:
            with pytest.raises(CommandFailed):
                cluster.sql("SELECT 1")
        else:
            assert cluster.sql("SELECT 1") == "1"


def test_settings_are_read_again(cluster: Cluster) -> None:
    cluster.sql("ALTER SYSTEM SET work_mem = '7MB'")
    control.reload(cluster.shell, cluster.subject)
    assert cluster.do(control.restart, "read-again") == Look(DONE)
    assert cluster.sql("SHOW work_mem") == "7MB"


def test_it_starts_though_its_old_pid_is_another_process_by_now(cluster: Cluster) -> None:
    assert cluster.do(control.stop, "stop-stale") == Look(DONE)
    jobs.start(cluster.shell, cluster.subject.home, "other", "sleep 60")
    other = int((cluster.shell.home / "jobs/other/pid").read_text().split()[0])
    stale = f"{other}\n{cluster.subject.data}\n1\n{cluster.subject.port}\n\n127.0.0.1\n1 1\nready\n"
    cluster.shell.run(["sh", "-c", 'cat > "$1/postmaster.pid"', "sh", cluster.subject.data], stdin=stale.encode())
    assert cluster.do(control.start, "start-stale") == Look(DONE)
    assert cluster.sql("SELECT 1") == "1"
    jobs.clean(cluster.shell, cluster.subject.home, "other")


def test_it_starts_though_a_child_of_its_dead_postmaster_hangs(cluster: Cluster) -> None:
    cluster.create("anna", ANNA)
    with cluster.connect("anna", ANNA, "anna") as connection:
        hung = connection.info.backend_pid
        os.kill(hung, signal.SIGSTOP)
        os.kill(int(Path(cluster.subject.data, "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        assert cluster.do(control.start, "start-hung") == Look(DONE)
        assert hung not in cluster.shell.processes()
        connection.close()
    assert cluster.sql("SELECT 1") == "1"
    cluster.drop("anna")


def test_starts_at_the_same_time_end_in_one_server(cluster: Cluster) -> None:
    assert cluster.do(control.stop, "stop-race") == Look(DONE)
    for job in ("race-1", "race-2"):
        control.start(cluster.shell, cluster.subject, job)
    assert DONE in [ended(cluster.shell, job).job for job in ("race-1", "race-2")]
    assert cluster.sql("SELECT 1") == "1"


def test_destroy_leaves_nothing_and_can_be_repeated(shell: LocalShell) -> None:
    subject = instance(shell, 17)
    assert build(shell, subject, also="CREATE DATABASE full_of_data;\n") == Look(DONE)
    assert shell.processes()
    for turn in ("one", "two"):
        control.destroy(shell, subject, turn)
        assert ended(shell, turn) == Look(DONE)
        assert sorted(os.listdir(Path(subject.data).parent)) == TAKEN
    assert not shell.processes()


def test_a_frozen_postmaster_is_never_taken_for_stopped_and_does_not_outlive_destroy(shell: LocalShell) -> None:
    subject = instance(shell, 17)
    assert build(shell, subject) == Look(DONE)
    postmaster = int(Path(subject.data, "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)
    script = commands.stop(subject, patience_s=1)
    jobs.start(shell, subject.home, "stop-frozen", script.text, script.args, script.stdin)
    look = ended(shell, "stop-frozen")
    assert look.job == FAILED
    assert "did not stop" in look.why
    control.destroy(shell, subject, "destroy-frozen")
    assert ended(shell, "destroy-frozen") == Look(DONE)
    assert postmaster not in shell.processes()
    assert sorted(os.listdir(Path(subject.data).parent)) == TAKEN


# Customers.


def test_a_customer_does_what_an_owner_does(two: Cluster) -> None:
    with two.connect("anna", ANNA, "anna") as connection:
        connection.execute("CREATE TABLE public.notes (id serial PRIMARY KEY, note text)")
        connection.execute("INSERT INTO notes (note) VALUES ('mine')")
        connection.execute("CREATE EXTENSION hstore")
        two.create("anna", ANNA)
        assert connection.execute("SELECT note FROM notes").fetchall() == [("mine",)]


def test_a_neighbour_stays_outside(two: Cluster) -> None:
    for database in ("bert", "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            two.connect("anna", ANNA, database)
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        two.connect("anna", ANNA, "template0")


def test_a_neighbour_sees_nothing_and_reaches_nothing(two: Cluster) -> None:
    with two.connect("anna", ANNA, "anna") as anna, two.connect("bert", BERT, "bert") as bert:
        bert.execute("CREATE TABLE diary (line text)")
        pid = bert.info.backend_pid
        assert anna.execute("SELECT 1 FROM pg_class WHERE relname = 'diary'").fetchall() == []
        seen = anna.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
        assert seen == ("<insufficient privilege>",)
        for forbidden in (
            "SELECT pg_database_size('bert')",
            f"SELECT pg_terminate_backend({pid})",
            "CREATE DATABASE another",
            "CREATE ROLE another",
            "ALTER ROLE anna CONNECTION LIMIT 100",
            "ALTER ROLE anna SET temp_file_limit = -1",
            "SET temp_file_limit = -1",
            "SET ROLE bert",
            "COPY pg_class TO PROGRAM 'true'",
            "SELECT pg_read_file('postgresql.conf')",
            "SELECT rolpassword FROM pg_authid",
            "ALTER SYSTEM SET work_mem = '1GB'",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                anna.execute(forbidden)


def test_nobody_takes_more_than_the_limit(two: Cluster) -> None:
    with two.connect("anna", ANNA, "anna") as one, two.connect("anna", ANNA, "anna"):
        one.execute("ALTER DATABASE anna CONNECTION LIMIT -1")
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            two.connect("anna", ANNA, "anna")
        with two.connect("bert", BERT, "bert"):
            pass
        with pytest.raises(errors.ConfigurationLimitExceeded, match="temporary file size"):
            one.execute("SET work_mem = '64kB'; SELECT count(*) FROM (SELECT generate_series(1, 1000000) ORDER BY 1) x")
    control.set_limits(two.shell, two.subject, "anna", "anna", replace(LIMITS, connections=1))
    with two.connect("anna", ANNA, "anna"), pytest.raises(psycopg.OperationalError, match="too many connections"):
        two.connect("anna", ANNA, "anna")


def test_the_monitor_gets_in_when_customers_have_taken_every_connection(cluster: Cluster) -> None:
    # PostgreSQL 15 keeps connections back for superusers only: there the customer's own limit is all there is.
    keeps = cluster.subject.major >= 16
    cluster.create("greedy", ANNA, Limits(connections=100 if keeps else SIZING.connections, temp_mb=1))
    taken = [cluster.connect("greedy", ANNA, "greedy") for _ in range(SIZING.connections)]
    with pytest.raises(psycopg.OperationalError, match="slots are reserved" if keeps else "too many connections"):
        cluster.connect("greedy", ANNA, "greedy")
    with cluster.monitor() as monitor:
        assert monitor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'greedy'").fetchone() == (4,)
    cluster.drop("greedy")
    for connection in taken:
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_another_password_and_another_drop(two: Cluster) -> None:
    control.set_password(two.shell, two.subject, "anna", BERT)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        two.connect("anna", ANNA, "anna")
    two.connect("anna", BERT, "anna").close()
    two.drop("anna")
    two.drop("anna")
    assert two.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'anna'") == "0"
    assert two.sql("SELECT count(*) FROM pg_database WHERE datname = 'anna'") == "0"


def test_the_monitor_can_not_write(two: Cluster) -> None:
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        two.connect(MONITOR, WATCH, "anna")
    with two.monitor() as monitor, two.connect("anna", ANNA, "anna") as anna:
        with pytest.raises(errors.ReadOnlySqlTransaction):
            monitor.execute("CREATE TABLE t (x int)")
        monitor.execute("SET default_transaction_read_only = off")
        for forbidden in (
            "CREATE TABLE public.t (x int)",
            "CREATE TEMP TABLE t (x int)",
            "CREATE SCHEMA s",
            "CREATE DATABASE d",
            "CREATE ROLE r",
            "DELETE FROM pg_class",
            "SELECT lo_create(0)",
            "SELECT lo_from_bytea(0, 'x')",
            f"SELECT pg_terminate_backend({anna.info.backend_pid})",
            "SELECT pg_switch_wal()",
            "COPY pg_class TO '/tmp/never'",
            "SELECT rolpassword FROM pg_authid",
            "ALTER SYSTEM SET work_mem = '1GB'",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                monitor.execute(forbidden)


def test_no_password_is_in_any_file_of_the_host(two: Cluster) -> None:
    two.sql("ALTER SYSTEM SET log_statement = 'all'")
    control.reload(two.shell, two.subject)
    control.set_password(two.shell, two.subject, "anna", ANNA)
    two.connect("anna", ANNA, "anna").close()
    two.sql("ALTER SYSTEM RESET log_statement; CHECKPOINT")
    text = b"".join(path.read_bytes() for path in two.shell.home.rglob("*") if path.is_file())
    assert b"ALTER ROLE" in text
    for password in (WATCH, ANNA, BERT):
        assert password.encode() not in text


NASTY = ("plain", "it's", 'say "x"', "back\\slash\\'", "$$", ":name", "\\gexec", "ü\nß", ";--")


@pytest.mark.parametrize("text", NASTY)
def test_any_text_comes_through_psql_whole(cluster: Cluster, text: str) -> None:
    sent = text.encode().hex()
    assert cluster.sql(f"SELECT encode(convert_to({literal(text)}, 'UTF8'), 'hex')") == sent
    named = f"SELECT key FROM json_each_text((SELECT row_to_json(r) FROM (SELECT 1 AS {ident(text)}) AS r))"
    assert cluster.sql(f"SELECT encode(convert_to(key, 'UTF8'), 'hex') FROM ({named}) AS k") == sent
