"""herdsite's own database with the real PostgreSQL: made, taken up, killed, in others' way; and what may replace it."""

import contextlib
import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from dj_database_url import parse
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base import base
from django.db.backends.postgresql.features import DatabaseFeatures

from fleet.providers.local import spawn
from herdsite import database
from herdsite.database import verify_database
from herdsite.embedded import ADDRESS, Embedded, free_port, url, url_file


@pytest.fixture(scope="module")
def embedded():
    """One database for all of this file; the owner can reach it, which is not so in root's temporary folders."""
    spawn.ensure_owner()
    var = Path(tempfile.mkdtemp(prefix="herdsite-"))
    var.chmod(0o755)
    database = Embedded(var)
    yield database
    database.stop()
    shutil.rmtree(var)


@pytest.fixture
def running(embedded):
    embedded.start()
    return embedded


@pytest.fixture
def unblocked(django_db_blocker):
    """Django's connections may be used, without its test database."""
    with django_db_blocker.unblock():
        yield


def postmaster(embedded: Embedded) -> psutil.Process:
    return psutil.Process(int((embedded.data / "postmaster.pid").read_text().split()[0]))


def ask(address: str, sql: str):
    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone() if cursor.description else None


def as_superuser(embedded: Embedded, dbname: str, *statements: str) -> None:
    """What only a superuser can do: there is no login for one, so it takes PostgreSQL's single-user mode."""
    embedded.stop()
    said = embedded._pg("postgres", "--single", "-D", str(embedded.data), dbname, stdin="\n".join(statements) + "\n")
    assert "ERROR" not in said
    embedded.start()


@contextlib.contextmanager
def verified(address: str):
    """What Django would use for DATABASE_URL=address, verified."""
    connections.settings["trial"] = connections.settings["default"] | dict(parse(address))
    try:
        verify_database(connections["trial"])
        yield connections["trial"]
    finally:
        connections["trial"].close()
        del connections["trial"], connections.settings["trial"]


def test_there_is_no_url_before_the_first_start(tmp_path):
    assert url(tmp_path) is None
    with pytest.raises(RuntimeError, match=r"postgres\.url is missing"):
        Embedded(tmp_path).url()


def test_what_a_broken_initdb_left_is_no_obstacle(embedded):
    spawn.give(embedded.root)
    spawn.give(embedded.root / "data.part")
    (embedded.root / "data.part" / "PG_VERSION").write_text("17")
    assert ask(embedded.start(), "SELECT 1") == (1,)


def test_settings_find_the_url_in_a_file_for_our_eyes_only(running):
    assert url(running.var) == running.url()
    assert url_file(running.var).stat().st_mode & 0o777 == 0o600


def test_it_runs_as_the_owner_and_is_reached_over_loopback_only(running):
    assert postmaster(running).uids().real == spawn.owner().pw_uid
    assert ask(running.url(), "SHOW listen_addresses") == (ADDRESS,)
    assert (running.data / "postmaster.pid").read_text().splitlines()[4] == "", "it has a unix socket"


def test_herdsite_owns_its_database_and_is_no_superuser(running):
    sql = "SELECT rolsuper, datname FROM pg_roles r JOIN pg_database d ON datdba = r.oid WHERE rolname = 'herdsite'"
    assert ask(running.url(), sql) == (False, "herdsite")
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        ask(running.url().replace("//herdsite:", "//postgres:"), "SELECT 1")


def test_one_that_runs_is_taken_up(running):
    before = postmaster(running), running.url()
    assert Embedded(running.var).start() == before[1]
    assert postmaster(running) == before[0]


def test_stop_and_start_keep_port_and_data(running):
    address = running.url()
    ask(address, "CREATE TABLE kept AS SELECT 42 AS n")
    running.stop()
    assert not running.running()
    assert running.start() == address
    assert ask(address, "SELECT n FROM kept") == (42,)


def test_it_comes_back_after_kill_9(running):
    address = running.url()
    ask(address, "CREATE TABLE committed AS SELECT 7 AS n")
    killed = postmaster(running)
    os.kill(killed.pid, signal.SIGKILL)
    psutil.wait_procs([killed], timeout=60)
    assert not running.running()
    assert running.start() == address
    assert ask(address, "SELECT n FROM committed") == (7,)


def test_a_pid_file_whose_number_is_somebody_elses_is_no_obstacle(running):
    running.stop()
    somebody = spawn.start(["sleep", "120"], drop=True)
    try:
        (running.data / "postmaster.pid").write_text(f"{somebody.pid}\n{running.data}\n0\n1\n\n{ADDRESS}\n\nready\n")
        assert not running.running()
        assert ask(running.start(), "SELECT 1") == (1,)
    finally:
        somebody.kill()
        somebody.wait()


def test_a_port_taken_meanwhile_is_given_up_for_another(running):
    before = running.url()
    running.stop()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((ADDRESS, parse(before)["PORT"]))
        squatter.listen()
        after = running.start()
    assert after != before
    assert url(running.var) == after
    assert ask(after, "SELECT 1") == (1,)


def test_no_free_port_is_said():
    with socket.socket() as squatter:
        squatter.bind((ADDRESS, 0))
        squatter.listen()
        with pytest.raises(RuntimeError, match="no free port"):
            free_port(ADDRESS, [squatter.getsockname()[1]])


def test_its_database_is_fit_for_herdsite_and_gets_hstore(running, unblocked):
    with verified(running.url()) as connection:
        verify_database(connection)
    assert ask(running.url(), "SELECT 'a=>1'::hstore -> 'a'") == ("1",)


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("postgres://me:secret@127.0.0.1:1/x", r"can't connect to me@127\.0\.0\.1:1/x: .*refused"),
        ("sqlite://:memory:", "is for sqlite; herdsite needs PostgreSQL"),
    ],
)
def test_what_does_not_answer_or_is_no_postgresql_is_unfit(address, complaint, unblocked):
    with pytest.raises(ImproperlyConfigured, match=complaint), verified(address):
        pass


def test_an_old_postgresql_is_unfit(running, monkeypatch, unblocked):
    monkeypatch.setattr(database, "OLDEST", 99)
    complaint = r"runs PostgreSQL 17\.\d+; herdsite needs 99 or newer"
    with pytest.raises(ImproperlyConfigured, match=complaint), verified(running.url()):
        pass


def test_one_too_old_even_for_django_is_unfit(running, monkeypatch, unblocked):
    monkeypatch.setattr(DatabaseFeatures, "minimum_database_version", (99,))
    monkeypatch.setattr(base, "RAN_DB_VERSION_CHECK", set())
    complaint = "is too old, herdsite needs PostgreSQL 15"
    with pytest.raises(ImproperlyConfigured, match=complaint), verified(running.url()):
        pass


def test_a_database_of_others_tells_what_its_dba_must_do(running, unblocked):
    def verify():
        address = urlsplit(running.url())
        with verified(f"postgres://guest:guest@{address.hostname}:{address.port}/theirs"):
            pass

    as_superuser(running, "postgres", "CREATE ROLE guest LOGIN PASSWORD 'guest'", "CREATE DATABASE theirs")
    with pytest.raises(ImproperlyConfigured, match='ask your DBA: GRANT CREATE ON SCHEMA public TO "guest";'):
        verify()
    as_superuser(running, "theirs", "GRANT CREATE ON SCHEMA public TO guest")
    with pytest.raises(ImproperlyConfigured, match=r"permission denied.*; ask your DBA: CREATE EXTENSION hstore;"):
        verify()
    as_superuser(running, "theirs", "CREATE EXTENSION hstore")
    verify()
