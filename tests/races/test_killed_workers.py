"""A worker is killed after any call to a host, a database or a provider, and after any write of its beat. Whatever it
was doing, fresh turns finish it, and nothing on a host is begun twice.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.db import transaction

from fleet import intents, lifecycle, placement, policy, ring
from fleet.models import Credential, Event, Instance, Intent, Resource
from fleet.postgres.config import MONITOR
from fleet.states import AVAILABLE, DESTROYED
from herdsite.turns import Turn
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, expire

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
ROUNDS = 12
# What a beat writes, one after the other, each of which may be the last that its worker did.
WRITES = [(ring, "hold"), (lifecycle, "move"), (lifecycle, "story"), (placement, "place"), (ring, "release")]


class Killed(BaseException):
    """The process is gone: nothing in it can catch this."""


class Fate:
    """Counts the points at which a worker may die, and ends it at the chosen one."""

    def __init__(self, chosen: int):
        self.chosen, self.passed = chosen, 0

    def point(self) -> None:
        self.passed += 1
        if self.passed == self.chosen:
            raise Killed

    def follows(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **given: Any) -> Any:
            result = call(*args, **given)
            self.point()
            return result

        return called


class Mortal:
    """A port every call of which may be the worker's last: it was done, and nobody hears of it."""

    def __init__(self, port: Any, fate: Fate):
        self.port, self.fate = port, fate

    def __getattr__(self, name: str) -> Any:
        return self.fate.follows(getattr(self.port, name))


@dataclass
class Scenario:
    """Something asked of a herd, and what must be so in the end."""

    herd: FakeHerd
    member: Any
    done: Callable[[Any], bool]
    begun: dict[str, int]


def production(herd: FakeHerd) -> Scenario:
    herd.machine()
    one = intents.create_resource(factories.customer(), "standard-0", actor="anna", name="shop")
    return Scenario(herd, one, lambda row: row.state == AVAILABLE, {"shop-1-build": 1})


def shared(herd: FakeHerd, name: str) -> Instance:
    instance = factories.instance(name=name, server=herd.machine(), plan=factories.plan("starter-0"))
    Credential.objects.create(purpose=Credential.MONITOR, instance=instance, role=MONITOR, secret="watching")
    herd.run(instance)
    return instance


def starter(herd: FakeHerd) -> Scenario:
    shared(herd, "shared-1")
    one = intents.create_resource(factories.customer(), "starter-0", actor="anna", name="toy")
    return Scenario(herd, one, lambda row: row.state == AVAILABLE, {})


def restart(herd: FakeHerd) -> Scenario:
    instance = shared(herd, "shared-1")
    intent = intents.ask(instance, "restart", actor="anna")
    done = lambda _row: again(intent).state == Intent.DONE  # noqa: E731
    return Scenario(herd, instance, done, {f"shared-1-restart-{intent.pk.hex[:8]}": 1})


def destroy(herd: FakeHerd) -> Scenario:
    resource = factories.resource(name="shop", instance=factories.instance(name="shop-1", server=herd.machine()))
    instance = resource.instance
    Credential.objects.create(purpose=Credential.MONITOR, instance=instance, role=MONITOR, secret="watching")
    herd.run(instance)
    intents.ask(resource, "destroy", actor="anna", confirm="shop", reason="it has closed")
    return Scenario(herd, resource, lambda row: row.state == DESTROYED, {"shop-1-destroy": 1})


def play(scenario: Scenario, fate: Fate) -> bool:
    """Let turns go by until it is done; True when one was killed. Each round the leases of the dead run out."""
    herd, killed = scenario.herd, False
    ports = replace(
        herd.ports,
        shell=lambda host: Mortal(herd.ports.shell(host), fate),
        sql=Mortal(herd.ports.sql, fate),
        provider=lambda name: Mortal(herd.ports.provider(name), fate),
    )
    for number in range(ROUNDS):
        expire()
        for model in (Resource, Instance):
            # One queue for all of them: which one they are in is not what is asked here.
            model.objects.update(queue=policy.WORK)
            try:
                Turn(policy.WORK, ports, f"here/{number}").once(model.KIND, 2)
            except Killed:
                killed = True
        herd.pass_time()
        if scenario.done(again(scenario.member)):
            return killed
    pytest.fail(
        f"killed at point {fate.chosen}, {scenario.member} is {again(scenario.member).state} for ever: "
        f"row {again(scenario.member).row}, {again(scenario.member).problem or 'no problem'}"
    )


def sound(scenario: Scenario) -> None:
    """Nothing was done twice, nothing is left half done."""
    assert dict(scenario.herd.begun) == scenario.begun
    moves = Event.objects.exclude(target="").exclude(source="").values_list("name", "verb", "source", "target")
    moved = [(name, verb) for name, verb, source, target in moves if source != target]
    assert len(moved) == len(set(moved)), f"moved twice: {moved}"
    resource = Resource.objects.first()
    if resource:
        assert Instance.objects.count() == 1
        assert Credential.objects.filter(instance=resource.instance, purpose=Credential.MONITOR).count() == 1
    assert not Intent.objects.filter(state=Intent.OPEN, verb__in=("create", "restart", "destroy")).exists()


@pytest.mark.parametrize("scenario", [production, starter, restart, destroy])
def test_a_worker_may_die_at_any_point(scenario: Callable[[FakeHerd], Scenario], monkeypatch) -> None:
    for chosen in itertools.count(1):
        fate = Fate(chosen)
        with transaction.atomic(), monkeypatch.context() as patch:
            played = scenario(FakeHerd())
            for module, name in WRITES:
                patch.setattr(module, name, fate.follows(getattr(module, name)))
            killed = play(played, fate)
            sound(played)
            transaction.set_rollback(True)
        if not killed:
            break
    assert chosen > 10, "there were hardly any points to die at"
