"""A standby whose host sorts text in another way than its leader's has indexes that would be wrong once it led."""

import pytest

from fleet import changing
from fleet.lifecycle import Because
from fleet.models import Changeover
from fleet.states import CANCELLED, DONE, NEEDS_HUMAN
from fleet.succession import sorting
from tests.fakecluster import Cluster
from tests.fakeherd import FakeHerd
from tests.herd import again, change
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db
OLD, NEW = "libc=2.31 icu=153.112", "libc=2.36 icu=153.112"


@pytest.mark.parametrize(
    ("standby", "leader", "words"),
    [
        (OLD, OLD, ""),
        (NEW, OLD, "glibc 2.36, its leader's with 2.31"),
        ("libc=2.36 icu=153.120", OLD, "glibc 2.36, its leader's with 2.31, ICU 153.120, its leader's with 153.112"),
        ("icu=153.112", OLD, ""),
        ("", OLD, ""),
        (None, OLD, None),
        (OLD, None, None),
    ],
)
def test_what_two_hosts_sort_in_another_way(standby: str | None, leader: str | None, words: str | None):
    assert sorting.unlike(standby, leader) == words


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Premium:
    """The standby's host has a newer C library."""
    world = premium(FakeHerd())
    row = world.herd._row
    standby = world.herd.clusters[world.standby.data]

    def said(cluster: Cluster) -> dict:
        return row(cluster) | {"sorts": NEW if cluster is standby else OLD}

    monkeypatch.setattr(world.herd, "_row", said)
    for one, sorts in ((world.leader, OLD), (world.standby, NEW)):
        change(one, facts=one.facts | {"sorts": sorts})
    return world


def run(world: Premium, reason: str) -> Changeover:
    changeover = changing.begin(world.resource, reason, Because(None, "to see it move", "anna"))
    world.settle(lambda: again(changeover).state in (DONE, CANCELLED, NEEDS_HUMAN))
    return again(changeover)


def test_no_planned_move_goes_to_a_host_that_sorts_in_another_way(world: Premium):
    refused = run(world, Changeover.SWITCHOVER)
    assert refused.state == CANCELLED
    assert "glibc 2.36, its leader's with 2.31" in refused.marks["why"]
    assert "halt" not in [verb for verb, _data in world.herd.did]
    assert again(world.resource).instance == world.leader


def test_a_failover_goes_there_and_its_receipt_says_what_to_do(world: Premium):
    world.lose(world.leader)
    done = run(world, Changeover.FAILOVER)
    assert done.state == DONE
    assert any("until REINDEX" in note and "glibc 2.36" in note for note in done.receipt["notes"])
