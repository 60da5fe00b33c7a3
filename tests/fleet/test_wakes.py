"""Workers rest until somebody makes a beat due: calls between connections, and what becomes of one that is missed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from fleet import policy, ring, wakes
from fleet.models import Server
from tests import factories
from tests.herd import again, beat, change

pytestmark = pytest.mark.django_db(transaction=True)
LONG_S, SHORT_S = 30.0, 0.05


@pytest.fixture
def ear() -> wakes.Ear:
    """The ear of a worker of `feel` that has nothing to do."""
    one = wakes.Ear(policy.FEEL)
    assert one.rest(LONG_S), "what became due before it listened is looked for at once"
    assert not one.rest(SHORT_S)
    return one


def elsewhere(what: Callable[[], object]) -> None:
    """Done over another connection, to its end."""

    def run() -> None:
        try:
            what()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()


def server() -> Server:
    return factories.server(state="available", queue=policy.FEEL)


def test_a_nudge_calls_the_workers_of_its_queue(ear: wakes.Ear) -> None:
    one = server()
    assert ear.rest(LONG_S)
    elsewhere(lambda: ring.nudge("server", [one.pk]))
    assert ear.rest(LONG_S)
    assert not ear.rest(SHORT_S)


def test_what_is_of_another_queue_calls_nobody_here(ear: wakes.Ear) -> None:
    elsewhere(lambda: wakes.call([policy.SLOW, policy.WORK]))
    assert not ear.rest(SHORT_S)


def test_a_call_that_comes_in_the_middle_of_a_question_counts(ear: wakes.Ear) -> None:
    elsewhere(lambda: wakes.call([policy.FEEL]))
    assert ring.next_due(["server"], policy.FEEL) is None
    assert ear.rest(LONG_S)


def test_what_is_made_is_called_for_once_it_is_committed(ear: wakes.Ear) -> None:
    def make() -> None:
        with transaction.atomic():
            server()
            assert not ear_of_another.rest(SHORT_S)

    ear_of_another = wakes.Ear(policy.FEEL)
    ear_of_another.rest(LONG_S)
    make()
    assert ear_of_another.rest(LONG_S)


@pytest.mark.parametrize(("in_s", "called"), [(0.0, True), (60.0, False)])
def test_a_beat_that_leaves_the_next_one_due_soon_calls(ear: wakes.Ear, in_s: float, called: bool) -> None:
    one = server()
    assert ear.rest(LONG_S)
    change(one, due_at=one.created_at)

    def go() -> None:
        claim = ring.claim("server", policy.FEEL, 1, "there/1")
        ring.release("server", [beat(one, claim, in_s=in_s)], "there/1")

    elsewhere(go)
    assert ear.rest(LONG_S if called else SHORT_S) is called
    assert again(one).lease is None


def test_an_ear_listens_on_after_its_connection_was_lost(ear: wakes.Ear) -> None:
    connection.close()
    assert ear.rest(LONG_S), "what was missed meanwhile is looked for"
    elsewhere(lambda: wakes.call([policy.FEEL]))
    assert ear.rest(LONG_S)
