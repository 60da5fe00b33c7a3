"""Opening incidents, and the hands that people lay on them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from fleet.models import Event, Instance
from incidents import desk, story
from incidents.models import Incident, Journal
from incidents.telling import Silent
from tests import factories
from tests.herd import offer
from tests.incidents.scenes import Scene, pass_time, raise_alarm, report, set_alarm
from tests.worlds import NOW

pytestmark = pytest.mark.django_db


def test_an_alarm_opens_one_incident_with_its_evidence_however_often_it_is_reported():
    instance = factories.instance(name="serene-elephant-42")
    incident = raise_alarm(instance, "instance_down", state="down")
    assert report(instance, "instance_down", state="down") == []
    assert incident.name == "instance-down-serene-elephant-42-1"
    assert incident.evidence["facts"]["state"] == "down" and incident.evidence["doubt"] == {}
    assert incident.evidence["looked_at"] == NOW.isoformat()
    assert (incident.opened_by, incident.severity, incident.state) == (313, "page", "triggered")
    assert [line.what for line in story.of(incident)] == ["opened"]
    assert Event.objects.get(subject=incident.pk).verb == "open"


def test_the_next_one_of_the_same_kind_has_the_next_number_and_a_name_of_legal_length():
    resource = factories.resource(name="x" * 63)
    first = raise_alarm(resource, "resource_down")
    desk.resolve(first, "ada", "well again", Silent())
    second = raise_alarm(resource, "resource_down")
    assert first.name[:-1] == second.name[:-1] and second.name.endswith("-2")
    second.full_clean(exclude=["state"])


def test_what_stands_on_a_dead_server_hangs_under_it_whichever_was_seen_first():
    server = factories.server()
    early, late = factories.instance(server=server), factories.instance(server=server)
    resource = factories.resource(instance=early)
    before = raise_alarm(early, "instance_down")
    down = raise_alarm(server, "server_down")
    after, below = raise_alarm(late, "instance_down"), raise_alarm(resource, "resource_down")
    assert {one.cause_id for one in Incident.objects.filter(pk__in=[before.pk, after.pk, below.pk])} == {down.pk}
    elsewhere = raise_alarm(factories.instance(), "instance_down")
    assert elsewhere.cause_id is None


def test_a_resource_hangs_under_its_instance():
    resource = factories.resource()
    cause = raise_alarm(resource.instance, "instance_down")
    assert raise_alarm(resource, "resource_down").cause_id == cause.pk


def test_its_customer_is_the_one_whose_database_it_is():
    alone, shared = factories.resource(), factories.instance(plan=factories.plan("starter-0"))
    for _n in range(2):
        factories.resource(instance=shared)
    assert raise_alarm(alone, "resource_down").customer == alone.customer
    assert raise_alarm(alone.instance, "instance_down").customer == alone.customer
    assert raise_alarm(shared, "instance_down").customer is None
    assert raise_alarm(alone.instance.server, "server_down").customer is None


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_see_it_at_once_open_it_once():
    offer()
    instance = factories.instance()
    set_alarm(instance, "instance_down", True)

    def see(_n: int) -> int:
        try:
            return len(report(Instance.objects.get(pk=instance.pk), "instance_down", state="down"))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(see, range(8))) == 1
    assert Incident.objects.count() == 1


def test_what_people_do_is_in_the_journal():
    incident, telling = raise_alarm(factories.instance(), "instance_down"), Silent()
    desk.acknowledge(incident, "ada", telling)
    desk.assign(incident, "grace", "ada")
    desk.snooze(incident, 600, "ada")
    desk.note(incident, "the rack smells of smoke", "grace")
    fresh = Incident.objects.get(pk=incident.pk)
    assert (fresh.acknowledged_by, fresh.assigned_to) == ("ada", "grace")
    assert fresh.acknowledged_at and fresh.snoozed_until > fresh.acknowledged_at
    assert telling.told == [("acknowledged", incident.name, "ada")]
    lines = [(line.what, line.actor) for line in story.of(incident)][1:]
    assert lines == [("acknowledged", "ada"), ("assigned", "ada"), ("snoozed", "ada"), ("noted", "grace")]


@pytest.mark.parametrize(
    "refused",
    [
        lambda incident: desk.snooze(incident, 0, "ada"),
        lambda incident: desk.snooze(incident, 1e9, "ada"),
        lambda incident: desk.note(incident, "  ", "ada"),
    ],
)
def test_what_makes_no_sense_is_refused(refused):
    incident = raise_alarm(factories.instance(), "instance_down")
    with pytest.raises(desk.DeskError):
        refused(incident)
    assert Journal.objects.filter(incident=incident).count() == 1


def test_a_person_ends_it_and_its_alarm_counts_anew():
    instance, telling = factories.instance(), Silent()
    incident = raise_alarm(instance, "instance_down")
    desk.resolve(incident, "ada", "it is meant to be off", telling)
    fresh = Incident.objects.get(pk=incident.pk)
    assert (fresh.state, fresh.due_at) == ("resolved", None)
    assert Instance.objects.get(pk=instance.pk).watch == {}
    assert telling.told == [("ended", incident.name, "")]
    with pytest.raises(desk.DeskError, match="resolved already"):
        desk.acknowledge(fresh, "ada", telling)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("disk_critical", "disk_filling"),
        ("server_unreachable", "server_down"),
        ("server_down", "server_unreachable"),
    ],
)
def test_what_says_the_same_of_a_thing_hangs_under_what_said_it_first(first, second):
    server, scene = factories.server(), Scene()
    cause = raise_alarm(server, first)
    set_alarm(server, first, True)
    type(server).objects.update(watch={first: [True, 0], second: [True, 0]})
    report(server, second)
    milder = scene.beat(Incident.objects.get(type=second), 3)
    assert (milder.cause, milder.state) == (cause, "waiting")
    assert Incident.objects.get(pk=cause.pk).cause is None and scene.pages == []


def test_the_graver_alarm_of_a_disk_takes_the_milder_one_under_it():
    server = factories.server()
    milder = raise_alarm(server, "disk_filling")
    graver = raise_alarm(server, "disk_critical")
    assert Incident.objects.get(pk=milder.pk).cause == graver
    other = raise_alarm(factories.server(), "disk_filling")
    assert other.cause is None


def test_the_milder_one_that_is_left_goes_on_by_itself():
    server, scene = factories.server(), Scene()
    graver, milder = raise_alarm(server, "disk_critical"), raise_alarm(server, "disk_filling")
    scene.beat(milder, 2)
    assert scene.beat(graver).state == "resolved"
    pass_time(milder, 60)
    milder = scene.beat(milder, 2)
    assert (milder.state, milder.resolver) == ("resolving", "grow_disk")
