"""What a verdict rests on: a fact that proves it and is young. Nobody's absence, silence or missing line is one."""

from dataclasses import replace

import pytest

from fleet import changing
from fleet.lifecycle import Because
from fleet.models import Changeover
from fleet.providers.base import ProviderError
from fleet.providers.ssh import SshProvider
from fleet.states import CANCELLED, DONE, NEEDS_HUMAN
from tests.fakeherd import FakeHerd
from tests.herd import again, change
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db
WHY = Because(None, "to see it move", "anna")
MAY_LOSE = {"required": [], "says": "may_lose", "serial": 2}


@pytest.fixture
def world() -> Premium:
    return premium(FakeHerd())


def begin(world: Premium, reason: str = Changeover.FAILOVER, **more: object) -> Changeover:
    return changing.begin(again(world.resource), reason, WHY, **more)  # type: ignore[arg-type]


def ended(changeover: Changeover) -> bool:
    return again(changeover).state in (DONE, CANCELLED, NEEDS_HUMAN)


def writers(world: Premium) -> list[str]:
    """The data directories that take writes."""
    return [data for data, one in world.herd.clusters.items() if one.runs and not one.standby]


class Adopted:
    """The fake's addresses, and machines that were only adopted: nobody is on the list by now."""

    def __init__(self, fake: object):
        self._fake, self.describe = fake, SshProvider({}).describe

    def __getattr__(self, name: str) -> object:
        return getattr(self._fake, name)


def test_a_line_that_is_missing_in_the_list_of_hosts_is_no_proof(world: Premium):
    world.round()
    change(world.resource, quorum=MAY_LOSE)
    provider = Adopted(world.herd.provider)
    world.herd.ports = replace(world.herd.ports, provider=lambda _name: provider)
    with pytest.raises(ProviderError):
        provider.describe(world.leader.server.name)
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    assert again(changeover).proof["rung"] == 1
    assert writers(world) == [world.standby.data]


def test_without_a_host_that_answers_a_missing_line_lets_nobody_lead(world: Premium):
    world.round()
    change(world.resource, quorum=MAY_LOSE)
    provider = Adopted(world.herd.provider)
    world.herd.ports = replace(world.herd.ports, provider=lambda _name: provider)
    world.lose(world.leader)
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == NEEDS_HUMAN
    assert writers(world) == []


def test_a_host_that_answers_is_fenced_whatever_its_provider_says_of_the_machine(world: Premium):
    world.round()
    change(world.resource, quorum=MAY_LOSE)
    world.herd.provider.stop(world.leader.server.name)
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    assert again(changeover).proof["rung"] == 1
    assert ("fence", world.leader.data) in world.herd.did
    assert writers(world) == [world.standby.data]


def test_a_machine_that_is_off_is_followed_by_its_providers_word(world: Premium):
    world.round()
    change(world.resource, quorum=MAY_LOSE)
    world.lose(world.leader)
    world.herd.provider.stop(world.leader.server.name)
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    assert (again(changeover).state, again(changeover).proof["rung"]) == (DONE, 2)
