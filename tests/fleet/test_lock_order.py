"""Rows that others wait for are taken in one order (fleet/locking.py): so no two transactions wait for each other."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models.functions import Now

from fleet import changing, epochs, intents, lifecycle, policy, ring, withdrawals
from fleet.lifecycle import Because
from fleet.models import Changeover, Instance, Intent, Resource
from fleet.states import CANCELLED, DONE, NEEDS_HUMAN
from herdsite.turns import Turn
from incidents import desk, moving
from incidents.models import Incident
from incidents.telling import Silent
from tests.fakeherd import FakeHerd
from tests.herd import again, change, expire, offer
from tests.incidents.scenes import raise_alarm
from tests.locking import Pair, watched
from tests.premiumworld import Premium, premium

WHY = Because(None, "to see it move", "anna")


def begin(world: Premium, reason: str, **more: Any) -> Changeover:
    return changing.begin(again(world.resource), reason, WHY, **more)


def over(changeover: Changeover) -> bool:
    return again(changeover).state in (DONE, CANCELLED, NEEDS_HUMAN)


# What is watched while it goes its way.


def switches(world: Premium) -> None:
    changeover = begin(world, Changeover.SWITCHOVER)
    world.settle(lambda: over(changeover))
    world.settle(world.whole, 60)


def fails_over(world: Premium) -> None:
    world.lose(world.leader)
    changeover = begin(world, Changeover.FAILOVER)
    world.settle(lambda: over(changeover))
    world.bring_back(world.leader)
    world.settle(world.whole, 60)


def rolls_back(world: Premium) -> None:
    world.herd.refuses.add("halt")
    changeover = begin(world, Changeover.SWITCHOVER)
    world.settle(lambda: over(changeover))


def supersedes(world: Premium) -> None:
    intent = intents.ask(world.resource, "switchover", actor="anna", params={"not_before": "2099-01-01T00:00:00+00:00"})
    world.settle(lambda: Changeover.objects.exists())
    begin(world, Changeover.FAILOVER)
    assert again(intent).state == Intent.REFUSED


def calls_off(world: Premium) -> None:
    changeover = begin(world, Changeover.SWITCHOVER)
    intents.ask(changeover, "cancel", actor="anna", reason="no")
    world.settle(lambda: over(changeover))


def takes_back(world: Premium) -> None:
    withdrawals.cancel(intents.ask(world.resource, "restart", actor="anna", reason="why not"), "anna")


def destroys(world: Premium) -> None:
    intents.ask(world.resource, "destroy", actor="anna", reason="no more", confirm=world.resource.name)
    world.settle(lambda: again(world.resource).state == "destroyed", 60)


def is_told_of(world: Premium) -> None:
    above, beneath = two_incidents(world)
    resolve(above)
    desk.resolve(again(beneath), "anna", "it is over", Silent())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "happens", [switches, fails_over, rolls_back, supersedes, calls_off, takes_back, destroys, is_told_of]
)
def test_every_transaction_takes_its_rows_in_one_order(happens: Callable[[Premium], None]) -> None:
    world = premium(FakeHerd())
    with watched() as watch:
        happens(world)
    assert watch.wrong == []
    assert watch.many > 0, "nothing took rows of two tables"


@pytest.mark.django_db
def test_a_transaction_that_goes_back_a_step_is_seen() -> None:
    world = premium(FakeHerd())
    changeover = begin(world, Changeover.SWITCHOVER)
    with watched() as watch, transaction.atomic():
        Changeover.objects.select_for_update().get(pk=changeover.pk)
        epochs.draw(world.resource.pk)
    assert watch.wrong == ["fleet_changeover → fleet_resource", "fleet_changeover → fleet_resource → fleet_instance"]


# Two at once, on real transactions.


@pytest.fixture
def real(transactional_db: None) -> Iterator[Premium]:
    offer()
    yield premium(FakeHerd())


def two_incidents(world: Premium) -> tuple[Incident, Incident]:
    """One of an instance, and one that hangs under it, whose playbook works."""
    above, beneath = (raise_alarm(world.leader, type_) for type_ in ("instance_down", "archive_failing"))
    change(beneath, cause=above, state="resolving")
    return again(above), again(beneath)


def beat_of(row: Any) -> ring.Claim:
    lease = uuid4()
    change(row, lease=lease, leased_until=Now() + timedelta(minutes=1))
    return ring.Claim(lease, [row.pk], row.created_at)


def resolve(incident: Incident) -> None:
    moving.move(incident, "resolve", WHY, beat_of(incident), Silent())


def called_off(world: Premium) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """A changeover ends while a failover takes its place."""
    other = begin(world, Changeover.SWITCHOVER)
    return lambda: lifecycle.move(again(other), "cancel", WHY), lambda: begin(world, Changeover.FAILOVER)


def asked_to_end(world: Premium) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """A beat takes up that a changeover is to be cancelled while a failover takes its place."""
    other = begin(world, Changeover.SWITCHOVER)
    intents.ask(other, "cancel", actor="anna", reason="no")
    expire()
    Changeover.objects.update(queue=policy.WORK)
    turn = Turn(policy.WORK, world.herd.ports, "here/1")
    return lambda: turn.once(Changeover.KIND, 8), lambda: begin(world, Changeover.FAILOVER)


def hanging(world: Premium) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """An incident is over, and so is the playbook of one that hangs under it."""
    above, beneath = two_incidents(world)
    return lambda: resolve(above), lambda: resolve(beneath)


@pytest.mark.parametrize("meeting", [called_off, asked_to_end, hanging])
def test_two_that_take_the_same_rows_at_once_come_to_their_ends(
    real: Premium, meeting: Callable[[Premium], tuple[Callable[[], Any], Callable[[], Any]]]
) -> None:
    errors = Pair(*meeting(real)).run()
    assert [error for error in errors if "deadlock" in str(error)] == []
    assert len(errors) < 2
    assert Instance.objects.count() == 2 and Resource.objects.count() == 1
