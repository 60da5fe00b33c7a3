"""What was asked for is taken back: before it has begun, and with the reason where it has."""

from typing import Any

import pytest

from fleet import intake, intents, withdrawals
from fleet.askers import Asker, Forbidden
from fleet.choices import AskError
from fleet.models import Changeover, Event, Intent, Member, Resource
from fleet.roles import ASK, READ
from tests import factories
from tests.herd import again, change

pytestmark = pytest.mark.django_db
SURE = {"actor": "anna", "reason": "no longer wanted"}


@pytest.fixture
def shop() -> Resource:
    return factories.resource(name="shop")


def ask(member: Member, verb: str, **more: Any) -> Intent:
    return intents.ask(member, verb, confirm=member.name, **SURE, **more)


def test_what_is_open_is_cancelled_and_its_events_tell_by_whom(shop: Resource) -> None:
    intent = ask(shop, "destroy")
    cancelled = withdrawals.cancel(intent, "bert", "the wrong one")
    assert (cancelled.state, cancelled.answer) == (Intent.CANCELLED, "cancelled by bert: the wrong one")
    event = Event.objects.get(verb="destroy cancelled")
    assert (event.subject, event.actor, event.why) == (shop.pk, "bert", "the wrong one")
    assert not withdrawals.take_up(intent)


def test_what_has_begun_is_not_cancelled_and_what_failed_since_is(shop: Resource) -> None:
    intent = ask(shop, "rotate")
    assert withdrawals.take_up(intent) and withdrawals.take_up(intent)
    with pytest.raises(AskError, match="rotate shop has begun and can't be taken back"):
        withdrawals.cancel(intent, "bert")
    assert again(intent).state == Intent.OPEN
    withdrawals.failed(intent)
    assert withdrawals.cancel(intent, "bert").state == Intent.CANCELLED


@pytest.mark.parametrize("state", [Intent.DONE, Intent.REFUSED, Intent.CANCELLED])
def test_what_is_answered_stays_answered(shop: Resource, state: str) -> None:
    intent = ask(shop, "restart")
    change(intent, state=state, answer="so it was")
    with pytest.raises(AskError, match=f"is {state} already"):
        withdrawals.cancel(again(intent), "bert")
    assert again(intent).answer == "so it was"


def test_what_was_handed_down_is_cancelled_with_it_unless_that_has_begun(shop: Resource) -> None:
    intent = ask(shop, "restart")
    child = intake.hand_down(shop.instance, intent)
    withdrawals.take_up(intent)
    with pytest.raises(AskError, match="cancel that"):
        withdrawals.cancel(child, "bert")
    withdrawals.take_up(child)
    with pytest.raises(AskError, match="has begun"):
        withdrawals.cancel(intent, "bert")
    assert {one.state for one in Intent.objects.all()} == {Intent.OPEN}
    withdrawals.failed(child)
    withdrawals.cancel(intent, "bert")
    assert {one.state for one in Intent.objects.all()} == {Intent.CANCELLED}


@pytest.mark.parametrize(("state", "goes"), [("waiting_for_window", True), ("preparing", True), ("repointing", False)])
def test_a_changeover_is_called_off_by_its_own_table(shop: Resource, state: str, goes: bool) -> None:
    factories.instance(name="shop-2", role="standby", standby_for=shop, upstream=shop.instance)
    intent = ask(shop, "switchover")
    move = Changeover.objects.create(
        name="shop-move-1", resource=shop, reason="switchover", state=state, marks={"intent": str(intent.pk)}
    )
    if not goes:
        with pytest.raises(AskError, match="shop-move-1 is repointing. Cancel is possible while it is"):
            withdrawals.cancel(intent, "bert")
    else:
        assert withdrawals.cancel(intent, "bert").state == Intent.OPEN
        assert withdrawals.cancel(intent, "bert").state == Intent.OPEN
        (asked,) = Intent.objects.filter(subject=move.pk)
        assert (asked.verb, asked.actor) == ("cancel", "bert")


def test_what_is_being_created_is_destroyed_instead(shop: Resource) -> None:
    made = intents.create_resource(shop.customer, "standard-0", actor="anna")
    with pytest.raises(AskError, match="to call that off, destroy it"):
        withdrawals.cancel(Intent.objects.get(subject=made.pk), "bert")


def test_only_who_might_have_asked_for_it_cancels_it(shop: Resource) -> None:
    intent = ask(shop, "destroy")
    with pytest.raises(Forbidden, match="destroy"):
        withdrawals.cancel(intent, Asker("carl", frozenset({READ, ASK})))
    customers = Asker("dora", customer=shop.customer)
    with pytest.raises(Forbidden, match="operators do it"):
        withdrawals.cancel(ask(shop, "stop"), customers)
    assert withdrawals.cancel(intent, customers).state == Intent.CANCELLED


def test_the_third_error_of_ours_refuses_it(shop: Resource) -> None:
    intent = ask(shop, "rotate")
    assert [withdrawals.raised(intent, "KeyError: 'x'") for _ in "12"] == ["", ""]
    assert "failed 3 times" in withdrawals.raised(intent, "KeyError: 'x'")
    assert again(intent).state == Intent.REFUSED and "KeyError" in again(intent).answer
