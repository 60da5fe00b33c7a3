"""One beat at a time over a fake herd: what tests of beats share."""

from typing import Any

import pytest

from fleet import context, ring
from fleet.models import Credential, Event, Instance
from fleet.postgres.config import MONITOR
from herdsite import beat
from herdsite.turns import Turn
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, due

HERE, THERE = "here/1", "there/2"


@pytest.fixture
def herd() -> FakeHerd:
    return FakeHerd()


@pytest.fixture
def instance(herd: FakeHerd) -> Instance:
    """An instance that runs, felt well."""
    one = factories.instance(server=herd.machine(), attrs={"boot_id": "boot-0"})
    Credential.objects.create(purpose=Credential.MONITOR, instance=one, role=MONITOR, secret="watching")
    herd.run(one)
    return one


def turn(herd: FakeHerd, queue: str, vantage: str = HERE) -> Turn:
    return Turn(queue, herd.ports, vantage)


def beats(herd: FakeHerd, member: Any, vantage: str = HERE) -> Any:
    """One beat of this thing, now; the row after it."""
    due(member, ago_s=100_000)
    queue = again(member).queue
    assert turn(herd, queue, vantage).once(member.KIND, 1) == 1
    return again(member)


def taken(herd: FakeHerd, member: Any, vantage: str = HERE) -> beat.Thought:
    """Claimed, felt and thought about, and then the worker hangs."""
    due(member, ago_s=100_000)
    claim = ring.claim(member.KIND, again(member).queue, 1, vantage)
    (loaded,) = context.load(member.KIND, claim, vantage)
    return beat.ponder(loaded, claim, beat.look_at(loaded, herd.ports), vantage)


def story(member: Any) -> list[tuple[str, int | None]]:
    return list(Event.objects.filter(subject=member.pk).order_by("id").values_list("verb", "row"))
