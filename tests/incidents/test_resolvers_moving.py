"""The playbooks about who leads, who stands by and where customers are led: each step, and each way of giving up."""

import pytest

from fleet import changing
from fleet.models import Address, Changeover, Instance, Intent, Member, Resource
from incidents.outcomes import AGAIN, FIXED, GIVE_UP
from incidents.resolvers import do_without, failover, fence_stray_leader, reattach_address, rebuild_follower
from tests import factories
from tests.incidents.scenes import Scene, case

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def leader() -> Instance:
    """Down, and one stands by for it."""
    leader = factories.instance(plan=factories.plan("premium-0"), state="down")
    resource = factories.resource(instance=leader, state="down")
    factories.instance(role="standby", upstream=leader, timeline=leader.timeline, standby_for=resource)
    return leader


def put(member: Member, state: str, **fields: object) -> None:
    type(member).objects.filter(pk=member.pk).update(state=state, **fields)


def test_a_failover_begins_once_however_often_it_is_tried(scene, leader):
    for _again in range(2):
        assert failover.begin(case(scene, leader)).kind == FIXED
    moving = Changeover.objects.get(source=leader)
    assert (moving.reason, moving.resource.state) == ("failover", "changing_over")


def test_where_nobody_stands_by_nobody_can_take_over(scene, leader):
    Instance.objects.filter(role="standby").update(state="destroying")
    assert failover.begin(case(scene, leader)).note == "no standby is there"
    assert failover.begin(case(scene, factories.instance(state="down"))).kind == GIVE_UP
    assert not Changeover.objects.exists()


def test_what_can_not_move_now_gets_time(scene, leader):
    Resource.objects.filter(instance=leader).update(state="maintenance")
    assert failover.begin(case(scene, leader)).kind == AGAIN
    assert failover.begin(case(scene, leader, step_s=200)).kind == GIVE_UP


@pytest.mark.parametrize(
    ("state", "step_s", "kind"),
    [
        ("done", 0, FIXED),
        ("promoting", 0, AGAIN),
        ("promoting", 200, GIVE_UP),
        ("needs_human", 0, GIVE_UP),
        ("cancelled", 0, GIVE_UP),
    ],
)
def test_a_failover_is_waited_for(scene, leader, state, step_s, kind):
    failover.begin(case(scene, leader))
    moving = changing.open_of(Resource.objects.get(instance=leader))
    assert moving is not None
    put(moving, state, marks={"why": "nothing proves that it can't write"}, receipt={"proof": "its host says so"})
    outcome = failover.ended(case(scene, leader, step_s=step_s))
    assert outcome.kind == kind
    if state in ("needs_human", "cancelled"):
        assert outcome.note == "nothing proves that it can't write"


def test_a_changeover_that_is_gone_mends_nothing(scene, leader):
    assert failover.ended(case(scene, leader)).kind == GIVE_UP


def test_a_standby_gets_a_moment_to_find_back_and_waits_for_its_leader(scene, leader):
    standby = Instance.objects.get(role="standby")
    away, there = {"upstream_state": "down"}, {"upstream_state": "available"}
    wait = rebuild_follower.wait
    assert wait(case(scene, standby, "follower_stuck", **away)).kind == AGAIN
    assert wait(case(scene, standby, "follower_stuck", 130, **away)).kind == GIVE_UP
    assert wait(case(scene, standby, "follower_stuck", **there)).kind == AGAIN
    assert wait(case(scene, standby, "follower_stuck", 20, **there)).kind == FIXED


def test_a_standby_is_asked_to_be_rebuilt_once(scene, leader):
    standby = Instance.objects.get(role="standby")
    for _again in range(2):
        assert rebuild_follower.rebuild(case(scene, standby, "follower_stuck")).kind == FIXED
    assert Intent.objects.get(subject=standby.pk).verb == "rebuild"


@pytest.mark.parametrize(
    ("answer", "step_s", "kind"),
    [
        ("done", 0, FIXED),
        ("open", 0, AGAIN),
        ("open", 4000, GIVE_UP),
        ("refused", 0, GIVE_UP),
        ("cancelled", 0, GIVE_UP),
    ],
)
def test_a_standby_was_copied_anew_when_its_own_table_says_so(scene, leader, answer, step_s, kind):
    standby = Instance.objects.get(role="standby")
    put(standby, "available")
    rebuild_follower.rebuild(case(scene, standby, "follower_stuck"))
    Intent.objects.update(state=answer)
    assert rebuild_follower.streams(case(scene, standby, "follower_stuck", step_s)).kind == kind


@pytest.mark.parametrize(
    ("state", "step_s", "kind"), [("attached", 0, FIXED), ("attaching", 0, AGAIN), ("detached", 130, GIVE_UP)]
)
def test_an_address_is_put_back_by_its_own_table(scene, leader, state, step_s, kind):
    resource = Resource.objects.get(instance=leader)
    address = Address(name="address-1", resource=resource, provider="fake", port=5432, state=state, problem="no room")
    address.save(force_insert=True)
    outcome = reattach_address.back(case(scene, address, "address_detached", step_s))
    assert outcome.kind == kind and (kind == FIXED or outcome.note == "no room")


@pytest.mark.parametrize(
    ("state", "postmaster", "step_s", "kind"),
    [
        ("fenced", None, 0, FIXED),
        ("available", False, 0, FIXED),
        ("available", True, 0, AGAIN),
        ("uncertain", None, 0, AGAIN),
        ("available", True, 70, GIVE_UP),
    ],
)
def test_a_stray_leader_is_fenced_by_its_own_table(scene, leader, state, postmaster, step_s, kind):
    standby = Instance.objects.get(role="standby")
    put(standby, state)
    outcome = fence_stray_leader.fenced(case(scene, standby, "two_writers", step_s, postmaster=postmaster))
    assert outcome.kind == kind


def test_a_machine_that_serves_somebody_can_not_be_done_without(scene, leader):
    standby = Instance.objects.get(role="standby")
    assert do_without.nobody_is_served(case(scene, standby.server, "spare_down")).kind == FIXED
    refused = do_without.nobody_is_served(case(scene, leader.server, "spare_down"))
    assert refused.kind == GIVE_UP and leader.name in refused.note
    put(leader, "destroyed")
    assert do_without.nobody_is_served(case(scene, leader.server, "spare_down")).kind == FIXED


@pytest.mark.parametrize(
    ("state", "step_s", "kind"), [("available", 0, FIXED), ("down", 3600, AGAIN), ("down", 90_000, GIVE_UP)]
)
def test_it_is_waited_for_for_a_day(scene, state, step_s, kind):
    server = factories.server(state=state)
    assert do_without.back(case(scene, server, "spare_down", step_s)).kind == kind
