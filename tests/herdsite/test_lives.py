"""What is asked of a thing, what fails on it, and how it ends, over many beats."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from fleet import intents, policy
from fleet.models import Credential, Instance, Intent
from fleet.postgres.config import MONITOR
from fleet.states import AVAILABLE, CREATING, DESTROYED, DESTROYING
from fleet.transports.base import Unreachable
from tests import factories
from tests.beats import beats, herd, instance, story
from tests.fakecluster import Job
from tests.fakeherd import FakeHerd
from tests.herd import again, change

__all__ = ["herd", "instance"]
pytestmark = pytest.mark.django_db


def test_what_has_come_to_its_end_leaves_the_ring(herd: FakeHerd) -> None:
    one = factories.resource(instance=None, state=DESTROYING, queue=policy.WORK)
    row = beats(herd, one)
    assert (row.state, row.due_at) == (DESTROYED, None)
    assert story(one) == [("bury", 601)]


def test_what_ended_while_its_worker_died_leaves_the_ring_too(herd: FakeHerd) -> None:
    one = factories.resource(instance=None, state=DESTROYED, queue=policy.FEEL)
    assert beats(herd, one).due_at is None


def test_a_restart_from_the_asking_to_the_answer(herd: FakeHerd, instance: Instance) -> None:
    intent = intents.ask(instance, "restart", actor="anna")
    assert beats(herd, instance).row == 111
    row = beats(herd, instance)
    assert (row.row, row.state) == (113, AVAILABLE)
    assert row.due_at - row.felt_at < timedelta(seconds=5)
    herd.pass_time()
    row = beats(herd, instance)
    assert (row.row, row.tries) == (117, 0)
    assert (again(intent).state, again(intent).answer) == (Intent.DONE, "PostgreSQL was restarted and answers")
    assert beats(herd, instance).row == 901
    assert story(instance) == [("asked to restart", None), ("restart", 111), ("fulfil", 117)]
    assert list(herd.begun.values()) == [1]


def test_a_restart_that_fails_is_refused_with_its_last_words(herd: FakeHerd, instance: Instance) -> None:
    intent = intents.ask(instance, "restart", actor="anna")
    herd.fails = {"start"}
    beats(herd, instance)
    herd.pass_time()
    beats(herd, instance)
    assert again(intent).state == Intent.REFUSED
    assert again(intent).answer == "PostgreSQL could not be restarted: no space left on device"


def test_stop_and_start_of_a_resource_go_through_its_instance(herd: FakeHerd) -> None:
    resource = factories.resource(instance=factories.instance(server=herd.machine()))
    Credential.objects.create(purpose=Credential.MONITOR, instance=resource.instance, role=MONITOR, secret="watching")
    herd.run(resource.instance)
    seen = {}
    for verb, states in (("stop", ("maintenance", "stopped")), ("start", ("available", "available"))):
        intent = intents.ask(again(resource), verb, actor="anna")
        for _round in range(8):
            beats(herd, resource)
            beats(herd, resource.instance)
            herd.pass_time()
        seen[verb] = (again(resource).state, again(resource.instance).state)
        assert again(intent).state == Intent.DONE, again(resource).row
        assert seen[verb] == states


def test_a_copy_waits_for_whom_it_is_a_copy_of(herd: FakeHerd) -> None:
    leader = factories.instance(server=herd.machine(), state="down")
    one = factories.instance(
        server=herd.machine(), state=CREATING, queue=policy.WORK, role="standby", upstream=leader, tries=1
    )
    change(one, state_since=Now() - timedelta(minutes=9))
    herd.jobs[one.server.name, f"{one.name}-build"] = Job("stand_by", one.data, "", "failed")
    for _beat in range(3):
        beats(herd, one)
    assert (again(one).row, again(one).tries) == (204, 1)
    change(leader, state="available")
    beats(herd, one)
    assert (again(one).row, again(one).tries) == (205, 2)


def test_an_instance_that_was_begun_three_times_in_vain_waits_for_a_person(herd: FakeHerd) -> None:
    one = factories.instance(server=herd.machine(), state=CREATING, queue=policy.WORK)
    Credential.objects.create(purpose=Credential.MONITOR, instance=one, role=MONITOR, secret="watching")
    herd.fails = {"build"}
    for passed_s, begun in ((0, 1), (6, 2), (31, 3)):
        began = Now() - timedelta(seconds=passed_s)
        change(one, state_since=began, created_at=began)
        for _beat in range(4):
            beats(herd, one)
            herd.pass_time()
        assert herd.begun == {f"{one.name}-build": begun}
    row = again(one)
    assert (row.row, row.problem) == (209, "no space left on device")
    assert herd.begun == {f"{one.name}-build": 3}
    herd.fails = set()
    intent = intents.ask(row, "retry", actor="anna")
    for _beat in range(3):
        beats(herd, one)
        herd.pass_time()
    assert (again(one).state, again(intent).state) == (AVAILABLE, Intent.DONE)


def test_a_removal_that_failed_can_be_tried_again(herd: FakeHerd, instance: Instance) -> None:
    intents.ask(instance, "destroy", actor="anna", confirm=instance.name, reason="no longer wanted")
    herd.fails = {"destroy"}
    for _beat in range(10):
        beats(herd, instance)
        herd.pass_time()
    assert (again(instance).state, again(instance).problem) == (DESTROYING, "no space left on device")
    herd.fails = set()
    intents.ask(again(instance), "retry", actor="anna")
    for _beat in range(3):
        beats(herd, instance)
        herd.pass_time()
    assert again(instance).state == DESTROYED
    assert not Intent.objects.filter(state=Intent.OPEN).exists()


def test_a_lost_server_goes_with_all_that_was_on_it(herd: FakeHerd, instance: Instance) -> None:
    server = instance.server
    intents.ask(instance, "destroy", actor="anna", confirm=instance.name, reason="its host is lost")
    herd.world.fail(server.name, Unreachable("no answer in time"))
    herd.silent.add(herd.place(instance))
    for _beat in range(3):
        assert beats(herd, instance).state == DESTROYING
    intents.ask(again(server), "destroy", actor="anna", confirm=server.name, reason="it is lost")
    for _beat in range(3):
        beats(herd, server)
    assert again(server).state == DESTROYED
    assert beats(herd, instance).state == DESTROYED
    assert herd.provider.names() == []
