"""How soon a beat follows an action: at once where steps lead to each other, later where one row comes up for ever."""

import pytest

from fleet import policy
from fleet.models import Credential, Instance
from fleet.postgres.config import MONITOR
from herdsite.turns import Turn
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due

pytestmark = pytest.mark.django_db

# The row that tells an instance what it is to be.
CONFIGURE = 307


@pytest.fixture
def herd() -> FakeHerd:
    return FakeHerd()


@pytest.fixture
def untold(herd: FakeHerd) -> Instance:
    """An instance that serves and was never told what it is to be."""
    one = factories.instance(server=herd.machine(), attrs={"boot_id": "boot-0"})
    Credential.objects.create(purpose=Credential.MONITOR, instance=one, role=MONITOR, secret="watching")
    herd.run(one)
    return one


def beaten(herd: FakeHerd, one: Instance) -> tuple[int, int, float]:
    """After one beat: the row that won, its tries, and the seconds to the next beat."""
    due(one)
    Turn(policy.FEEL, herd.ports, "here/1").once("instance", 1)
    row = again(one)
    return row.row, row.tries, (row.due_at - row.felt_at).total_seconds()


def test_another_step_is_followed_up_at_once_however_many_came_before(herd: FakeHerd, untold: Instance) -> None:
    change(untold, row=305, tries=policy.MOST_TRIES, attrs={"boot_id": "boot-0"})
    row, tries, in_s = beaten(herd, untold)
    assert (row, tries) == (CONFIGURE, 1)
    assert in_s < policy.BUILDING_S


def test_a_row_that_acts_again_and_again_is_slowed_down(herd: FakeHerd, untold: Instance) -> None:
    waits = []
    for acted in range(policy.REPEATS_AT_ONCE + 4):
        change(untold, row=CONFIGURE, tries=acted, attrs={"boot_id": "boot-0"})
        row, tries, in_s = beaten(herd, untold)
        assert (row, tries) == (CONFIGURE, acted + 1)
        waits.append(in_s)
    assert max(waits[: policy.REPEATS_AT_ONCE]) < policy.BUILDING_S < waits[-1]


def test_an_action_that_fails_is_tried_less_and_less_often_whatever_acted_before(
    herd: FakeHerd, untold: Instance
) -> None:
    herd.refuses = {"configure"}
    change(untold, row=305, tries=policy.MOST_TRIES, attrs={"boot_id": "boot-0"})
    row, tries, in_s = beaten(herd, untold)
    assert (row, tries) == (CONFIGURE, policy.MOST_TRIES)
    assert in_s >= policy.PATIENT_S * (1 - policy.JITTER)
