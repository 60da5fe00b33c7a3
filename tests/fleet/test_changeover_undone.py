"""A changeover that is undone tells of its old leader what that one's host answered, and keeps the owner of a fence
mark that may still lie there."""

from collections.abc import Callable
from typing import Any

import pytest

from fleet import changing, intents
from fleet.lifecycle import Because
from fleet.models import Changeover, Event, Intent
from fleet.postgres import prologue
from fleet.states import CANCELLED, DONE, NEEDS_HUMAN
from fleet.transports.base import Result, Unreachable
from tests.fakeherd import FakeHerd
from tests.herd import again, change
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db
MAY_LOSE = {"required": [], "says": "may_lose", "serial": 2}
CLAIMS = ("leads on", "leads again", "carries on")


@pytest.fixture
def world() -> Premium:
    return premium(FakeHerd())


def refused(_do: Callable[[], Any]) -> Result:
    """The host takes its orders from another one by now."""
    return Result(prologue.SUPERSEDED, "", "this host takes its orders from another herdsite: 1", 0.01)


def late(_do: Callable[[], Any]) -> Result:
    return Result(prologue.LATE, "", "too late", 0.01)


def broken(_do: Callable[[], Any]) -> Result:
    return Result(1, "", "could not start server", 0.01)


def lost(do: Callable[[], Any]) -> Any:
    """It is done, and its answer is lost."""
    do()
    raise Unreachable("no answer in time")


def silent(_do: Callable[[], Any]) -> Any:
    raise Unreachable("no answer in time")


def told() -> list[str]:
    """All that people read of it."""
    words = [*Event.objects.values_list("why", flat=True), *Intent.objects.values_list("answer", flat=True)]
    return [*words, *(str(one.marks.get("why", "")) for one in Changeover.objects.all())]


def stop_fails(world: Premium) -> Changeover:
    """A switchover that a person asked for, whose leader does not stop."""
    world.herd.refuses.add("halt")
    intents.ask(world.resource, "switchover", actor="anna", reason="to see it move")
    world.settle(lambda: Changeover.objects.exists())
    return Changeover.objects.earliest("created_at")


def fence_fails(world: Premium) -> Changeover:
    """A failover whose fence left its mark and was not answered, and that a person cancels."""
    world.round()
    change(world.resource, quorum=MAY_LOSE)
    world.herd.instead["fence"] = lost
    changeover = changing.begin(again(world.resource), Changeover.FAILOVER, Because(None, "it hangs", "anna"))
    world.settle(lambda: again(changeover).state in (DONE, CANCELLED, NEEDS_HUMAN))
    if again(changeover).state == NEEDS_HUMAN:
        intents.ask(changeover, "cancel", actor="anna", reason="no")
    return changeover


@pytest.mark.parametrize("begun", [stop_fails, fence_fails])
@pytest.mark.parametrize("happens", [refused, late, broken, lost, silent])
def test_who_was_not_heard_to_lead_on_is_not_said_to(
    world: Premium, begun: Callable[[Premium], Changeover], happens: Callable[[Any], Any]
) -> None:
    world.herd.instead["unfence"] = happens
    changeover = begun(world)
    world.settle(lambda: again(changeover).state == CANCELLED)
    assert [words for words in told() if any(claim in words for claim in CLAIMS)] == []
    assert again(world.leader).fenced_by is not None, "whose mark it may have is known"


@pytest.mark.parametrize("begun", [stop_fails, fence_fails])
def test_who_was_heard_to_lead_on_is_said_to_and_owns_no_mark(
    world: Premium, begun: Callable[[Premium], Changeover]
) -> None:
    changeover = begun(world)
    world.settle(lambda: again(changeover).state == CANCELLED)
    assert any(f"{world.leader.name} leads on" in words for words in told())
    assert again(world.leader).fenced_by is None
    assert not world.herd.clusters[world.leader.data].fenced


@pytest.mark.parametrize("begun", [stop_fails, fence_fails])
def test_an_order_to_go_on_that_came_too_late_is_given_once_more(
    world: Premium, begun: Callable[[Premium], Changeover]
) -> None:
    first = iter([late])
    world.herd.instead["unfence"] = lambda do: next(first, lambda do: do())(do)
    changeover = begun(world)
    world.settle(lambda: again(changeover).state == CANCELLED)
    assert any(f"{world.leader.name} leads on" in words for words in told())
    assert Changeover.objects.count() == 1, "nothing was failed over"
    assert again(world.resource).instance == world.leader


def test_who_cancels_is_answered_what_came_of_it(world: Premium) -> None:
    def cancelled_meanwhile(do: Callable[[], Any]) -> Any:
        intents.ask(Changeover.objects.get(), "cancel", actor="anna", reason="no")
        return lost(do)

    world.herd.instead["halt"] = cancelled_meanwhile
    world.herd.instead["unfence"] = refused
    intents.ask(world.resource, "switchover", actor="anna", reason="to see it move")
    world.settle(lambda: Changeover.objects.filter(state=CANCELLED).exists())
    answer = Intent.objects.get(verb="cancel").answer
    assert f"{world.leader.name} refused the order to go on" in answer


def test_a_stop_that_was_not_answered_is_not_said_to_have_failed(world: Premium) -> None:
    world.herd.instead["halt"] = silent
    intents.ask(world.resource, "switchover", actor="anna", reason="to see it move")
    world.settle(lambda: Changeover.objects.filter(state=CANCELLED).exists())
    assert not any("did not stop" in words for words in told())
    assert any("did not answer the order to stop" in words for words in told())
