"""The worker that takes the steps of a changeover dies after any call to the world, and after any mark or move that it
wrote. Whoever comes next finishes it: one leads in the end, promoted once, and the other was fenced before."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import transaction

from fleet import changing, ledger, lifecycle, policy
from fleet.lifecycle import Because
from fleet.models import Changeover
from fleet.states import DONE
from herdsite.turns import Turn
from tests.fakeherd import FakeHerd
from tests.herd import again, expire
from tests.premiumworld import Premium, premium
from tests.races.test_killed_workers import Fate, Killed, Mortal

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
ROUNDS = 25
WRITES = [(lifecycle, "move"), (ledger, "write")]


def switchover(world: Premium) -> Changeover:
    return changing.begin(world.resource, Changeover.SWITCHOVER, Because(None, "planned work", "anna"))


def failover(world: Premium) -> Changeover:
    world.lose(world.leader)
    return changing.begin(world.resource, Changeover.FAILOVER, Because(None, "the leader is down", "anna"))


def play(world: Premium, changeover: Changeover, fate: Fate) -> bool:
    """Let turns go by until it is done; True when one was killed."""
    herd, killed = world.herd, False
    ports = replace(
        herd.ports,
        shell=lambda host: Mortal(herd.ports.shell(host), fate),
        sql=Mortal(herd.ports.sql, fate),
        provider=lambda name: Mortal(herd.ports.provider(name), fate),
    )
    for number in range(ROUNDS):
        expire()
        try:
            Turn(policy.WORK, ports, f"here/{number}").once(changeover.KIND)
        except Killed:
            killed = True
        if again(changeover).state == DONE:
            return killed
    pytest.fail(f"killed at point {fate.chosen}: {world.told()}")


def sound(world: Premium) -> None:
    old, new = world.herd.clusters[world.leader.data], world.herd.clusters[world.standby.data]
    assert (new.standby, new.timeline, new.runs) == (False, 2, True)
    assert not old.runs
    resource = again(world.resource)
    assert (resource.instance_id, resource.generation) == (world.standby.pk, 2)
    assert again(world.leader).outdated
    assert world.leads_to() == world.standby.server.name


@pytest.mark.parametrize("begin", [switchover, failover])
def test_a_worker_may_die_at_any_point(begin: Callable[[Premium], Changeover], monkeypatch: pytest.MonkeyPatch):
    for chosen in itertools.count(1):
        fate = Fate(chosen)
        with transaction.atomic(), monkeypatch.context() as patch:
            world = premium(FakeHerd())
            changeover = begin(world)
            for module, name in WRITES:
                patch.setattr(module, name, fate.follows(getattr(module, name)))
            killed = play(world, changeover, fate)
            sound(world)
            transaction.set_rollback(True)
        if not killed:
            break
    assert chosen > 10, "there were hardly any points to die at"
