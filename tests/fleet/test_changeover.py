"""Changeovers beat by beat over a fake herd: who leads in the end, what was done and when, what is refused."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.utils import timezone

from fleet import changing, intents, lifecycle, policy, ring
from fleet.lifecycle import Because
from fleet.models import Changeover, Event, Instance, Intent, Timeline
from fleet.states import AVAILABLE, CANCELLED, DONE, NEEDS_HUMAN
from herdsite.turns import Turn
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due, expire
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db
WHY = Because(None, "to see it move", "anna")


@pytest.fixture
def world() -> Premium:
    return premium(FakeHerd())


def begin(world: Premium, reason: str = Changeover.SWITCHOVER, **more: object) -> Changeover:
    return changing.begin(world.resource, reason, WHY, **more)  # type: ignore[arg-type]


def ended(changeover: Changeover) -> bool:
    return again(changeover).state in (DONE, CANCELLED, NEEDS_HUMAN)


def test_what_is_well_stays_as_it_is(world: Premium):
    for _ in range(5):
        world.round()
    assert world.whole(), world.told()
    assert world.herd.did == []
    assert not Changeover.objects.exists()


def test_a_switchover_stops_the_old_leader_before_it_promotes(world: Premium):
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    done = again(changeover)
    assert done.state == DONE, world.told()
    assert done.proof["rung"] == 1
    assert done.receipt["bound_bytes"] == 0
    verbs = [verb for verb, _data in world.herd.did]
    assert verbs.index("halt") < verbs.index("promote")
    resource = again(world.resource)
    assert (resource.instance_id, resource.generation) == (world.standby.pk, 2)
    assert world.leads_to() == world.standby.server.name
    assert again(world.standby).timeline.parent_id == world.leader.timeline_id


def test_a_promotion_has_the_last_word_on_its_timeline(world: Premium):
    changeover = begin(world)
    world.herd.refuses.add("promote")
    world.settle(lambda: again(changeover).timeline)
    Timeline.objects.filter(parent=world.leader.timeline).update(timeline_id=1, forked_at=Now(), forked_lsn="0/1")
    world.herd.refuses.clear()
    world.settle(lambda: ended(changeover))
    assert again(world.standby).timeline.timeline_id == 2
    assert again(world.standby).timeline.forked_lsn == again(changeover).receipt["promoted_lsn"]


def test_the_old_leader_stands_by_afterwards(world: Premium):
    begin(world)
    world.settle(lambda: again(world.resource).generation == 2 and world.whole())
    assert again(world.leader).upstream_id == world.standby.pk
    assert again(world.resource).quorum["required"] == [world.leader.slot]


def test_a_switchover_whose_leader_will_not_stop_is_rolled_back(world: Premium):
    world.herd.refuses.add("halt")
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == CANCELLED
    assert "did not stop" in again(changeover).marks["why"] or again(changeover).marks["rolled_back"]
    world.settle(world.whole)
    assert again(world.resource).instance_id == world.leader.pk
    assert world.herd.clusters[world.leader.data].fenced == 0


def test_a_lost_leader_is_taken_over_from_by_the_one_its_commits_waited_for(world: Premium):
    world.lose(world.leader)
    changeover = begin(world, Changeover.FAILOVER)
    world.settle(lambda: ended(changeover))
    done = again(changeover)
    assert done.state == DONE, world.told()
    assert (done.proof["rung"], done.receipt["bound_bytes"]) == (3, 0)
    assert again(world.leader).outdated


def test_a_receipt_knows_where_a_leader_was_last_seen_however_often_nothing_was_seen_since(world: Premium):
    world.by_hand()
    world.round()
    at = again(world.leader).facts["lsn"]
    world.lose(world.leader)
    for _ in range(3):
        world.round()
    assert again(world.leader).facts.get("lsn") is None
    changeover = begin(world, Changeover.FAILOVER)
    world.settle(lambda: ended(changeover))
    assert at and again(changeover).receipt["last_seen_lsn"] == at


def test_a_leader_that_was_comes_back_as_a_standby_and_is_never_started_as_a_leader(world: Premium):
    world.lose(world.leader)
    begin(world, Changeover.FAILOVER)
    world.settle(lambda: again(world.resource).generation == 2)
    world.bring_back(world.leader)
    world.settle(world.whole)
    assert world.herd.clusters[world.leader.data].standby
    assert not any("start" in job for job in world.herd.begun)


def test_a_leader_that_was_and_still_runs_is_fenced_at_the_first_beat(world: Premium):
    world.lose(world.leader)
    begin(world, Changeover.FAILOVER)
    world.settle(lambda: again(world.resource).generation == 2)
    world.bring_back(world.leader)
    world.herd.clusters[world.leader.data].runs = True
    world.round()
    world.round()
    assert ("fence", world.leader.data) in world.herd.did
    world.settle(world.whole)


def test_where_writes_could_be_lost_silence_is_no_proof(world: Premium):
    change(world.resource, quorum={"required": [], "says": "may_lose", "serial": 2})
    world.lose(world.leader)
    changeover = begin(world, Changeover.FAILOVER)
    world.settle(lambda: ended(changeover))
    refused = again(changeover)
    assert refused.state == NEEDS_HUMAN
    assert again(world.resource).instance_id == world.leader.pk
    assert not any(verb == "promote" for verb, _data in world.herd.did)


def test_a_person_may_take_it_on_themselves(world: Premium):
    change(world.resource, quorum={"required": [], "says": "may_lose", "serial": 2})
    world.lose(world.leader)
    changeover = begin(world, Changeover.FAILOVER, force=True, accept_loss="unknown")
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == DONE, world.told()
    assert again(changeover).proof["rung"] == 4


def test_a_machine_that_its_provider_stopped_is_proof(world: Premium):
    change(world.resource, quorum={"required": [], "says": "may_lose", "serial": 2})
    world.lose(world.leader)
    world.herd.provider.stop(world.leader.server.name)
    changeover = begin(world, Changeover.FAILOVER, force=True, accept_loss="unknown")
    world.settle(lambda: ended(changeover))
    assert (again(changeover).state, again(changeover).proof["rung"]) == (DONE, 2)


def test_what_herdsite_began_by_itself_is_called_off_when_the_leader_answers_again(world: Premium):
    changeover = begin(world, Changeover.FAILOVER, marks={"case": "instance-down-shop-1-1"})
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == CANCELLED
    assert world.herd.did == []
    world.settle(world.whole)


def test_a_failover_that_needs_a_person_ends_when_the_leader_answers_again(world: Premium):
    change(world.resource, quorum={"required": [], "says": "may_lose", "serial": 2})
    world.lose(world.leader)
    changeover = begin(world, Changeover.FAILOVER)
    world.settle(lambda: again(changeover).state == NEEDS_HUMAN)
    world.bring_back(world.leader)
    world.herd.run(world.leader)
    world.settle(lambda: again(changeover).state == CANCELLED)
    assert again(world.resource).instance_id == world.leader.pk


def test_two_who_ask_at_once_get_one_changeover(world: Premium):
    begin(world)
    with pytest.raises(changing.Busy, match="is changing over already"):
        begin(world)
    assert Changeover.objects.count() == 1


def test_what_has_nobody_to_take_over_is_refused_with_the_reason(world: Premium):
    Instance.objects.filter(pk=world.standby.pk).update(outdated=True)
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == CANCELLED
    assert "no standby may take over" in again(changeover).marks["why"]


def test_one_who_was_not_asked_for_says_so(world: Premium):
    changeover = begin(world, Changeover.FAILOVER, wanted="nobody-1")
    world.settle(lambda: ended(changeover))
    assert "nobody-1 is not a standby" in again(changeover).marks["why"]


@pytest.mark.parametrize(("text", "value"), [("", None), ("0", 0), ("1024", 1024), ("unknown", "unknown")])
def test_what_may_be_accepted_as_a_loss(text: str, value: object):
    assert changing.accepted(text) == value


@pytest.mark.parametrize("text", ["-1", "1 GB", "all"])
def test_what_is_no_loss_that_could_be_accepted(text: str):
    with pytest.raises(ValueError, match="give a number of bytes"):
        changing.accepted(text)


def test_force_wants_to_know_what_may_be_lost(world: Premium):
    with pytest.raises(CommandError, match="say what may be lost"):
        call_command("failover", world.resource.name, "--force")
    with pytest.raises(CommandError, match="not a loss that can be accepted"):
        call_command("failover", world.resource.name, "--accept-loss", "much")
    assert not Changeover.objects.exists()


def test_an_intent_begins_a_changeover_and_is_answered_by_it(world: Premium):
    intent = intents.ask(world.resource, "switchover", actor="anna", reason="to see it move")
    world.settle(lambda: again(intent).state != Intent.OPEN)
    assert again(intent).state == Intent.DONE, world.told()
    assert again(world.resource).instance_id == world.standby.pk


def test_a_cancelled_one_leaves_everything_as_it_was(world: Premium):
    changeover = begin(world)
    intents.ask(changeover, "cancel", actor="anna", reason="it was a mistake")
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == CANCELLED
    world.settle(world.whole)
    assert again(world.resource).generation == 1
    assert Timeline.objects.count() == 1


def test_a_beat_that_took_the_new_leader_for_a_standby_is_dropped(world: Premium):
    world.lose(world.leader)
    changeover = begin(world, Changeover.FAILOVER)
    due(world.standby, 3600.0)
    claim = ring.claim(Instance.KIND, again(world.standby).queue, 1, "there/2")
    assert list(claim.ids) == [world.standby.pk]
    late = again(world.standby)
    expire(changeover)
    Turn(policy.WORK, world.herd.ports, "here/1").once(Changeover.KIND)
    assert again(world.resource).instance_id == world.standby.pk
    with pytest.raises(lifecycle.LeaseLost):
        lifecycle.move(late, "rejoin", WHY, claim.lease)
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == DONE


def test_one_that_waits_for_its_window_leaves_its_resource_alone_until_then(world: Premium):
    now = timezone.now()
    changeover = begin(world, not_before=now + timedelta(hours=1))
    for _ in range(3):
        world.round()
    assert (again(changeover).state, again(world.resource).state) == ("waiting_for_window", AVAILABLE)
    change(changeover, not_before=now - timedelta(seconds=1))
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == DONE
    verbs = Event.objects.filter(subject=world.resource.pk).values_list("verb", flat=True)
    assert "change_over" in verbs, "while it moves, its own beats leave it to its changeover"


def test_one_whose_resource_is_in_maintenance_by_then_is_called_off(world: Premium):
    changeover = begin(world, not_before=timezone.now() + timedelta(hours=1))
    world.round()
    change(world.resource, state="maintenance")
    change(changeover, not_before=timezone.now() - timedelta(seconds=1))
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == CANCELLED and again(world.leader).role == Instance.LEADER


def test_a_standby_that_is_about_to_take_over_is_not_copied_anew(world: Premium):
    intent = intents.ask(world.standby, "rebuild", actor="anna", reason="it looks stuck")
    changeover = begin(world)
    change(changeover, target=world.standby)
    for _ in range(3):
        expire(world.standby)
        change(world.standby, queue=policy.WORK)
        Turn(policy.WORK, world.herd.ports, "here/1").once(Instance.KIND, 4)
    assert again(world.standby).state == AVAILABLE
    assert again(intent).state == Intent.OPEN


def test_a_standby_whose_leader_is_down_is_not_copied_anew(world: Premium):
    world.lose(world.leader)
    intents.ask(world.standby, "rebuild", actor="anna", reason="it looks stuck")
    for _ in range(3):
        world.round()
    assert again(world.standby).state == AVAILABLE
