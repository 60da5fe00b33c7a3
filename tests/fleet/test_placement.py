"""Where a database goes: pure choice, and placing that holds when many are placed at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet import placement
from fleet.models import Credential, Instance, Plan, Resource, Timeline
from fleet.models.member import valid_name
from fleet.placement import NoRoom, Place, choose, place
from fleet.states import AVAILABLE, CREATING, DESTROYED, DOWN, UNCERTAIN
from tests import factories
from tests.herd import again, change, offer

PLACES = st.lists(
    st.builds(Place, st.uuids(), zone=st.sampled_from("abc"), instances=st.integers(0, 5), capacity=st.integers(0, 5))
)


@settings(deadline=None)
@given(PLACES, st.sampled_from(["", "a", "d"]), st.frozensets(st.sampled_from("abc")))
def test_a_full_server_is_never_chosen(places: list[Place], zone: str, avoid: frozenset[str]) -> None:
    chosen = choose(places, zone, avoid)
    free = [each for each in places if each.instances < each.capacity]
    assert (chosen is None) == (not free)
    if chosen is not None:
        assert chosen in free
        assert choose(list(reversed(places)), zone, avoid) == chosen


def at(zone: str, instances: int = 0, capacity: int = 4) -> Place:
    return Place(uuid4(), zone, instances, capacity)


def test_the_wanted_zone_counts_most_then_the_zones_to_avoid_then_room() -> None:
    busy, empty, other = at("a", 3), at("a", 1), at("b", 0)
    assert choose([busy, empty, other], "a") == empty
    assert choose([busy, empty, other]) == other
    assert choose([busy, empty, other], avoid=frozenset("b")) == empty
    assert choose([at("a", 4), other], "a") == other
    assert choose([other], avoid=frozenset("b")) == other


def server(**fields):
    return factories.server(**{"pg": {"17": "/usr/lib/postgresql/17/bin"}} | fields)


def wanting(plan: str = "standard-0", **fields) -> Resource:
    return factories.resource(**{"instance": None, "state": CREATING, "plan": factories.plan(plan)} | fields)


@pytest.mark.django_db
class TestPlacing:
    def test_production_gets_an_instance_of_its_own(self) -> None:
        on = server()
        one = wanting(name="shop")
        instance = place(one)
        assert again(one).instance == instance
        assert (instance.name, instance.server, instance.state, instance.port) == ("shop-1", on, CREATING, 5432)
        assert (instance.plan, instance.queue) == (one.plan, "work")
        assert instance.timeline == Timeline.objects.get(name="shop-1-line")
        roles = Credential.objects.filter(instance=instance).values_list("purpose", "role").order_by("purpose")
        assert list(roles) == [(Credential.MONITOR, "herdsite_monitor"), (Credential.REPLICA, "herdsite_replica")]

    def test_placing_again_changes_nothing(self) -> None:
        server()
        one = wanting()
        assert place(one) == place(one)
        assert Instance.objects.count() == 1

    def test_starters_share_while_there_is_room(self) -> None:
        server()
        Plan.objects.filter(name="starter-0").update(shared_by=2)
        first, second, third = (place(wanting("starter-0")) for _ in range(3))
        assert first == second != third
        assert first.name.startswith("shared-")

    def test_a_destroyed_tenant_leaves_room(self) -> None:
        server()
        Plan.objects.filter(name="starter-0").update(shared_by=1)
        instance = place(first := wanting("starter-0"))
        change(first, state=DESTROYED)
        assert place(wanting("starter-0")) == instance

    def test_a_starter_prefers_what_is_available_to_what_is_being_built(self) -> None:
        plan = factories.plan("starter-0")
        factories.instance(plan=plan, state=CREATING)
        there = factories.instance(plan=plan, state=AVAILABLE)
        factories.resource(plan=plan, instance=there)
        assert place(wanting("starter-0")) == there

    @pytest.mark.parametrize("fields", [{"state": UNCERTAIN}, {"state": DOWN}, {"major": 18}])
    def test_a_starter_goes_on_no_instance_that_does_not_serve_it(self, fields: dict) -> None:
        server()
        other = factories.instance(plan=factories.plan("starter-0"), **fields)
        assert place(wanting("starter-0")) != other

    def test_each_instance_of_a_server_has_a_port_and_a_free_one_is_used_again(self) -> None:
        server(capacity=4)
        ports = [place(wanting()).port for _ in range(3)]
        assert ports == [5432, 5433, 5434]
        Instance.objects.filter(port=5433).update(state=DESTROYED)
        assert place(wanting()).port == 5433

    @pytest.mark.parametrize("fields", [{"capacity": 0}, {"state": DOWN}, {"pg": {"18": "/bin"}}, {"pg": {}}])
    def test_where_nothing_fits_it_says_what_to_do(self, fields: dict) -> None:
        server(**fields)
        one = wanting()
        with pytest.raises(NoRoom, match="add a server"):
            place(one)
        assert again(one).instance is None
        assert not Instance.objects.exists()

    def test_a_destroyed_instance_gives_its_place_back(self) -> None:
        on = server(capacity=1)
        instance = place(wanting())
        with pytest.raises(NoRoom):
            place(wanting())
        change(instance, state=DESTROYED)
        assert place(wanting()).server == on

    def test_the_wanted_zone_is_taken_if_it_has_room(self) -> None:
        server(zone="a")
        wanted = server(zone="b", capacity=1)
        assert place(wanting(zone="b")).server == wanted
        assert place(wanting(zone="b")).server.zone == "a"

    @pytest.mark.parametrize("name", ["s" * 63, "shop-" + "x" * 50 + "-y-z-1"])
    def test_a_long_name_leaves_room_for_the_number(self, name: str) -> None:
        server()
        instance = place(wanting(name=name))
        valid_name(instance.name)
        assert len(instance.name) <= 63
        assert instance.name.endswith("-1")

    def test_a_name_that_an_instance_had_is_not_given_again(self) -> None:
        server()
        factories.instance(name="shop-1", state=DESTROYED)
        factories.server(name="shop-2")
        assert place(wanting(name="shop")).name == "shop-3"


@pytest.mark.django_db(transaction=True)
def test_many_at_once_never_take_the_same_place() -> None:
    offer()
    server(capacity=3)
    wishes = [wanting() for _ in range(5)]
    start = threading.Barrier(len(wishes))

    def attempt(one: Resource) -> UUID | None:
        try:
            start.wait()
            return place(one).pk
        except NoRoom:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(len(wishes)) as pool:
        placed = [pk for pk in pool.map(attempt, wishes) if pk]
    assert len(set(placed)) == 3
    assert sorted(Instance.objects.values_list("port", flat=True)) == [5432, 5433, 5434]
    assert Resource.objects.filter(instance=None).count() == 2
    assert placement.Timeline.objects.count() == 3
