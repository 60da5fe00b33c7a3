"""Playbooks against a real PostgreSQL: sessions that are ended, a postmaster that is killed, a configuration that is
written anew."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from fleet import context
from fleet.facts import Facts
from fleet.jobs import DONE, Look
from fleet.models import Instance, Member, Resource
from fleet.postgres import control
from incidents.outcomes import FIXED, GIVE_UP, Case
from incidents.resolvers import free_connections, kill_postgres, rewrite_config
from tests import clusters, factories
from tests.clusters import ANNA, BERT, Cluster
from tests.incidents.scenes import Scene
from tests.worlds import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with clusters.serving(17, anna=ANNA, bert=BERT) as made:
        yield made


@pytest.fixture
def instance(cluster: Cluster) -> Instance:
    """The row of the cluster."""
    subject = cluster.subject
    server = factories.server(home=subject.home, bind=subject.bind, pg={"17": subject.bin}, host_key="ssh-ed25519 X")
    return factories.instance(pk=subject.id, name="pg17", server=server, port=subject.port, state="down")


@pytest.fixture
def anna(instance: Instance) -> Resource:
    return factories.resource(instance=instance, dbname="anna", state="down")


def case(cluster: Cluster, member: Member, type_: str, **facts: Any) -> Case:
    instance = member if isinstance(member, Instance) else Instance.objects.get(resources=member.pk)
    ports = replace(Scene().ports, shell=lambda _host: cluster.shell)
    subject = context.instance_subject(instance, NOW)
    return Case(ports, type_, f"incident/{member.pk}", "incident x", 0.0, member, subject, Facts(NOW, facts))


def alive(session: psycopg.Connection) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def test_who_sits_in_a_transaction_makes_room_and_the_neighbour_stays(cluster, anna, monkeypatch):
    monkeypatch.setattr(free_connections, "IN_TRANSACTION_S", 0)
    one, two = cluster.connect("anna", ANNA, "anna"), cluster.connect("anna", ANNA, "anna")
    other = cluster.connect("bert", BERT, "bert")
    for session in (one, other):
        session.execute("BEGIN")
        session.execute("SELECT 1")
    outcome = free_connections.in_transaction(case(cluster, anna, "resource_down"))
    assert (outcome.kind, outcome.note) == (FIXED, "1 sessions in a transaction were ended")
    assert [alive(session) for session in (one, two, other)] == [False, True, True]
    assert free_connections.in_transaction(case(cluster, anna, "resource_down")).kind == GIVE_UP
    for session in (one, two, other):
        session.close()


def test_idle_sessions_make_room_for_a_customer_who_is_shut_out(cluster, anna, monkeypatch):
    monkeypatch.setattr(free_connections, "SHUT_OUT_S", 0)
    sessions = [cluster.connect("anna", ANNA, "anna") for _n in range(2)]
    assert free_connections.idle(case(cluster, anna, "resource_down")).note == "2 idle sessions were ended"
    assert not any(alive(session) for session in sessions)
    assert free_connections.idle(case(cluster, anna, "resource_down")).note == "there is room again"


def test_sessions_that_have_hardly_been_idle_stay(cluster, instance):
    with cluster.connect("anna", ANNA, "anna") as session:
        assert free_connections.in_transaction(case(cluster, instance, "connections_exhausted")).note.startswith("0 ")
        assert alive(session)


def test_a_postmaster_is_killed_and_its_configuration_written_anew(cluster, instance):
    data = Path(cluster.subject.data)
    postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
    assert kill_postgres.kill(case(cluster, instance, "instance_down", postmaster=True)).kind == FIXED
    postmaster.wait(20)
    conf = data / "postgresql.conf"
    conf.write_text(conf.read_text() + "shared_buffers = 'a lot'\n")
    down = case(cluster, instance, "instance_down", postmaster=False)
    assert kill_postgres.kill(down).kind == GIVE_UP
    assert "shared_buffers" in rewrite_config.read(down).note
    for _again in range(2):
        assert rewrite_config.write(down).kind == FIXED
    assert "a lot" in (data / "postgresql.conf.broken").read_text()
    assert rewrite_config.read(down).kind == GIVE_UP
    assert cluster.do(control.start, "again") == Look(DONE)
    assert cluster.sql("SELECT 1") == "1"
