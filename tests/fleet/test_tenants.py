"""Tenants of one PostgreSQL, the real one: a customer takes all of the lock table, or all of his connections."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from fleet.jobs import DONE, Look
from fleet.postgres.config import MONITOR
from fleet.postgres.roles import Limits
from fleet.subject import INSTANCE, RESOURCE
from fleet.transports.base import Database
from fleet.transports.sql import PsycopgSql
from observations.feel import feel
from tests import clusters
from tests.clusters import ANNA, BERT, WATCH, Cluster
from tests.incidents.scenes import Scene
from tests.localshell import LocalShell

ADVISORY = "DO $$ BEGIN FOR i IN 1..10000000 LOOP PERFORM pg_advisory_lock(i); END LOOP; END $$"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    shell = LocalShell()
    subject = clusters.instance(shell, 17)
    assert clusters.build(shell, subject) == Look(DONE)
    made = Cluster(shell, subject)
    for name, password in (("anna", ANNA), ("bert", BERT)):
        made.create(name, password, Limits(connections=2, temp_mb=1))
    yield made
    shell.close()


@pytest.fixture
def greedy(cluster: Cluster) -> Iterator[psycopg.Connection]:
    """A session of anna's that holds every lock there is."""
    with cluster.connect("anna", ANNA, "anna") as session:
        with pytest.raises(psycopg.errors.OutOfMemory):
            session.execute(ADVISORY)
        yield session


def look(cluster: Cluster, kind: str, user: str, password: str, dbname: str) -> dict[str, str | None]:
    place = Database(cluster.subject.bind, cluster.subject.port, dbname, user, password, "require")
    subject = replace(cluster.subject, kind=kind, state="available", database=place, host=None)
    return feel(subject, replace(Scene().ports, sql=PsycopgSql())).attrs


def test_a_full_lock_table_says_what_it_is_and_nothing_of_the_instance(cluster, greedy):
    """Nobody logs in then, not even the superuser."""
    neighbour = look(cluster, RESOURCE, "bert", BERT, "bert")
    assert (neighbour["service_available"], neighbour["service_code"]) == ("false", "53200")
    instance = look(cluster, INSTANCE, MONITOR, WATCH, "postgres")
    assert (instance["service_available"], instance["service_code"]) == (None, "53200")


def test_a_customer_at_his_own_limit_is_told_from_a_full_instance(cluster):
    with cluster.connect("anna", ANNA, "anna"), cluster.connect("anna", ANNA, "anna"):
        seen = look(cluster, RESOURCE, "anna", ANNA, "anna")
    assert (seen["service_available"], seen["service_code"]) == ("false", "53300")
    assert "too many connections for role" in seen["service_why"]


def test_who_begins_to_log_in_and_does_not_go_on_is_ended_soon(cluster):
    assert cluster.sql("SHOW authentication_timeout") == "10s"
