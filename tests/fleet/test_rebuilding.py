"""A standby that is asked to be rebuilt is copied once, whole, and whoever asked is answered."""

import pytest

from fleet import intents
from fleet.models import Event, Instance, Intent
from fleet.postgres import commands, control
from tests.fakeherd import FakeHerd
from tests.herd import again, change
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> Premium:
    return premium(FakeHerd())


@pytest.fixture
def modes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How each standby was made, in order."""
    made: list[str] = []
    real = control.stand_by

    def stand_by(*args: object) -> None:
        made.append(next(word for word in args if word in (commands.BUILD, commands.REJOIN, commands.COPY)))
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(control, "stand_by", stand_by)
    return made


def rejoins(instance: Instance) -> int:
    return Event.objects.filter(subject=instance.pk, verb="rejoin").count()


def test_a_rebuild_is_done_once_and_answered(world: Premium, modes: list[str]) -> None:
    asked = intents.ask(world.standby, "rebuild", actor="anna", reason="it looks stuck")
    world.settle(lambda: again(asked).state == Intent.DONE)
    for _ in range(10):
        world.round()
    assert rejoins(world.standby) == 1
    assert modes == [commands.COPY]
    world.settle(world.whole)


def test_a_former_leader_is_rewound_where_that_can_be(world: Premium, modes: list[str]) -> None:
    world.lose(world.leader)
    change(world.leader, outdated=True, role=Instance.STANDBY, upstream=world.standby, standby_for=world.resource)
    change(world.standby, role=Instance.LEADER, upstream=None, standby_for=None)
    change(world.resource, instance=world.standby)
    world.herd.clusters[world.standby.data].standby = False
    world.bring_back(world.leader)
    world.settle(lambda: modes)
    assert modes[0] == commands.REJOIN


def test_whoever_asks_to_try_again_is_heard_while_the_rebuild_waits(world: Premium) -> None:
    world.herd.fails.add("stand_by")
    asked = intents.ask(world.standby, "rebuild", actor="anna", reason="it looks stuck")
    world.settle(lambda: again(world.standby).state == "creating")
    change(world.standby, tries=3)
    world.round()
    world.herd.fails.clear()
    retry = intents.ask(again(world.standby), "retry", actor="anna", reason="there is room now")
    world.settle(lambda: again(asked).state == Intent.DONE)
    assert again(retry).state == Intent.DONE


def test_what_a_database_is_on_is_not_destroyed_whoever_asks(world: Premium) -> None:
    """Asked of a standby, which leads by the time that its beat comes."""
    asked = intents.ask(world.standby, "destroy", actor="anna", reason="one too many", confirm=world.standby.name)
    change(world.standby, role=Instance.LEADER, upstream=None, standby_for=None)
    change(world.resource, instance=world.standby)
    world.round()
    assert again(world.standby).state != "destroying"
    assert again(asked).state == Intent.REFUSED
