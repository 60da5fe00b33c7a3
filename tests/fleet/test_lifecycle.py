"""The only writer of states: a move and its Event are one, a stale copy loses, and neighbours hear of it."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from fleet import intents, lifecycle, policy, ring
from fleet.lifecycle import Because, LeaseLost
from fleet.models import Event, Intent
from fleet.states import AVAILABLE, CREATING, DESTROYED, DESTROYING, DOWN, MOVES, UNCERTAIN
from tests import factories
from tests.herd import again, change, due, nobodys

pytestmark = pytest.mark.django_db
BECAUSE = Because(301, "one failed look is only a doubt", "here/1", {"service_available": False}, {"since": 5.0})


def story(member) -> list[Event]:
    return list(Event.objects.filter(subject=member.pk))


def test_a_move_changes_the_row_and_tells_its_story() -> None:
    one = factories.instance(tries=4, problem="it was tired", state_since=Now() - timedelta(hours=1))
    lifecycle.move(one, "doubt", BECAUSE)
    row = again(one)
    assert (row.state, row.queue, row.tries, row.problem) == (UNCERTAIN, policy.SUSPECT, 0, "")
    assert row.state_since >= one.created_at
    (event,) = story(one)
    assert (event.kind, event.name, event.verb, event.row) == ("instance", one.name, "doubt", 301)
    assert (event.source, event.target, event.actor) == (AVAILABLE, UNCERTAIN, "here/1")
    assert (event.facts, event.evidence) == ({"service_available": False}, {"since": 5.0})
    assert event.generation == one.generation
    assert event.why == BECAUSE.why


def test_a_move_and_its_event_are_one(monkeypatch) -> None:
    one = factories.instance()

    def broken(*_args, **_kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(lifecycle, "story", broken)
    with pytest.raises(RuntimeError):
        lifecycle.move(one, "doubt", BECAUSE)
    assert again(one).state == AVAILABLE
    assert story(one) == []


def test_an_event_that_can_not_be_written_undoes_the_move() -> None:
    one = factories.instance()
    with pytest.raises(TypeError):
        lifecycle.move(one, "doubt", Because(301, "why", "here/1", {"never": object()}))
    assert again(one).state == AVAILABLE
    assert story(one) == []


def test_a_stale_copy_loses_and_does_no_harm() -> None:
    one = factories.instance()
    stale = again(one)
    lifecycle.move(one, "doubt", BECAUSE)
    with pytest.raises(ConcurrentTransition):
        lifecycle.move(stale, "doubt", BECAUSE)
    assert again(one).state == UNCERTAIN
    assert len(story(one)) == 1


def test_a_stale_save_loses_too() -> None:
    one = factories.instance()
    stale = again(one)
    lifecycle.move(one, "doubt", BECAUSE)
    stale.port = 6000
    with pytest.raises(ConcurrentTransition), transaction.atomic():
        stale.save()
    assert (again(one).state, again(one).port) == (UNCERTAIN, one.port)


def test_a_move_from_another_state_is_refused() -> None:
    one = factories.instance()
    with pytest.raises(TransitionNotAllowed):
        lifecycle.move(one, "go_down", BECAUSE)
    assert story(one) == []


def test_the_state_can_not_be_assigned() -> None:
    one = factories.instance()
    with pytest.raises(AttributeError):
        one.state = DOWN


@pytest.mark.parametrize("kind", ["server", "instance", "resource"])
def test_every_move_there_is_can_be_taken_from_every_source(kind: str) -> None:
    for move in MOVES[kind]:
        for source in move.sources:
            one = getattr(factories, kind)(state=source)
            lifecycle.move(one, move.name, BECAUSE)
            assert again(one).state == move.target


def test_with_a_lease_only_its_owner_moves() -> None:
    one = factories.instance()
    due(one)
    taken = ring.claim("instance", "feel", 1, "here/1")
    with pytest.raises(LeaseLost):
        lifecycle.move(again(one), "doubt", BECAUSE, nobodys(one).lease)
    assert again(one).state == AVAILABLE
    lifecycle.move(again(one), "doubt", BECAUSE, taken.lease)
    assert again(one).state == UNCERTAIN
    assert again(one).lease == taken.lease


def test_a_move_keeps_what_was_noted_on_the_thing() -> None:
    one = factories.instance(state=CREATING)
    one.attrs["boot_id"] = "cafe"
    lifecycle.move(one, "come_up", BECAUSE)
    assert again(one).attrs["boot_id"] == "cafe"


def intent(member, verb: str) -> Intent:
    return Intent.objects.create(kind=member.KIND, subject=member.pk, name=member.name, verb=verb, actor="anna")


def answers(*asked: Intent) -> list[str]:
    return [again(one).state for one in asked]


def test_coming_up_answers_who_asked_to_create_and_nobody_else() -> None:
    one = factories.resource(state=CREATING)
    create, restart, others = intent(one, "create"), intent(one, "restart"), intent(factories.server(), "create")
    lifecycle.move(one, "come_up", Because(207, "its customer can get in", "here/1"))
    assert answers(create, restart, others) == ["done", "open", "open"]
    assert again(create).answer == "its customer can get in"
    assert again(create).answered_at is not None


def test_going_away_cancels_what_else_was_asked() -> None:
    one = factories.resource()
    destroy, restart = intent(one, "destroy"), intent(one, "restart")
    lifecycle.move(one, "destroy", BECAUSE)
    assert answers(destroy, restart) == ["open", "cancelled"]


def test_the_end_answers_everything() -> None:
    one = factories.instance(state=DESTROYING)
    destroy, retry = intent(one, "destroy"), intent(one, "retry")
    lifecycle.move(one, "bury", BECAUSE)
    assert again(one).state == DESTROYED
    assert answers(destroy, retry) == ["done", "done"]


def test_an_answer_is_given_once() -> None:
    asked = intent(factories.instance(), "restart")
    assert lifecycle.answer(Intent.objects.filter(pk=asked.pk), Intent.REFUSED, "no") == 1
    assert lifecycle.answer(Intent.objects.filter(pk=asked.pk), Intent.DONE, "yes") == 0
    assert again(asked).answer == "no"


def later(*members) -> None:
    for member in members:
        change(member, due_at=Now() + timedelta(seconds=50))


def is_due(member) -> bool:
    return type(member).objects.filter(pk=member.pk, due_at__lte=Now()).exists()


def test_neighbours_look_at_once_after_the_commit(django_capture_on_commit_callbacks) -> None:
    one = factories.resource()
    sibling = factories.resource(instance=one.instance)
    stranger = factories.resource()
    everybody = [one, sibling, stranger, one.instance, one.instance.server, stranger.instance, stranger.instance.server]
    later(*everybody)
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        lifecycle.move(one.instance, "doubt", BECAUSE)
        assert not is_due(one)
    assert len(callbacks) == 1
    assert [is_due(member) for member in everybody] == [True, True, False, False, True, False, False]


@pytest.mark.parametrize(("mover", "hears"), [("resource", "instance"), ("server", "instance")])
def test_who_is_next_to_it_hears_of_it(mover: str, hears: str, django_capture_on_commit_callbacks) -> None:
    resource = factories.resource()
    herd = {"resource": resource, "instance": resource.instance, "server": resource.instance.server}
    later(*herd.values())
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.move(herd[mover], "doubt", BECAUSE)
    assert [name for name, member in herd.items() if is_due(member)] == [hears]


def test_a_resource_without_a_place_has_no_neighbours(django_capture_on_commit_callbacks) -> None:
    one = factories.resource(instance=None, state=CREATING)
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.move(one, "destroy", BECAUSE)
    assert again(one).state == DESTROYING


def test_asking_leaves_a_story() -> None:
    one = factories.instance()
    intents.ask(one, "restart", actor="anna", reason="it is slow")
    (event,) = story(one)
    assert (event.verb, event.why, event.actor, event.row) == ("asked to restart", "it is slow", "anna", None)
