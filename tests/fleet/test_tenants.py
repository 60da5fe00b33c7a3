"""Tenants of one PostgreSQL, the real one: a customer takes all of the lock table, or all of his connections."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from fleet.postgres import control
from fleet.postgres.config import MONITOR
from fleet.subject import INSTANCE, RESOURCE
from fleet.transports.base import CommandFailed, Database
from fleet.transports.sql import Held, PsycopgSql
from herdsite import pressure
from observations.feel import feel
from tests import clusters
from tests.clusters import ANNA, BERT, WATCH, Cluster
from tests.incidents.scenes import Scene

ADVISORY = "DO $$ BEGIN FOR i IN 1..10000000 LOOP PERFORM pg_advisory_lock(i); END LOOP; END $$"
# Each lock that there is room for, whatever is refused meanwhile, again and again.
NEVER_ENOUGH = """DO $$ DECLARE i bigint := 0; BEGIN LOOP i := i + 1;
    BEGIN PERFORM pg_advisory_lock(i); EXCEPTION WHEN out_of_memory THEN NULL; END; END LOOP; END $$"""
TABLES = (
    "DO $$ BEGIN FOR i IN 1..100 LOOP EXECUTE 'CREATE TABLE IF NOT EXISTS t' || n * 100 + i || '()'; END LOOP; END $$"
)
LOCK_TABLES = """DO $$ BEGIN
    FOR i IN 1..1000 LOOP EXECUTE 'LOCK TABLE t' || i; END LOOP;
    FOR i IN 1..10000000 LOOP
        BEGIN PERFORM pg_advisory_xact_lock(i); EXCEPTION WHEN out_of_memory THEN EXIT; END;
    END LOOP;
END $$"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with clusters.serving(17, anna=ANNA, bert=BERT) as made:
        yield made


@pytest.fixture
def eye(cluster: Cluster) -> Iterator[pressure.Line]:
    """What the clock holds, as it has looked once."""
    place = Database(cluster.subject.bind, cluster.subject.port, "postgres", MONITOR, WATCH, "require")
    line = pressure.Line(uuid4(), place, 17)
    assert pressure.read(line) == {}
    yield line
    pressure.drop(line)


def advisory(session: psycopg.Connection) -> None:
    """All in one session, and they stay when the statement has failed."""
    with pytest.raises(psycopg.errors.OutOfMemory):
        session.execute(ADVISORY)


def relations(session: psycopg.Connection) -> None:
    """A thousand tables in one transaction, and whatever is left."""
    for n in range(10):
        session.execute(TABLES.replace("n *", f"{n} *"))
    session.execute("BEGIN")
    session.execute(LOCK_TABLES)


Take = Callable[[psycopg.Connection], None]


@pytest.fixture(params=[advisory, relations])
def greedy(cluster: Cluster, eye: pressure.Line, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """A session of anna's that holds every lock there is."""
    with cluster.connect("anna", ANNA, "anna") as session:
        request.param(session)
        yield session
    control.end_sessions(cluster.shell, cluster.subject, "anna", "anna")


def look(cluster: Cluster, kind: str, user: str, password: str, dbname: str) -> dict[str, str | None]:
    place = Database(cluster.subject.bind, cluster.subject.port, dbname, user, password, "require")
    subject = replace(cluster.subject, kind=kind, state="available", database=place, host=None)
    return feel(subject, replace(Scene().ports, sql=PsycopgSql())).attrs


def neighbour(cluster: Cluster) -> dict[str, str | None]:
    return look(cluster, RESOURCE, "bert", BERT, "bert")


def test_a_full_lock_table_says_what_it_is_and_nothing_of_the_instance(cluster, greedy):
    """Nobody logs in then, not even the superuser."""
    seen = neighbour(cluster)
    assert (seen["service_available"], seen["service_code"]) == ("false", "53200")
    instance = look(cluster, INSTANCE, MONITOR, WATCH, "postgres")
    assert (instance["service_available"], instance["service_code"]) == (None, "53200")
    with pytest.raises(CommandFailed):
        control.run_sql(cluster.shell, cluster.subject, "SELECT 1;")


def test_the_held_session_tells_who_it_is_and_its_end_lets_the_neighbours_in(cluster, eye, greedy):
    for _look in range(3):
        (found,) = (pressure.read(eye),)
        assert found is not None and set(found) == {"anna"} and found["anna"] > 100
    assert control.end_sessions(cluster.shell, cluster.subject, "anna", "anna") == 1
    assert pressure.read(eye) == {}
    assert neighbour(cluster)["service_available"] == "true"
    with pytest.raises(psycopg.OperationalError):
        greedy.execute("SELECT 1")


def test_a_held_session_that_can_t_read_makes_room_for_one_that_can(cluster, eye):
    """One that has not asked before needs locks to learn what it is asked; it has kept some for that."""
    pressure.drop(eye)
    cold = Held(eye.database, 2.0)
    cold.fetch([pressure.BALLAST], 2.0)
    with cluster.connect("anna", ANNA, "anna") as session:
        advisory(session)
        eye.held, eye.prepared = cold, True
        assert set(pressure.read(eye) or {}) == {"anna"}
        assert eye.held is not cold
        control.end_sessions(cluster.shell, cluster.subject, "anna", "anna")
    assert pressure.read(eye) == {} and eye.prepared


def test_who_never_has_enough_is_suspended_although_he_comes_back_at_once(cluster, eye):
    stop, refusals = threading.Event(), []

    def come_back() -> None:
        while not stop.is_set():
            try:
                with cluster.connect("anna", ANNA, "anna") as session:
                    session.execute(NEVER_ENOUGH)
            except psycopg.Error as error:
                refusals.append(str(error))
                if "rejects connection" in str(error):
                    return

    with cluster.connect("bert", BERT, "bert") as bert:
        callers = [threading.Thread(target=come_back) for _n in range(2)]
        for caller in callers:
            caller.start()
        try:
            deadline = time.monotonic() + 20
            while not pressure.read(eye):
                assert time.monotonic() < deadline
            assert control.suspend(cluster.shell, cluster.subject, "anna", "anna") >= 1
        finally:
            stop.set()
            control.end_sessions(cluster.shell, cluster.subject, "anna", "anna")
            for caller in callers:
                caller.join(30)
        assert bert.execute("SELECT 1").fetchone() == (1,)
    assert any("rejects connection" in said for said in refusals)
    assert neighbour(cluster)["service_available"] == "true"
    assert control.suspend(cluster.shell, cluster.subject, "anna", "anna") == 0
    control.lift(cluster.shell, cluster.subject, "anna", "anna")
    cluster.connect("anna", ANNA, "anna").close()


def test_only_the_owners_sessions_in_that_database_are_ended(cluster):
    with cluster.connect("bert", BERT, "bert") as bert, cluster.monitor() as monitor:
        with cluster.connect("anna", ANNA, "anna"):
            assert control.end_sessions(cluster.shell, cluster.subject, "anna", "anna") == 1
        assert control.end_sessions(cluster.shell, cluster.subject, "anna", "anna") == 0
        assert bert.execute("SELECT 1").fetchone() == monitor.execute("SELECT 1").fetchone()


def test_a_customer_at_his_own_limit_is_told_from_a_full_instance(cluster):
    with cluster.connect("anna", ANNA, "anna"), cluster.connect("anna", ANNA, "anna"):
        seen = look(cluster, RESOURCE, "anna", ANNA, "anna")
    assert (seen["service_available"], seen["service_code"]) == ("false", "53300")
    assert "too many connections for role" in seen["service_why"]


def test_who_begins_to_log_in_and_does_not_go_on_is_ended_soon(cluster):
    assert cluster.sql("SHOW authentication_timeout") == "10s"
