"""The moments in which a server is off by our own hand: whatever comes between off and on, somebody switches it on."""

import pytest

from fleet.models import Server
from fleet.providers.base import RUNNING, STOPPED
from incidents import work
from incidents.models import Incident
from incidents.resolvers import restart_server
from tests import factories
from tests.incidents.scenes import Scene, now, pass_time, raise_alarm, report, set_alarm

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return Scene()


def fallen(scene: Scene, name: str) -> Server:
    """A server that runs, by its provider's word, and lets nobody in."""
    server = factories.server(name=name, state="down", zone="a", provider="fake")
    scene.provider.create(name, "a", 1000)
    return server


def switched_off(scene: Scene, server: Server) -> Incident:
    """Its playbook has waited for a blip to pass, and has switched it off."""
    incident = scene.beat(raise_alarm(server, "server_unreachable"), 2)
    pass_time(incident, restart_server.BLIP_S + 1)
    scene.beat(incident, 2)
    assert state(scene, server) == STOPPED
    return now(incident)


def state(scene: Scene, server: Server) -> str:
    return scene.provider.describe(server.name).state


def falls_off(server: Server) -> Incident:
    """The next look sees that it is off: another alarm of the same server opens."""
    Server.objects.filter(pk=server.pk).update(watch={"server_unreachable": [True, 0], "server_down": [True, 0]})
    report(server, "server_down")
    return Incident.objects.get(subject=server.pk, type="server_down")


def test_that_it_is_off_now_is_the_same_trouble_and_nobody_elses_work(scene) -> None:
    server = fallen(scene, "one")
    incident = switched_off(scene, server)
    off = falls_off(server)
    assert scene.beat(off, 3).state == "waiting" and now(off).cause == incident
    assert state(scene, server) == STOPPED
    scene.beat(incident)
    assert state(scene, server) == RUNNING and scene.pages == []


def test_whoever_sees_it_off_switches_it_on_when_the_first_has_let_go(scene) -> None:
    """The worker died between off and on, and by then nobody calls the server unreachable any more, but off."""
    server = fallen(scene, "one")
    incident = switched_off(scene, server)
    off = falls_off(server)
    scene.beat(off)
    set_alarm(server, "server_down", True)
    assert scene.beat(incident).state == "resolved" and state(scene, server) == STOPPED
    pass_time(off, 60)
    scene.beat(off, 6)
    assert state(scene, server) == RUNNING and scene.pages == []


def test_a_storm_that_comes_in_the_middle_lets_it_finish_and_then_holds_it(scene) -> None:
    first = fallen(scene, "one")
    incident = switched_off(scene, first)
    for name in ("two", "three"):
        fallen(scene, name)
    scene.beat(incident)
    assert state(scene, first) == RUNNING
    pass_time(incident, 61)
    stays = scene.beat(incident, 3)
    assert (stays.state, stays.cause.type) == ("waiting", "storm") and scene.pages == []


def test_a_storm_that_comes_before_it_began_keeps_it_from_beginning(scene, monkeypatch) -> None:
    monkeypatch.setattr(scene.provider, "stop", lambda name: pytest.fail(f"{name} was switched off"))
    first = fallen(scene, "one")
    incident = scene.beat(raise_alarm(first, "server_unreachable"), 2)
    assert incident.step == 0
    fallen(scene, "two")
    pass_time(incident, restart_server.BLIP_S + 1)
    held = scene.beat(incident, 4)
    assert (held.state, held.cause.type) == ("waiting", "storm")
    assert state(scene, first) == RUNNING


def test_the_first_step_of_every_playbook_that_switches_something_only_looks() -> None:
    assert restart_server.STEPS[0] is restart_server.look
    assert work._in_the_middle(Incident(state="resolving", step=1))
    assert not work._in_the_middle(Incident(state="resolving", step=0))
    assert not work._in_the_middle(Incident(state="waiting", step=1))
