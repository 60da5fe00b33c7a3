"""Whatever is open, waits or copies, and whatever host is gone for good: a database finds a leader, by itself or by one
verb of a person. Each of these was a dead end once."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from fleet import changing, intents
from fleet.lifecycle import Because
from fleet.models import Changeover, Credential, Instance, Intent, Resource
from fleet.states import AVAILABLE, CANCELLED, DONE, NEEDS_HUMAN, PREPARING
from fleet.transports.base import Refused, Result, Unreachable
from incidents.outcomes import AGAIN, FIXED
from incidents.resolvers import failover
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change
from tests.incidents.scenes import Scene, case
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db
WHY = Because(None, "to see it move", "anna")
MAY_LOSE = {"required": [], "says": "may_lose", "serial": 2}
LATER = timedelta(days=2)


@pytest.fixture
def world() -> Premium:
    return premium(FakeHerd())


def begin(world: Premium, reason: str = Changeover.SWITCHOVER, **more: object) -> Changeover:
    return changing.begin(again(world.resource), reason, WHY, **more)  # type: ignore[arg-type]


def ended(changeover: Changeover) -> bool:
    return again(changeover).state in (DONE, CANCELLED, NEEDS_HUMAN)


def writers(world: Premium) -> list[str]:
    """Who would acknowledge a write."""
    return [data.split("/")[-2] for data, one in sorted(world.herd.clusters.items()) if one.runs and not one.standby]


def serves(world: Premium, instance: Instance) -> bool:
    """It leads, alone, by our records and in truth, and customers are led there."""
    resource = again(world.resource)
    return (
        resource.state == AVAILABLE
        and resource.instance_id == instance.pk
        and writers(world) == [instance.name]
        and world.leads_to() == instance.server.name
    )


def instead(world: Premium, verb: str, what: Callable[[], None]) -> None:
    """When the host is told that, this happens, and nobody hears of the order again."""

    def happens(_do: Callable[[], Result]) -> Result:
        what()
        raise Unreachable("no answer")

    world.herd.instead[verb] = happens


def bigger(world: Premium) -> Changeover:
    """A resize, whose copy takes its time."""
    for zone in "cd":
        world.herd.machine(zone=zone)
    world.herd.pass_time = lambda: None  # type: ignore[method-assign]
    resize = begin(world, Changeover.RESIZE, plan=factories.plan("premium-1"))
    for _ in range(4):
        world.round()
    assert again(resize).state == PREPARING and again(resize).target.state == "creating"
    return resize


# What waits or copies.


@pytest.mark.parametrize(
    "reason", [Changeover.SWITCHOVER, Changeover.RESIZE, Changeover.RETIREMENT, Changeover.UPGRADE]
)
@pytest.mark.parametrize("who", ["playbook", "forced", "asked"])
def test_a_failover_supersedes_what_waits_for_its_window(world: Premium, reason: str, who: str) -> None:
    asked = intents.ask(world.resource, "resize", actor="anna", params={"plan": str(factories.plan("premium-1").pk)})
    waits = begin(world, reason, not_before=timezone.now() + LATER, marks={"intent": str(asked.pk)})
    for _ in range(2):
        world.round()
    world.lose(world.leader)
    if who == "playbook":
        assert failover.begin(case(Scene(), again(world.leader))).kind == FIXED
    elif who == "forced":
        begin(world, Changeover.FAILOVER, force=True, accept_loss="unknown")
    else:
        intents.ask(again(world.resource), "failover", actor="anna")
    world.settle(lambda: serves(world, world.standby))
    assert (again(waits).state, again(waits).marks["why"]) == (CANCELLED, changing.SUPERSEDED)
    assert (again(asked).state, again(asked).answer) == (Intent.REFUSED, changing.SUPERSEDED)


def test_a_failover_has_begun_only_when_there_is_one(world: Premium) -> None:
    switchover = begin(world)
    change(switchover, state="promoting")
    change(world.leader, state="down")
    outcome = failover.begin(case(Scene(), again(world.leader)))
    assert outcome.kind == AGAIN and "changing over already" in outcome.note


def test_what_was_asked_later_is_done_while_a_changeover_waits(world: Premium) -> None:
    asked = intents.ask(
        world.resource, "switchover", actor="anna", params={"not_before": (timezone.now() + LATER).isoformat()}
    )
    world.settle(lambda: Changeover.objects.exists())
    rotate = intents.ask(again(world.resource), "rotate", actor="anna")
    world.settle(lambda: again(rotate).state != Intent.OPEN)
    assert (again(rotate).state, again(asked).state) == (Intent.DONE, Intent.OPEN)


def test_a_standby_that_is_lost_is_replaced_while_a_changeover_waits(world: Premium) -> None:
    world.herd.machine(zone="c")
    begin(world, not_before=timezone.now() + LATER)
    change(world.standby, state="destroyed", standby_for=None)
    world.settle(lambda: again(world.resource).standbys.exclude(state="destroyed").exists())


def test_while_a_copy_is_built_the_loss_of_the_standby_hangs_no_commit(world: Premium) -> None:
    bigger(world)
    assert again(world.resource).state == AVAILABLE
    world.lose(world.standby)
    change(world.leader, facts=again(world.leader).facts | {"streams_seen": f"{world.standby.slot}=1.0"})
    cluster = world.herd.clusters[world.leader.data]
    world.settle(lambda: world.standby.slot not in cluster.told["synchronous_standby_names"])
    assert again(world.resource).quorum["says"] == "may_lose"


def test_while_a_copy_is_built_a_lost_leader_is_followed(world: Premium) -> None:
    resize = bigger(world)
    world.lose(world.leader)
    assert failover.begin(case(Scene(), again(world.leader))).kind == FIXED
    world.settle(lambda: serves(world, world.standby))
    assert again(resize).state == CANCELLED


def test_what_builds_a_copy_takes_its_place_once_it_is_there(world: Premium) -> None:
    passes = world.herd.pass_time
    resize = bigger(world)
    world.herd.pass_time = passes  # type: ignore[method-assign]
    world.settle(lambda: ended(resize))
    assert again(resize).state == DONE, world.told()
    assert again(world.resource).instance_id == again(resize).target_id


# Whose host is lost, and when.


@pytest.mark.parametrize("machine", ["silent", "stopped"])
@pytest.mark.parametrize("asks", [None, "cancel"])
def test_a_switchover_whose_leader_is_lost_while_it_stops_becomes_a_failover(
    world: Premium, machine: str, asks: str | None
) -> None:
    switchover = begin(world)

    def dies() -> None:
        world.lose(world.leader, known=False)
        if machine == "stopped":
            world.herd.provider.stop(world.leader.server.name)
        if asks:
            intents.ask(again(switchover), asks, actor="anna", reason="it hangs")

    instead(world, "halt", dies)
    world.settle(lambda: serves(world, world.standby))
    assert again(switchover).state == CANCELLED
    assert not Intent.objects.filter(subject=switchover.pk, state=Intent.OPEN).exists()


def test_an_instance_is_down_once_it_was_stopping_for_longer_than_clients_are_held(world: Premium) -> None:
    switchover = begin(world)
    change(switchover, state="fencing", state_since=timezone.now() - timedelta(seconds=60), lease=None)
    world.lose(world.leader, known=False)
    change(switchover, due_at=None)
    world.settle(lambda: again(world.leader).state in ("uncertain", "down"))


def handed_over(world: Premium) -> Changeover:
    """The new leader is lost with its host between the hand-over and its promotion."""
    switchover = begin(world)
    instead(world, "promote", lambda: world.lose(world.standby, known=False))
    world.settle(lambda: again(world.resource).instance_id == world.standby.pk)
    return switchover


@pytest.mark.parametrize("when", ["at once", "when nobody got on"])
@pytest.mark.parametrize("to", ["", "shop-1"])
def test_a_person_hands_leadership_back_to_the_one_that_has_everything(world: Premium, when: str, to: str) -> None:
    switchover = handed_over(world)
    if when == "when nobody got on":
        world.settle(lambda: again(switchover).state == NEEDS_HUMAN, 60)
    begin(world, Changeover.FAILOVER, force=True, accept_loss="0", wanted=to)
    world.settle(lambda: serves(world, world.leader))
    assert not again(world.leader).outdated and again(world.standby).outdated
    assert world.herd.clusters[world.leader.data].fenced == 0


def test_leadership_goes_back_by_itself_once_the_new_leader_is_proven_silent(world: Premium) -> None:
    handed_over(world)
    world.herd.provider.stop(world.standby.server.name)
    change(world.standby, state="down")
    assert failover.begin(case(Scene(), again(world.standby))).kind == FIXED
    world.settle(lambda: serves(world, world.leader))
    assert Changeover.objects.filter(reason="failover").get().proof["rung"] == 2


def test_one_that_leads_by_our_records_alone_is_promoted_once_it_is_back(world: Premium) -> None:
    """Its changeover was superseded, the one after that called off, and the former leader's host is gone for good."""
    handed_over(world)
    world.lose(world.leader)
    again_ = begin(world, Changeover.FAILOVER, force=True, accept_loss="0")
    world.settle(lambda: again(again_).state == NEEDS_HUMAN)
    intents.ask(again(again_), "cancel", actor="anna")
    world.settle(lambda: again(again_).state == CANCELLED)
    world.herd.instead.clear()
    world.bring_back(world.standby)
    world.herd.clusters[world.standby.data].runs = True
    world.settle(lambda: serves(world, world.standby))


def test_who_may_have_led_is_not_passed_over_without_a_proof(world: Premium) -> None:
    handed_over(world)
    change(world.standby, state="down")
    assert failover.begin(case(Scene(), again(world.standby))).kind == FIXED
    for _ in range(20):
        world.round()
    assert writers(world) == []


def test_one_that_another_has_led_after_is_led_back_to_only_on_a_persons_word(world: Premium) -> None:
    begin(world)
    world.settle(lambda: again(world.resource).generation == 2)
    change(world.leader, outdated=True, state="down")
    world.lose(world.standby)
    world.herd.provider.stop(world.standby.server.name)
    refused = begin(world, Changeover.FAILOVER)
    world.settle(lambda: ended(refused))
    assert again(refused).state == NEEDS_HUMAN and "timeline" in again(refused).marks["why"]
    begin(world, Changeover.FAILOVER, force=True, accept_loss="unknown")
    world.settle(lambda: serves(world, world.leader))


def test_an_upgrade_that_can_not_start_after_the_hand_over_is_led_back(world: Premium) -> None:
    both = world.herd.machine(zone="c")
    change(both, pg=both.pg | {"18": "/eighteen/bin"})
    world.herd.refuses.add("lead")
    intents.ask(world.resource, "upgrade", actor="anna")
    upgrades = Changeover.objects.filter(reason=Changeover.UPGRADE)
    world.settle(lambda: upgrades.filter(state=NEEDS_HUMAN).exists(), 120)
    cancel = intents.ask(upgrades.get(), "cancel", actor="anna", reason="back to 17")
    world.settle(lambda: again(cancel).state == Intent.REFUSED)
    begin(world, Changeover.FAILOVER, force=True, accept_loss="unknown", wanted=world.leader.name)
    world.settle(lambda: serves(world, world.leader), 60)
    assert again(world.resource).major == 17


# What customers did to themselves.


@pytest.mark.parametrize("ails", ["connections", "read-only"])
def test_a_customer_who_can_not_write_holds_up_no_changeover(world: Premium, ails: str) -> None:
    switchover, fetch = begin(world), world.herd.fetch

    def customers(database, statements, timeout=2.0, read_only=True):
        if database.dbname != world.resource.dbname:
            return fetch(database, statements, timeout, read_only)
        if ails == "connections":
            raise Refused("too many connections for role", "53300")
        return [[row | {"can_write": False, "read_only": True} for row in rows] for rows in fetch(database, statements)]

    world.herd.fetch = customers  # type: ignore[method-assign]
    world.settle(lambda: again(switchover).state == DONE)
    world.settle(lambda: again(world.resource).quorum["says"] == "cant_lose")
    assert again(world.resource).quorum["required"] == [world.leader.slot]


# Whom nobody can lead to.


@pytest.fixture
def follower(world: Premium) -> Instance:
    plan, leader = world.resource.plan, world.leader
    mirror = factories.instance(
        name="mirror-1", server=world.herd.machine(zone="c"), plan=plan, role=Instance.STANDBY, upstream=leader,
        timeline=leader.timeline,
    )  # fmt: skip
    factories.resource(name="mirror", instance=mirror, plan=plan, follows=world.resource, dbname=world.resource.dbname)
    return mirror


@pytest.mark.parametrize("verb", ["switchover", "failover"])
def test_leadership_to_a_follower_is_refused_before_anything_is_stopped(
    world: Premium, follower: Instance, verb: str
) -> None:
    with pytest.raises(intents.AskError, match="the follower mirror"):
        intents.ask(world.resource, verb, actor="anna", params={"to": follower.name})
    with pytest.raises(CommandError, match="the follower mirror"):
        call_command(verb, "shop", "--to", follower.name)
    assert not Changeover.objects.exists() and writers(world) == [world.leader.name]


@pytest.mark.parametrize("verb", ["switchover", "failover"])
def test_what_has_followers_and_no_standby_has_nobody_who_takes_over(
    world: Premium, follower: Instance, verb: str
) -> None:
    change(world.standby, state="destroyed")
    with pytest.raises(intents.AskError, match="has no standby"):
        intents.ask(world.resource, verb, actor="anna")
    with pytest.raises(changing.CantMove, match="has no standby"):
        begin(world, verb)


def test_what_our_records_would_refuse_is_refused_before_anything_is_stopped(world: Premium) -> None:
    """Another database of the same name on the one that is to lead."""
    Resource.objects.filter(pk=factories.resource(name="stray", instance=world.standby).pk).update(
        dbname=world.resource.dbname
    )
    Credential.objects.filter(resource__name="stray").delete()
    switchover = begin(world)
    world.settle(lambda: ended(switchover))
    assert again(switchover).state == CANCELLED and "dbname_once_an_instance" in again(switchover).marks["why"]
    assert ("halt", world.leader.data) not in world.herd.did
