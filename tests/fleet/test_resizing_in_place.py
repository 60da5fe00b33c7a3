"""A database that shares its instance gets another plan where it is, when only its limits differ."""

import pytest

from fleet import intents
from fleet.models import Changeover, Credential, Instance, Resource
from fleet.postgres.config import MONITOR
from herdsite.turns import Turn
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due

pytestmark = pytest.mark.django_db


@pytest.fixture
def herd() -> FakeHerd:
    return FakeHerd()


@pytest.fixture
def hobby(herd: FakeHerd) -> Resource:
    starter = factories.plan("starter-0")
    instance = factories.instance(server=herd.machine(), plan=starter, attrs={"boot_id": "boot-0"})
    Credential.objects.create(purpose=Credential.MONITOR, instance=instance, role=MONITOR, secret="watching")
    resource = factories.resource(name="hobby", instance=instance, plan=starter)
    herd.run(instance)
    return resource


def beats(herd: FakeHerd, resource: Resource) -> Resource:
    due(resource, ago_s=100_000)
    assert Turn(again(resource).queue, herd.ports, "here/1").once("resource", 1) == 1
    return again(resource)


def test_it_has_the_other_limits_and_stays_where_it_is(herd: FakeHerd, hobby: Resource) -> None:
    type(factories.plan("starter-1")).objects.filter(pk="starter-1").update(connections=33)
    asked = intents.ask(hobby, "resize", actor="anna", params={"plan": "starter-1"})
    row = beats(herd, hobby)
    assert (row.plan_id, row.instance_id, row.state, row.problem) == ("starter-1", hobby.instance_id, "available", "")
    assert again(asked).state == "done" and not Changeover.objects.exists()
    (set_,) = [ran.stdin.decode() for ran in herd.world.ran if "CONNECTION LIMIT 33" in ran.stdin.decode()]
    assert "ROLE" in set_ and hobby.dbname in set_


@pytest.mark.parametrize("later", ["gone", "full"])
def test_what_has_become_impossible_meanwhile_is_refused(herd: FakeHerd, hobby: Resource, later: str) -> None:
    asked = intents.ask(hobby, "resize", actor="anna", params={"plan": "starter-1"})
    if later == "gone":
        type(hobby.plan).objects.filter(pk="starter-1").update(offered=False)
    else:
        type(hobby.plan).objects.filter(pk="starter-1").update(rows=10)
        change(hobby, facts={"estimated_rows": "11"})
    row, intent = beats(herd, hobby), again(asked)
    assert (row.plan_id, intent.state) == ("starter-0", "refused")
    assert "starter-1" in intent.answer


def test_it_waits_while_its_instance_does_not_answer(herd: FakeHerd, hobby: Resource) -> None:
    """And what is doubted is looked at as ever meanwhile."""
    asked = intents.ask(hobby, "resize", actor="anna", params={"plan": "starter-1"})
    Instance.objects.filter(pk=hobby.instance_id).update(state="uncertain")
    herd.silent.add(herd.place(hobby.instance))
    assert (beats(herd, hobby).state, again(asked).state) == ("uncertain", "open")
    herd.silent.clear()
    Instance.objects.filter(pk=hobby.instance_id).update(state="available")
    assert (beats(herd, hobby).plan_id, again(asked).state) == ("starter-1", "done")
