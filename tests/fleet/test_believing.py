"""herdsite's own database is restored to an earlier state, and a person has it believe the hosts: the fake herd goes on
from where it is, and its records are rolled back."""

from collections.abc import Callable, Iterator

import pytest
from django.db import transaction
from django.db.models import F

from fleet import changing, intents, planes
from fleet.choices import AskError
from fleet.lifecycle import Because
from fleet.models import Changeover, ControlPlane, Instance, Intent, Timeline
from fleet.states import CANCELLED
from fleet.succession.believing import LEADS, REFUSED, WAITS, Word, judge
from incidents.models import Incident
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, offer
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db
WHY = {"actor": "ada", "reason": "restored the copy of 03:00", "confirm": "shop"}
A, B = Word("a", True, False, False), Word("b", True, True, True)


class _Restored(Exception):
    """The records are as they were."""


@pytest.fixture
def world() -> Iterator[Premium]:
    offer()
    planes.start()
    world = premium(FakeHerd())
    world.by_hand()
    world.settle(world.whole)
    yield world


def forgotten(world: Premium, happens: Callable[[], None]) -> None:
    """It happens to the herd, and herdsite's records know nothing of it afterwards."""
    with pytest.raises(_Restored), transaction.atomic():
        happens()
        raise _Restored
    # It notices which database it runs on, when it starts.
    ControlPlane.objects.update(epoch=F("epoch") + 1)
    # Whatever was read of them is of a time that never was.
    for row in (world.resource, world.leader, world.standby):
        row.refresh_from_db()


def moved(world: Premium, verb: str = "switchover") -> Callable[[], None]:
    def happens() -> None:
        before = again(world.resource).instance_id
        intents.ask(again(world.resource), verb, actor="ada")
        world.settle(lambda: again(world.resource).instance_id != before)
        world.settle(world.whole)

    return happens


def outdated(world: Premium) -> bool:
    return Incident.objects.filter(type="records_outdated", resolved_at=None).exists()


def asked(world: Premium, **params: object) -> Intent:
    intent = intents.ask(again(world.resource), "believe", **WHY, params=params, again=True)
    world.settle(lambda: again(intent).state != Intent.OPEN)
    return again(intent)


@pytest.mark.django_db(transaction=True)
def test_after_a_switchover_that_the_records_forgot_the_hosts_are_believed(world: Premium) -> None:
    forgotten(world, moved(world))
    lines = Timeline.objects.count()
    for _ in range(6):
        world.round()
    assert again(world.resource).instance == world.leader, "the records still name the former leader"
    assert outdated(world)
    served = world.leads_to()
    told = asked(world)
    assert told.state == Intent.DONE and f"{world.standby.name} is recorded as the leader" in told.answer
    world.settle(world.whole)
    assert again(world.resource).instance == world.standby
    assert world.leads_to() == served == world.standby.server.name
    assert Timeline.objects.count() == lines + 1


def test_what_the_older_records_take_for_under_way_is_ended(world: Premium) -> None:
    forgotten(world, moved(world))
    changeover = changing.begin(again(world.resource), Changeover.FAILOVER, Because(None, "it hangs", "ada"))
    assert asked(world).state == Intent.DONE
    assert again(changeover).state == CANCELLED
    world.settle(world.whole)
    assert again(world.resource).instance == world.standby


def test_there_and_back_and_records_that_name_the_right_leader_are_brought_up_to_date(world: Premium) -> None:
    def twice() -> None:
        moved(world)()
        moved(world)()

    forgotten(world, twice)
    assert asked(world).state == Intent.DONE
    world.settle(world.whole)
    assert again(world.resource).instance == world.leader
    moved(world)()
    assert again(world.resource).instance == world.standby


def test_a_leader_whose_host_is_gone_is_replaced_only_by_name_and_by_force(world: Premium) -> None:
    forgotten(world, moved(world))
    world.lose(world.standby, known=False)
    refused = asked(world)
    assert refused.state == Intent.REFUSED and "No instance accepts writes" in refused.answer
    refused = asked(world, leader=world.leader.name)
    assert refused.state == Intent.REFUSED and "force it" in refused.answer
    assert asked(world, leader=world.leader.name, force=True).state == Intent.DONE
    world.settle(lambda: again(world.resource).state == "available" and again(world.leader).state == "available")
    assert again(world.resource).instance == world.leader


def test_records_that_are_not_older_are_left_as_they_are(world: Premium) -> None:
    before = again(world.resource)
    refused = asked(world, leader=world.standby.name, force=True)
    assert refused.state == Intent.REFUSED and "No host has taken a newer order" in refused.answer
    now = again(world.resource)
    assert (now.instance_id, now.generation, now.epoch) == (before.instance_id, before.generation, before.epoch)


def test_what_has_no_changeovers_is_not_asked() -> None:
    shared = factories.resource(plan=factories.plan("starter-0"))
    with pytest.raises(AskError, match="its leader never changes"):
        intents.ask(shared, "believe", actor="ada", reason="restored", confirm=shared.name)
    owner = factories.resource(plan=factories.plan("standard-0"))
    stranger = factories.instance()
    params = {"leader": stranger.name}
    with pytest.raises(AskError, match=f"is no instance of {owner.name}"):
        intents.ask(owner, "believe", actor="ada", reason="restored", confirm=owner.name, params=params)
    assert Instance.objects.filter(pk=stranger.pk, generation=1).exists()


@pytest.mark.parametrize(
    ("words", "named", "force", "says", "leader"),
    [
        ((A, B), "", False, LEADS, "b"),
        ((A, Word("b", False, True, True)), "b", True, WAITS, ""),
        ((A, Word("b", True, True, False)), "b", True, REFUSED, ""),
        ((Word("a", True, None, False), B), "", False, REFUSED, ""),
        ((Word("a", True, None, False), B), "b", False, LEADS, "b"),
        ((Word("a", True, True, False), B), "", False, REFUSED, ""),
        ((Word("a", True, True, False), B), "b", False, REFUSED, ""),
        ((Word("a", True, True, False), B), "b", True, LEADS, "b"),
        ((A, B), "a", False, REFUSED, ""),
        ((A, B), "a", True, LEADS, "a"),
        ((A, B), "c", True, REFUSED, ""),
        ((A, Word("b", True, None, True)), "", False, REFUSED, ""),
    ],
)
def test_whom_the_hosts_show(words: tuple[Word, ...], named: str, force: bool, says: str, leader: str) -> None:
    found = judge(words, named, force)
    assert (found.says, found.leader) == (says, leader)
    assert bool(found.why) == (says == REFUSED)
