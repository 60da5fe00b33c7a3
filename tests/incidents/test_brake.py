"""The brake: many at once is a storm, one incident for the place, and nothing under it acts or calls anybody."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from fleet.models import Server
from incidents import brake, desk
from incidents.models import Incident, PlaybookPolicy
from incidents.outcomes import fixed
from tests import factories
from tests.incidents.scenes import Scene, playbook, raise_alarm

pytestmark = pytest.mark.django_db


def zone(name: str, servers: int, ill: int = 0) -> list[Server]:
    made = [factories.server(zone=name) for _n in range(servers)]
    Server.objects.filter(pk__in=[one.pk for one in made[:ill]]).update(state="down", state_since=Now())
    return list(Server.objects.filter(zone=name).order_by("state_since"))


def dead(zone_: str) -> Server:
    return Server.objects.filter(zone=zone_, state="down").order_by("name")[0]


@pytest.fixture
def scene(monkeypatch) -> Scene:
    playbook(monkeypatch, "restart_server", [fixed()])
    return Scene()


def test_a_zone_that_goes_dark_is_one_page_and_nothing_acts(scene, monkeypatch):
    keys = playbook(monkeypatch, "restart_server", [fixed()])
    zone("a", 4, ill=3)
    zone("b", 8)
    incidents = [raise_alarm(server, "server_down") for server in Server.objects.filter(state="down")]
    incidents = [scene.beat(incident, 3) for incident in incidents]
    storm = Incident.objects.get(type="storm")
    assert storm.name == "storm-zone-a-1" and storm.evidence["facts"] == {"servers": 4, "in doubt": 3}
    assert {(one.state, one.cause_id) for one in incidents} == {("waiting", storm.pk)}
    assert scene.beat(storm, 3).state == "needs_human"
    assert (scene.pages, keys) == ([storm.name], [])
    assert brake.holds("zone/a") and not brake.holds("zone/b") and not brake.holds("herd")


@pytest.mark.parametrize(("servers", "ill"), [(4, 1), (5, 2), (1, 1)])
def test_a_few_are_no_storm(scene, servers: int, ill: int):
    zone("a", servers, ill)
    zone("b", 8)
    raised = raise_alarm(dead("a"), "server_down")
    assert scene.beat(raised).state == "resolving"
    assert not Incident.objects.filter(type="storm").exists()


def test_what_fell_ill_one_after_the_other_over_hours_makes_no_storm(scene):
    zone("b", 8)
    for hours, server in enumerate(zone("a", 4, ill=4)):
        Server.objects.filter(pk=server.pk).update(state_since=Now() - timedelta(hours=hours))
    assert scene.beat(raise_alarm(dead("a"), "server_down")).state == "resolving"


def test_a_herd_that_has_been_in_doubt_for_long_is_one_page(scene):
    """Our own vantage is blind: nothing was ever confirmed to be down."""
    zone("a", 4, ill=4)
    Server.objects.update(state="uncertain", state_since=Now() - timedelta(seconds=700))
    raised = [raise_alarm(server, "stuck") for server in Server.objects.all()]
    assert {scene.beat(incident, 2).state for incident in raised} == {"waiting"}
    storm = Incident.objects.get(type="storm")
    scene.beat(storm, 2)
    assert scene.pages == [storm.name]


def test_the_widest_place_that_is_ill_is_the_storms(scene):
    zone("a", 3, ill=3)
    zone("b", 3, ill=2)
    scene.beat(raise_alarm(dead("b"), "server_down"))
    assert [storm.name for storm in Incident.objects.filter(type="storm")] == ["storm-herd-1"]


def test_a_storm_that_is_over_lets_its_incidents_go(scene):
    zone("a", 4, ill=4)
    zone("b", 8)
    held = scene.beat(raise_alarm(dead("a"), "server_down"))
    storm = scene.beat(Incident.objects.get(type="storm"), 2)
    Server.objects.filter(zone="a").exclude(pk=held.subject).update(state="available")
    storm = scene.beat(storm)
    assert storm.state == "resolved" and ("ended", storm.name, "") in scene.telling.told
    assert scene.beat(held).row == 143


def test_a_person_lets_go_of_the_brake_for_a_place(scene):
    zone("a", 4, ill=4)
    zone("b", 8)
    held = scene.beat(raise_alarm(dead("a"), "server_down"))
    brake.release("zone/a", 600, "ada", "we know: the switch is being replaced")
    assert not brake.holds("zone/a")
    assert scene.beat(Incident.objects.get(type="storm")).state == "resolved"
    other = raise_alarm(Server.objects.filter(zone="a").exclude(pk=held.subject)[0], "server_down")
    assert scene.beat(other).state == "resolving"


@pytest.mark.parametrize(("scope", "reason"), [("everything", "because"), ("zone/", "because"), ("zone/a", " ")])
def test_what_is_no_scope_or_has_no_reason_is_refused(scope: str, reason: str):
    with pytest.raises(desk.DeskError):
        brake.release(scope, 60, "ada", reason)


@pytest.mark.parametrize("scope", ["zone/nowhere", "provider/moon"])
def test_a_place_that_there_is_not_is_refused(scope: str):
    zone("a", 2)
    with pytest.raises(desk.DeskError, match=f"^There is no {scope.replace('/', ' .')}'. Choose one of: "):
        brake.release(scope, 60, "ada", "because")


@pytest.mark.parametrize(("name", "right"), [("fail-over", False), ("failover", True)])
def test_a_policy_is_for_a_playbook_that_there_is(admin_client, name: str, right: bool):
    answer = admin_client.post("/admin/incidents/playbookpolicy/add/", {"resolver": name, "mode": "never"})
    assert PlaybookPolicy.objects.exists() is right
    assert right or "There is no playbook &#x27;fail-over&#x27;. Choose one of: " in answer.content.decode()


def test_a_disk_that_fills_in_a_storm_is_seen_to(scene):
    zone("a", 4, ill=4)
    filling = raise_alarm(dead("a"), "disk_filling")
    assert scene.beat(filling).cause_id is None
