"""An incident's beats: playbooks in their order, one at a time on one thing, and a person in three cases only."""

import pytest
from django.db import OperationalError

from fleet import ring
from fleet.facts import FACTS, Facts
from fleet.models import Instance, Timeline
from fleet.rules import WAIT, check, think
from fleet.states import states_of
from fleet.transports.base import Unreachable
from incidents import desk, playbooks, story, work
from incidents.checks import ACTIONS
from incidents.life import LIFE, PATIENCE_S
from incidents.models import Incident, PlaybookPolicy
from incidents.outcomes import again, fixed, give_up
from incidents.resolvers import ask_customer
from incidents.watch import BY_TYPE
from tests import factories
from tests.incidents.scenes import VANTAGE, Scene, due, pass_time, playbook, raise_alarm, set_alarm, settle
from tests.worlds import NOW

pytestmark = pytest.mark.django_db
EVERY = BY_TYPE["instance_down"].resolvers


@pytest.fixture
def scene() -> Scene:
    return Scene()


def down(**fields) -> tuple[Instance, Incident]:
    instance = factories.resource(instance=factories.instance(state="down", **fields)).instance
    return instance, raise_alarm(instance, "instance_down", state="down")


def test_the_table_is_sound_and_ignorance_does_nothing():
    assert check("incident", LIFE, ACTIONS) == []
    for state in states_of("incident"):
        assert think(LIFE, state, Facts(NOW, dict.fromkeys(FACTS))).then == WAIT


def test_its_first_playbook_mends_it(scene, monkeypatch):
    instance, incident = down()
    keys = playbook(monkeypatch, "restart_postgres", [fixed("asked")], [again(1), fixed("started")])
    incident = scene.beat(incident, 2)
    assert (incident.state, incident.resolver, incident.step) == ("resolving", "restart_postgres", 1)
    incident = scene.beat(incident, 1)
    pass_time(incident, 2)
    incident = scene.beat(incident, 2)
    assert incident.step == 2 and len(keys) == 3 and len(set(keys)) == 1
    set_alarm(instance, "instance_down", False)
    incident = scene.beat(incident)
    assert (incident.state, incident.due_at, scene.pages) == ("resolved", None, [])
    assert scene.heard(incident) == ["opened", "fixed"]
    told = [line.what for line in story.of(incident)]
    assert told == ["opened", "begin", "began", "fixed", "again", "fixed", "mended"]
    assert playbooks.rates() == [playbooks.Rate("restart_postgres", 1, 1)]


def test_where_the_disk_is_full_one_page_is_enough_and_playbooks_are_tried_anew_when_there_is_room(scene, monkeypatch):
    instance, incident = down()
    playbook(monkeypatch, "grow_disk", [give_up("it can't grow")])
    full = scene.beat(raise_alarm(instance.server, "disk_critical", disk_used_pct=100.0), 3)
    for name in EVERY:
        playbook(monkeypatch, name, [give_up("no room")])
    incident = scene.beat(incident, len(EVERY) + 2)
    assert (incident.state, incident.cause, incident.tried, incident.rounds) == ("waiting", full, [], 1)
    set_alarm(instance.server, "disk_critical", False)
    scene.beat(full)
    playbook(monkeypatch, "restart_postgres", [fixed("it runs")])
    pass_time(incident, 31)
    incident = scene.beat(incident, 2)
    assert (incident.state, incident.resolver) == ("resolving", "restart_postgres")
    assert scene.pages == [full.name]


def test_playbooks_are_tried_in_their_order_then_a_person_is_called_once(scene, monkeypatch):
    _instance, incident = down()
    for name in EVERY[:-1]:
        playbook(monkeypatch, name, [give_up(f"{name} can't")])
    playbook(monkeypatch, EVERY[-1], [fixed("done")])
    incident = scene.beat(incident, 2)
    assert incident.tried == ["restart_postgres"] and scene.heard(incident) == ["opened", "tried"]
    incident = scene.beat(incident, len(EVERY) - 1)
    assert incident.resolver == EVERY[-1]
    settle(incident)
    incident = scene.beat(incident, 5)
    assert incident.tried == list(EVERY)
    assert (incident.state, incident.row, scene.pages) == ("needs_human", 901, [incident.name])
    assert scene.heard(incident) == ["opened", "tried"]
    page = next(more for what, _name, more in scene.telling.told if what == "page")
    assert "'state': 'down'" in page and "The runbook of restart_postgres." in page


def test_a_beat_goes_on_until_something_has_to_take_effect(scene, monkeypatch):
    """Customers wait: from the alarm to the second playbook's wait in one beat."""
    _instance, incident = down()
    playbook(monkeypatch, EVERY[0], [give_up("its host is silent")])
    playbook(monkeypatch, EVERY[1], [again(1, "it takes effect")])
    incident = scene.beat(incident, stretch=work.STRETCH)
    assert (incident.state, incident.tried, incident.resolver) == ("resolving", [EVERY[0]], EVERY[1])
    assert (incident.outcome, scene.heard(incident)) == ("again", ["opened", "tried"])


def test_a_playbook_that_raises_goes_to_a_person_at_once(scene, monkeypatch):
    _instance, incident = down()
    playbook(monkeypatch, "restart_postgres", [ZeroDivisionError("a bug")])
    incident = scene.beat(incident, 4)
    assert (incident.state, scene.pages) == ("needs_human", [incident.name])
    assert "ZeroDivisionError: a bug" in incident.problem
    assert [line.what for line in story.of(incident)][-2:] == ["raised", "escalated"]


def test_what_takes_too_long_goes_to_a_person(scene, monkeypatch):
    _instance, incident = down()
    playbook(monkeypatch, "restart_postgres", [again(1)])
    incident = scene.beat(incident, 2)
    pass_time(incident, PATIENCE_S["resolving"])
    incident = scene.beat(incident)
    assert (incident.state, incident.row, scene.pages) == ("needs_human", 123, [incident.name])


def test_a_wire_that_fails_is_tried_again_before_the_playbook_gives_up(scene, monkeypatch):
    _instance, incident = down()
    playbook(monkeypatch, "restart_postgres", [Unreachable("no answer in time")])
    incident = scene.beat(incident, 2)
    assert (incident.outcome, incident.tried) == ("again", [])
    pass_time(incident, 90)
    incident = scene.beat(incident)
    assert (incident.outcome, incident.tried) == ("give_up", ["restart_postgres"])


def test_our_own_database_that_goes_away_is_no_reason_to_call_anybody(scene, monkeypatch):
    _instance, incident = down()
    playbook(monkeypatch, "restart_postgres", [OperationalError("the connection is closed")])
    incident = scene.beat(incident)
    with pytest.raises(OperationalError):
        scene.beat(incident)
    assert Incident.objects.get(pk=incident.pk).state == "resolving"


def test_a_step_whose_worker_died_is_taken_again_under_the_same_key(scene, monkeypatch):
    _instance, incident = down()
    keys = playbook(monkeypatch, "restart_postgres", [KeyboardInterrupt(), fixed("asked")], [again(1)])
    incident = scene.beat(incident)
    with pytest.raises(KeyboardInterrupt):
        scene.beat(incident)
    incident = scene.beat(incident)
    assert incident.step == 1 and len(keys) == 2 and len(set(keys)) == 1


def test_an_answer_whose_lease_was_lost_is_dropped(scene, monkeypatch):
    _instance, incident = down()
    keys = playbook(monkeypatch, "restart_postgres", [fixed()])
    incident = scene.beat(incident)
    due(incident)
    claim = ring.claim(Incident.KIND, "work", 1, VANTAGE)
    monkeypatch.setattr(ring, "hold", lambda *_args: due(incident) or True)
    work.beat(Incident.objects.get(pk=incident.pk), claim, scene.ports, VANTAGE, scene.telling)
    assert Incident.objects.get(pk=incident.pk).step == 0 and not keys


def test_one_playbook_at_a_time_works_on_one_thing(scene, monkeypatch):
    instance, first = down()
    playbook(monkeypatch, "restart_postgres", [again(1)])
    playbook(monkeypatch, "free_connections", [fixed()])
    second = raise_alarm(instance, "connections_exhausted", connections=9, max_connections=9)
    Instance.objects.filter(pk=instance.pk).update(
        watch={"instance_down": [True, 0], "connections_exhausted": [True, 0]}
    )
    first = scene.beat(first)
    second = scene.beat(second)
    assert (first.state, second.state, second.row) == ("resolving", "triggered", 135)
    with pytest.raises(desk.DeskError, match="Another incident"):
        desk.retry(second, "ada")
    Instance.objects.filter(pk=instance.pk).update(watch={"connections_exhausted": [True, 0]})
    assert scene.beat(first).state == "resolved"
    assert scene.beat(second).state == "resolving"


def test_what_hangs_under_a_cause_waits_and_calls_nobody(scene, monkeypatch):
    server = factories.server(state="down")
    children = [raise_alarm(factories.instance(server=server, state="down"), "instance_down") for _n in range(3)]
    keys = playbook(monkeypatch, "restart_postgres", [fixed()])
    playbook(monkeypatch, "restart_server", [give_up("the provider has no such machine")])
    cause = raise_alarm(server, "server_down")
    children = [scene.beat(child, 2) for child in children]
    assert {child.state for child in children} == {"waiting"} and not keys
    pass_time(children[0], 10_000)
    assert scene.beat(children[0]).state == "waiting"
    scene.beat(cause, 4)
    assert scene.pages == [cause.name]
    set_alarm(server, "server_down", False)
    type(server).objects.filter(pk=server.pk).update(state="available")
    scene.beat(cause)
    child = scene.beat(children[1])
    assert (child.state, child.row) == ("waiting", 143)
    pass_time(child, 31)
    assert scene.beat(child).state == "resolving"


def test_what_is_no_more_has_no_incident(scene):
    instance, incident = down()
    Instance.objects.filter(pk=instance.pk).update(state="destroying")
    assert scene.beat(incident).state == "resolved"


def test_nothing_is_done_where_the_server_is_in_doubt(scene, monkeypatch):
    instance, incident = down()
    keys = playbook(monkeypatch, "restart_postgres", [fixed()])
    type(instance.server).objects.filter(pk=instance.server_id).update(state="uncertain")
    incident = scene.beat(incident, 2)
    assert (incident.state, incident.row, keys) == ("triggered", 133, [])


@pytest.mark.parametrize("scope", ["everywhere", "plan", "resource"])
def test_a_playbook_that_asks_first_waits_for_a_person_and_one_that_may_not_is_passed_over(scene, monkeypatch, scope):
    resource = factories.resource(state="down")
    incident = raise_alarm(resource, "resource_down")
    keys = playbook(monkeypatch, "free_connections", [fixed()])
    about = {"everywhere": {}, "plan": {"plan": resource.plan}, "resource": {"resource": resource}}[scope]
    policy = PlaybookPolicy.objects.create(resolver="free_connections", mode="ask", **about)
    incident = scene.beat(incident, 2)
    assert (incident.state, keys, scene.pages) == ("needs_human", [], [incident.name])
    desk.retry(incident, "ada")
    incident = scene.beat(incident)
    assert len(keys) == 1
    PlaybookPolicy.objects.filter(pk=policy.pk).update(mode="never")
    assert playbooks.coming(Incident.objects.get(pk=incident.pk)) == ("", "none")


def test_a_resources_own_word_counts_before_its_plans():
    resource = factories.resource(state="down")
    incident = raise_alarm(resource, "resource_down")
    PlaybookPolicy.objects.create(resolver="free_connections", mode="never", plan=resource.plan)
    PlaybookPolicy.objects.create(resolver="free_connections", mode="act", resource=resource)
    assert playbooks.coming(incident) == ("free_connections", "act")


def test_the_word_of_a_resource_counts_for_all_that_belongs_to_it():
    shop, another = factories.resource(), factories.resource()
    leader = shop.instance
    standby = factories.instance(role="standby", standby_for=shop, timeline=leader.timeline)
    Timeline.objects.filter(pk=leader.timeline_id).update(resource=shop)
    PlaybookPolicy.objects.create(resolver="restart_postgres", mode="never", resource=shop)
    PlaybookPolicy.objects.create(resolver="failover", mode="ask", resource=shop)
    assert playbooks.coming(raise_alarm(leader, "instance_down")) == ("failover", "ask")
    assert playbooks.coming(raise_alarm(another.instance, "instance_down")) == ("restart_postgres", "act")
    for member in (standby, leader.timeline, factories.address(resource=shop), factories.changeover(resource=shop)):
        assert raise_alarm(member, "stuck").resource() == shop, member
    assert raise_alarm(leader.server, "server_down").resource() is None
    factories.resource(instance=leader)
    assert Incident.objects.get(type="instance_down", subject=leader.pk).resource() is None


@pytest.mark.thorough
def test_a_person_has_all_playbooks_tried_anew(scene, monkeypatch):
    _instance, incident = down()
    for name in EVERY:
        keys = playbook(monkeypatch, name, [give_up("no")])
    incident = scene.beat(incident, len(EVERY) + 3)
    assert incident.state == "needs_human"
    desk.retry(incident, "ada")
    incident = scene.beat(incident, len(EVERY) + 2)
    assert (incident.state, incident.escalations, len(keys)) == ("needs_human", 2, 2)
    assert len(set(keys)) == 2
    assert scene.heard(incident) == ["opened", "tried"]


def test_what_waits_for_a_date_waits_and_lets_others_work(scene, monkeypatch):
    resource = factories.resource()
    incident = raise_alarm(resource, "row_limit")
    playbook(monkeypatch, "enforce_row_limit", [again(86_400, "its customer has a day"), give_up("over")])
    incident = scene.beat(incident, 3)
    assert (incident.state, scene.pages) == ("waiting", [])
    pass_time(incident, 80_000)
    assert scene.beat(incident).state == "waiting"
    pass_time(incident, 6_401)
    incident = scene.beat(incident, 3)
    assert (incident.state, scene.pages) == ("needs_human", [incident.name])
    assert scene.heard(incident) == ["asked"]


def test_what_is_the_customers_choice_stays_open_and_calls_nobody(scene):
    incident = raise_alarm(factories.resource().instance, "durability_weakened")
    for _ in range(3):
        incident = scene.beat(incident, 3)
        assert (incident.state, scene.pages, scene.heard(incident)) == ("waiting", [], ["asked"])
        pass_time(incident, ask_customer.LOOK_S + 1)


def test_the_round_takes_what_is_due(scene, monkeypatch):
    _instance, incident = down()
    playbook(monkeypatch, "restart_postgres", [ZeroDivisionError("a bug")])
    assert work.go_round(scene.ports, VANTAGE, scene.telling) == (1, 1)
    Incident.objects.update(due_at=None)
    assert work.go_round(scene.ports, VANTAGE, scene.telling) == (0, 0)
