"""The brake where there are few servers: one that blinks holds nothing back, one that stays dead ends every storm, and
no storm holds back a failover that costs nothing. Every size from one to five, of a herd and of a zone."""

import time
from itertools import combinations

import pytest
from django.db.models.functions import Now

from fleet.models import Server
from incidents import brake, desk
from incidents.models import Incident
from incidents.outcomes import fixed
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change
from tests.incidents.scenes import Scene, playbook, raise_alarm
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db
SIZES = range(1, 6)
# What a server's evidence is after one look that got nothing, and after two.
ONE_LOOK = {"since": time.time(), "ssh": {"here/1": {"at": time.time() - 1, "why": "no answer"}}}
TWO_LOOKS = {"since": time.time() - 7, "ssh": {"here/1": {"at": time.time(), "why": "no answer"}}}


def place(wide: str, size: int) -> list[Server]:
    """So many servers in zone a; of a herd, they are all there are."""
    made = [factories.server(zone="a") for _ in range(size)]
    if wide == "zone/a":
        [factories.server(zone="b") for _ in range(2 * size + 3)]
    return made


def falls(server: Server, state: str, evidence: dict[str, object] | None = None) -> None:
    change(server, state=state, state_since=Now(), evidence=evidence or {})


def storm() -> Incident | None:
    return Incident.objects.filter(type="storm").first()


WIDE = pytest.mark.parametrize("wide", ["herd", "zone/a"])


@WIDE
@pytest.mark.parametrize("size", SIZES)
def test_a_failed_look_or_two_beside_one_dead_server_are_no_storm(wide: str, size: int) -> None:
    servers = place(wide, size)
    falls(servers[0], "down")
    for other in servers[1:]:
        falls(other, "uncertain", ONE_LOOK)
    assert brake.storm_over(again(servers[0])) is None


@WIDE
@pytest.mark.parametrize("size", [size for size in SIZES if size >= brake.LEAST])
def test_a_doubt_that_outlasts_a_second_look_counts(wide: str, size: int) -> None:
    servers = place(wide, size)
    for one in servers:
        falls(one, "uncertain", TWO_LOOKS)
    found = brake.storm_over(again(servers[0]))
    assert found is not None and found.evidence["scope"] == wide


@WIDE
@pytest.mark.parametrize("size", [size for size in SIZES if size >= brake.LEAST])
def test_whichever_one_stays_dead_the_storm_ends(wide: str, size: int) -> None:
    servers = place(wide, size)
    for one in servers:
        falls(one, "down")
    found = brake.storm_over(again(servers[0]))
    assert found is not None and brake.goes_on(found)
    for dead in servers:
        Server.objects.filter(zone="a").update(state="available")
        falls(dead, "down")
        assert not brake.goes_on(found)


@WIDE
@pytest.mark.parametrize("size", [size for size in SIZES if size >= brake.LEAST])
def test_what_was_dead_long_before_keeps_no_storm_alive(wide: str, size: int) -> None:
    servers = place(wide, size + 2)
    for one in servers[:2]:
        change(one, state="down", state_since="2020-01-01T00:00Z")
    for one in servers[2:]:
        falls(one, "down")
    found = brake.storm_over(again(servers[-1]))
    assert found is not None
    Server.objects.filter(pk__in=[one.pk for one in servers[3:]]).update(state="available")
    assert not brake.goes_on(found)


@pytest.mark.parametrize(("size", "dead"), [(n, k) for n in SIZES for k in range(2, n + 1) if 2 * k >= n])
def test_a_storm_goes_on_while_its_servers_are_ill(size: int, dead: int) -> None:
    servers = place("herd", size)
    for chosen in list(combinations(servers, dead))[:4]:
        Server.objects.update(state="available")
        Incident.objects.all().delete()
        for one in chosen:
            falls(one, "down")
        found = brake.storm_over(again(chosen[0]))
        assert found is not None and brake.goes_on(found)


@pytest.fixture
def world() -> Premium:
    return premium(FakeHerd())


def test_the_failover_of_the_first_is_not_held_by_a_blink_of_the_second(world: Premium, monkeypatch) -> None:
    keys = playbook(monkeypatch, "restart_postgres", [fixed()])
    scene = Scene()
    world.lose(world.leader)
    falls(world.leader.server, "down")
    falls(world.standby.server, "uncertain", ONE_LOOK)
    raised = scene.beat(raise_alarm(world.leader, "instance_down"), 2)
    assert raised.cause_id is None and keys
    assert storm() is None


@pytest.mark.parametrize("others", range(4))
def test_a_zone_that_is_lost_does_not_hold_the_failover_to_another(world: Premium, monkeypatch, others: int) -> None:
    keys = playbook(monkeypatch, "restart_postgres", [fixed()])
    scene = Scene()
    world.lose(world.leader)
    for server in (world.leader.server, *(factories.server(zone="a") for _ in range(others + 1))):
        falls(server, "down")
    raised = scene.beat(raise_alarm(world.leader, "instance_down"), 3)
    assert storm() is not None and raised.cause_id == storm().pk
    assert keys and raised.state == "resolving"


def test_where_writes_could_be_lost_a_storm_holds_the_failover(world: Premium, monkeypatch) -> None:
    keys = playbook(monkeypatch, "restart_postgres", [fixed()])
    change(world.resource, quorum={"required": [], "says": "may_lose", "serial": 2})
    scene = Scene()
    world.lose(world.leader)
    for server in (world.leader.server, factories.server(zone="a")):
        falls(server, "down")
    raised = scene.beat(raise_alarm(world.leader, "instance_down"), 3)
    assert raised.state == "waiting" and not keys


@pytest.mark.parametrize("ails", ["standby", "its server", "its zone", "outdated"])
def test_a_storm_holds_the_failover_to_a_place_that_is_not_well(world: Premium, monkeypatch, ails: str) -> None:
    keys = playbook(monkeypatch, "restart_postgres", [fixed()])
    scene = Scene()
    world.lose(world.leader)
    for server in (world.leader.server, factories.server(zone="a")):
        falls(server, "down")
    if ails == "standby":
        change(world.standby, state="uncertain")
    elif ails == "its server":
        falls(world.standby.server, "uncertain", ONE_LOOK)
    elif ails == "outdated":
        change(world.standby, outdated=True)
    else:
        brake._open("zone/b")
    raised = scene.beat(raise_alarm(world.leader, "instance_down"), 3)
    assert raised.state == "waiting" and not keys
    assert desk.open_incidents().filter(type="storm").exists()
