"""A leader that is lost while a standby is ready: its failover is asked for in the beat that proves the loss, and only
where its incident would come to that by itself."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from fleet.models import Address, Changeover, ControlPlane, Instance
from fleet.policy import WORK
from herdsite.turns import Turn
from incidents import brake, desk, ourselves, work
from incidents.models import Incident, PlaybookPolicy
from incidents.models.incident import ACT, ASK, HERD, HERDSITE, NEVER, STORM
from incidents.telling import Silent
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, expire
from tests.incidents.scenes import due
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> Premium:
    made = premium(FakeHerd())
    made.round()
    return made


def look(world: Premium) -> None:
    """Every instance has a beat, and nothing else."""
    expire()
    Instance.objects.update(queue=WORK)
    Turn(WORK, world.herd.ports, "here/1").once("instance", 8)


def asked() -> Changeover | None:
    return Changeover.objects.filter(reason=Changeover.FAILOVER).first()


def test_it_is_asked_for_before_any_incident_has_its_beat(world: Premium) -> None:
    world.lose(world.leader)
    look(world)
    changeover = asked()
    assert changeover is not None and changeover.source == world.leader
    incident = Incident.objects.get(type="instance_down")
    assert incident.state == "triggered", "nobody has worked on it yet"


def test_the_playbook_of_the_incident_finds_that_it_has_begun(world: Premium) -> None:
    world.lose(world.leader)
    look(world)
    incident = Incident.objects.get(type="instance_down")
    due(incident)
    work.go_round(world.herd.ports, "here/1", Silent())
    assert again(incident).resolver == "failover"
    assert Changeover.objects.count() == 1


def test_it_ends_with_the_standby_leading(world: Premium) -> None:
    world.lose(world.leader)
    world.settle(lambda: again(world.resource).instance == world.standby and again(world.resource).state == "available")


def policy(mode: str, resolver: str = "failover") -> Callable[[Premium], object]:
    return lambda world: PlaybookPolicy.objects.create(resolver=resolver, mode=mode, resource=world.resource)


def blind(_world: Premium) -> None:
    desk.raise_incident("portal_blind", HERDSITE, ourselves._OURS, HERDSITE, "page", {}, "blind")


def host_answers(world: Premium) -> None:
    world.herd.world.heal(world.leader.server.name)


def no_standby(world: Premium) -> None:
    change(world.standby, state="down")


def storm_that_may_cost(world: Premium) -> None:
    change(world.resource, quorum=world.resource.quorum | {"says": "may_lose"})
    a_storm(world)


def a_storm(world: Premium) -> None:
    zone = f"zone/{world.leader.server.zone}"
    evidence = {"scope": zone, "began": 0.0, "facts": {}}
    desk.raise_incident(STORM, HERD, brake._id(zone), zone.replace("/", "-"), "page", evidence, "a storm")


@pytest.mark.parametrize(
    "first",
    [policy(NEVER), policy(ASK), policy(ASK, "restart_postgres"), blind, host_answers, no_standby, storm_that_may_cost],
)
def test_what_the_incident_would_not_do_at_once_is_left_to_it(world: Premium, first) -> None:
    world.lose(world.leader)
    first(world)
    look(world)
    assert asked() is None
    assert Incident.objects.filter(type="instance_down").exists()


@pytest.mark.parametrize("first", [policy(ACT), policy(NEVER, "restart_postgres"), a_storm])
def test_it_is_asked_for_where_nothing_speaks_against_it(world: Premium, first) -> None:
    world.lose(world.leader)
    first(world)
    look(world)
    assert asked() is not None


def test_what_is_under_way_is_left_to_it(world: Premium) -> None:
    world.lose(world.leader)
    factories.changeover(resource=world.resource, source=world.leader, reason=Changeover.FAILOVER, state="fencing")
    look(world)
    assert Changeover.objects.count() == 1


def test_a_leader_seen_well_since_herdsite_looks_again_is_not_held_back(world: Premium) -> None:
    ControlPlane.objects.get_or_create(only=True)
    ControlPlane.objects.update(quiet_until=Now() + timedelta(seconds=ourselves.QUIET_S - 1))
    change(world.leader, seen_at=Now())
    world.lose(world.leader)
    look(world)
    assert asked() is not None and Incident.objects.filter(type="instance_down").exists()


def test_one_that_nobody_saw_since_is_held_back(world: Premium) -> None:
    ControlPlane.objects.get_or_create(only=True)
    ControlPlane.objects.update(quiet_until=Now() + timedelta(seconds=ourselves.QUIET_S))
    change(world.leader, seen_at=Now() - timedelta(minutes=5))
    world.lose(world.leader)
    look(world)
    assert asked() is None and not Incident.objects.filter(type="instance_down").exists()


def test_a_failover_asks_nothing_of_the_leader_that_is_lost(world: Premium) -> None:
    world.lose(world.leader)
    look(world)
    places: list[str] = []

    class Heard(FakeHerd):
        def fetch(self, database, *args, **kwargs):
            places.append(f"{database.address}:{database.port}")
            return world.herd.fetch(database, *args, **kwargs)

    ports = replace(world.herd.ports, sql=Heard())
    expire()
    Turn(WORK, ports, "here/2").once("changeover", 1)
    assert again(asked()).marks["ready"]
    address = Address.objects.get()
    assert places and not {world.herd.place(world.leader), f"{address.endpoint}:{address.port}"} & set(places)
