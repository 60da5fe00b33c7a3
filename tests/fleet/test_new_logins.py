"""A host that lives by its held connections alone gets nothing new, and says so, until one can get in again."""

import pytest

from fleet import placement, policy
from fleet.models import Instance, Resource, Server
from fleet.placement import NoRoom
from fleet.states import AVAILABLE, CREATING
from herdsite.turns import Turn
from incidents.models import Incident
from incidents.watch import open_types
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> Premium:
    return premium(FakeHerd())


def wanting(plan: str = "standard-0"):
    return factories.resource(name="blog", instance=None, state=CREATING, plan=factories.plan(plan))


def looks(world: Premium, host: Server) -> list[str]:
    """One more beat of the host; the alarms that are open then."""
    due(host)
    assert Turn(again(host).queue, world.herd.ports, "here/1").once("server", 8) >= 1
    return open_types(again(host).watch)


def test_a_shut_door_is_found_while_the_host_goes_on_serving_and_mends_by_itself(world: Premium) -> None:
    host = world.leader.server
    assert looks(world, host) == []
    assert again(host).facts["lets_in"] == "true"
    world.herd.world.shut.add(host.name)
    change(host, probed=again(host).probed | {"door": 1.0})
    assert looks(world, host) == []
    assert looks(world, host) == ["no_new_login"]
    assert (again(host).state, again(host).facts["ssh"], again(host).facts["lets_in"]) == (AVAILABLE, "true", "false")
    assert "refused" in again(host).facts["lets_in_why"]
    assert Incident.objects.get().type == "no_new_login"
    world.herd.world.shut.clear()
    assert looks(world, host) == []
    assert again(host).facts["lets_in"] == "true"


def test_a_login_that_worked_is_not_tried_again_for_a_while(world: Premium) -> None:
    host = world.leader.server
    looks(world, host)
    world.herd.world.shut.add(host.name)
    looks(world, host)
    assert again(host).facts["lets_in"] == "true"
    assert policy.DOOR_S <= 300


@pytest.mark.parametrize("plan", ["standard-0", "starter-0"])
def test_nothing_is_placed_where_nobody_gets_in(world: Premium, plan: str) -> None:
    shut = [world.leader.server, world.standby.server]
    first = placement.place(factories.resource(name="one", instance=None, state=CREATING, plan=factories.plan(plan)))
    for server in shut:
        change(server, facts={"lets_in": "false"})
    if plan == "starter-0":
        change(first, state=AVAILABLE)
    with pytest.raises(NoRoom, match="No new SSH login works on"):
        placement.place(wanting(plan))
    free = world.herd.machine(zone="c")
    assert placement.place(Resource.objects.get(name="blog")).server == free


def test_no_standby_and_nothing_restored_is_placed_there_either(world: Premium) -> None:
    third, fourth = world.herd.machine(zone="c"), world.herd.machine(zone="d")
    change(third, facts={"lets_in": "false"})
    assert placement.place_standby(world.resource).server == fourth


def test_what_is_placed_right_before_the_door_is_found_shut_is_built_elsewhere(world: Premium) -> None:
    third, fourth = world.herd.machine(zone="c"), world.herd.machine(zone="d")
    for taken in (world.leader.server, world.standby.server, fourth):
        change(taken, capacity=0)
    one = placement.place(wanting())
    assert one.server == third
    change(fourth, capacity=4)
    world.herd.world.shut.add(third.name)
    world.settle(lambda: again(one).state == AVAILABLE, 12)
    assert Instance.objects.get(pk=one.pk).server == fourth
    assert (third.name, "blog-1-build") not in world.herd.jobs


def test_where_there_is_no_other_host_it_waits_and_says_why(world: Premium) -> None:
    one = placement.place(wanting())
    world.herd.world.shut.add(one.server.name)
    for other in Server.objects.exclude(pk=one.server_id):
        change(other, capacity=0)
    world.round()
    world.round()
    assert "No new SSH login works on" in again(one).problem and again(one).state == CREATING
    world.herd.world.shut.clear()
    world.settle(lambda: again(one).state == AVAILABLE, 12)
