"""From a look to an incident and back: whole turns over a herd without a wire."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet import ring
from fleet.models import Credential, Instance
from fleet.postgres.config import MONITOR
from herdsite import beat
from herdsite.turns import Turn
from incidents import desk, work
from incidents.models import Incident
from incidents.telling import Silent
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, due
from tests.incidents.scenes import due as due_incident

pytestmark = pytest.mark.django_db
HERE, THERE = "here/1", "there/2"


@pytest.fixture
def herd() -> FakeHerd:
    return FakeHerd()


@pytest.fixture
def instance(herd: FakeHerd) -> Instance:
    one = factories.instance(server=herd.machine(), attrs={"boot_id": "boot-0"})
    Credential.objects.create(purpose=Credential.MONITOR, instance=one, role=MONITOR, secret="watching")
    herd.run(one)
    return one


def beats(herd: FakeHerd, member: Any, vantage: str = HERE) -> Any:
    due(member, ago_s=100_000)
    assert Turn(again(member).queue, herd.ports, vantage).once(member.KIND, 1) == 1
    return again(member)


def dead(herd: FakeHerd, instance: Instance) -> Incident:
    herd.clusters[instance.data].runs = False
    for vantage in (HERE, THERE, HERE):
        row = beats(herd, instance, vantage)
    assert row.watch["instance_down"] == [True, 0]
    return Incident.objects.get(subject=instance.pk)


def test_a_dead_postgres_has_one_incident_with_the_doubts_evidence(herd, instance):
    incident = dead(herd, instance)
    beats(herd, instance, THERE)
    assert Incident.objects.count() == 1
    assert incident.evidence["facts"]["state"] == "down"
    assert set(incident.evidence["doubt"]["sql"]) == {HERE, THERE}


def test_it_is_mended_and_closes_by_itself(herd, instance):
    incident, told = dead(herd, instance), Silent()
    for _round in range(12):
        due_incident(incident)
        work.go_round(herd.ports, HERE, told)
        herd.pass_time()
        beats(herd, instance)
        if not again(incident).is_open:
            break
    assert (again(incident).state, again(instance).state, again(instance).watch) == ("resolved", "available", {})
    assert [(what, more) for what, _name, more in told.told] == [
        ("customer", "opened"),
        ("ended", ""),
        ("customer", "fixed"),
    ]


def test_an_incident_that_could_not_be_written_is_opened_by_the_next_beat(herd, instance, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(desk, "_cause", lambda _member: 1 / 0)
        with pytest.raises(Incident.DoesNotExist):
            dead(herd, instance)
    beats(herd, instance)
    assert Incident.objects.get(subject=instance.pk).state == "triggered"


def test_a_beat_of_what_is_well_asks_the_desk_nothing(herd, instance):
    beats(herd, instance)
    with CaptureQueriesContext(connection) as queries:
        beats(herd, instance)
    assert not [query for query in queries if "incidents_" in query["sql"]]


def test_a_late_look_reports_nothing(herd, instance, monkeypatch):
    herd.clusters[instance.data].runs = False
    beats(herd, instance, HERE)
    monkeypatch.setattr(ring, "release", lambda *_args: set())
    due(instance, ago_s=100_000)
    Turn(again(instance).queue, herd.ports, THERE).once("instance", 1)
    assert again(instance).state == "down"
    assert not Incident.objects.exists() and beat.watch.open_types(again(instance).watch) == []
