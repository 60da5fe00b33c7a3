"""Looking and acting have leases of their own: a host that hangs in an action blinds nobody, and two never act."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from fleet import actions, policy, ring
from fleet.actions.base import ActionError
from fleet.models import Credential, Instance
from fleet.postgres.config import MONITOR
from fleet.states import AVAILABLE, UNCERTAIN
from herdsite.turns import Turn
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due, expire

pytestmark = pytest.mark.django_db
HERE, THERE = "here/1", "there/2"


@pytest.fixture
def herd() -> FakeHerd:
    return FakeHerd()


@pytest.fixture
def untold(herd: FakeHerd) -> Instance:
    """An instance that serves, and that each beat would configure."""
    one = factories.instance(server=herd.machine(), attrs={"boot_id": "boot-0"})
    Credential.objects.create(purpose=Credential.MONITOR, instance=one, role=MONITOR, secret="watching")
    herd.run(one)
    change(one, attrs={"boot_id": "boot-0"})
    return one


def look(herd: FakeHerd, one: Instance, vantage: str) -> Instance:
    """A beat by that worker, as soon as it is due; nobody's action is cut short for it."""
    change(one, due_at=Now() - timedelta(seconds=1))
    assert Turn(again(one).queue, herd.ports, vantage).once("instance", 1) == 1
    return again(one)


@pytest.fixture
def hangs(monkeypatch) -> Callable[[Callable[[], None]], list[Any]]:
    """Have `meanwhile` happen inside the first configure; returns the list of all that were begun."""

    def arm(meanwhile: Callable[[], None]) -> list[Any]:
        real, begun = actions.ACTIONS["instance"]["configure"], []

        def configure(instance, acting):
            begun.append(instance.pk)
            if len(begun) == 1:
                meanwhile()
            return real(instance, acting)

        monkeypatch.setitem(actions.ACTIONS["instance"], "configure", configure)
        return begun

    return arm


def test_what_dies_while_it_is_acted_on_is_doubted_by_others(herd: FakeHerd, untold: Instance, hangs) -> None:
    seen = []

    def dies() -> None:
        herd.clusters[untold.data].runs = False
        seen.append(look(herd, untold, THERE).state)

    hangs(dies)
    look(herd, untold, HERE)
    assert seen == [UNCERTAIN]


def test_two_workers_never_act_on_one_thing_at_once(herd: FakeHerd, untold: Instance, hangs) -> None:
    begun = hangs(lambda: seen.append(look(herd, untold, THERE)))
    seen: list[Instance] = []
    look(herd, untold, HERE)
    assert len(begun) == 1
    assert (seen[0].state, seen[0].vantage, seen[0].row) == (AVAILABLE, THERE, 307)
    assert again(untold).acting is None


def test_what_a_dead_worker_was_at_is_taken_up_when_its_lease_is_over(herd: FakeHerd, untold: Instance, hangs) -> None:
    class Killed(BaseException):
        pass

    def killed() -> None:
        raise Killed

    begun = hangs(killed)
    with pytest.raises(Killed):
        look(herd, untold, HERE)
    look(herd, untold, THERE)
    assert len(begun) == 1
    expire(untold)
    look(herd, untold, THERE)
    assert len(begun) == 2


def test_the_end_of_an_action_that_lasted_too_long_is_dropped(herd: FakeHerd, untold: Instance, hangs) -> None:
    def overtaken() -> None:
        expire(untold)
        change(untold, attrs={"boot_id": "boot-0"})
        look(herd, untold, THERE)
        change(untold, problem="what the other worker wrote")

    hangs(overtaken)
    look(herd, untold, HERE)
    assert again(untold).problem == "what the other worker wrote"


def test_what_fails_is_looked_at_on_and_not_tried_before_its_pause_is_over(
    herd: FakeHerd, untold: Instance, monkeypatch
) -> None:
    tried = []

    def fails(instance, _acting):
        tried.append(instance.pk)
        raise ActionError("the host says no")

    monkeypatch.setitem(actions.ACTIONS["instance"], "configure", fails)
    change(untold, tries=policy.MOST_TRIES)
    row = look(herd, untold, HERE)
    assert (row.problem, len(tried)) == ("the host says no", 1)
    row = look(herd, untold, THERE)
    assert (row.problem, row.tries, len(tried)) == ("the host says no", policy.MOST_TRIES, 1)
    ring.nudge("instance", [untold.pk])
    look(herd, untold, HERE)
    assert len(tried) == 2


def test_what_is_asked_of_a_lease_that_is_lost_is_not_begun(herd: FakeHerd, untold: Instance) -> None:
    due(untold)
    claim = ring.claim("instance", policy.FEEL, 1, HERE)
    expire(untold)
    ring.claim("instance", policy.FEEL, 1, THERE)
    assert ring.begin_act(untold, claim, 5.0) is None
    assert again(untold).acting is None
