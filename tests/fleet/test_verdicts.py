"""What a verdict rests on: a fact that proves it and is young. Nobody's absence, silence or missing line is one."""

from dataclasses import replace

import pytest

from fleet import changing
from fleet.lifecycle import Because
from fleet.models import Changeover, Event, Instance, Intent
from fleet.providers.base import ProviderError
from fleet.providers.ssh import SshProvider
from fleet.states import CANCELLED, DONE, NEEDS_HUMAN
from fleet.transports.base import Unreachable
from herdsite.portal.moves import loss
from tests import factories
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


def test_after_a_resize_the_old_standby_is_brought_to_size_before_it_counts_and_can_lead(world: Premium):
    for zone in "cd":
        world.herd.machine(zone=zone)
    world.round()
    changeover = begin(world, Changeover.RESIZE, plan=factories.plan("premium-1"))
    world.settle(lambda: ended(changeover), 80)
    assert again(changeover).state == DONE, world.told()
    leader = again(world.resource).instance
    for _ in range(30):
        # Time goes by, and whatever is looked at now and then is looked at again.
        Instance.objects.update(probed={})
        world.round()
    assert well_stood_by(world), world.told()
    for standby in Instance.objects.filter(standby_for=world.resource, state="available"):
        cluster = world.herd.clusters[standby.data]
        assert not cluster.stands_still
        assert cluster.connections >= world.herd.clusters[leader.data].connections
    world.lose(again(leader))
    failover = begin(world)
    world.settle(lambda: ended(failover), 60)
    assert again(failover).state == DONE, world.told()
    assert len(writers(world)) == 1


def well_stood_by(world: Premium) -> bool:
    resource = again(world.resource)
    alive = resource.standbys.exclude(state__in=("destroying", "destroyed"))
    return (
        resource.quorum["says"] == "cant_lose"
        and len(alive) == 1
        and all(one.state == "available" and not one.outdated for one in alive)
        and not Intent.objects.filter(state=Intent.OPEN).exists()
    )


def test_a_standby_whose_replay_stands_still_is_not_required_and_not_promoted(world: Premium):
    world.round()
    world.herd.clusters[world.leader.data].connections += 80
    world.herd.clusters[world.standby.data].told["max_connections"] = "15"
    world.herd.clusters[world.standby.data].connections = 15
    world.herd.refuses.add("configure")
    for _ in range(4):
        world.round()
    assert again(world.resource).quorum["says"] == "may_lose"
    assert world.standby.slot not in again(world.resource).quorum["required"]
    changeover = begin(world, Changeover.SWITCHOVER)
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == CANCELLED
    assert "below its leader's" in str(again(changeover).marks["why"]) or "below its leader's" in str(
        Event.objects.filter(subject=changeover.pk).values_list("why", flat=True)
    )
    assert writers(world) == [world.leader.data]


def test_a_standby_on_another_timeline_is_not_switched_over_to(world: Premium):
    old, new = world.herd.clusters[world.leader.data], world.herd.clusters[world.standby.data]
    change(world.leader.timeline, timeline_id=2)
    old.timeline, new.timeline, new.lsn = 2, 1, old.lsn + 5000
    change(world.resource, quorum=MAY_LOSE)
    changeover = begin(world, Changeover.SWITCHOVER)
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == CANCELLED
    assert ("halt", world.leader.data) not in world.herd.did
    assert "timeline 1" in again(changeover).marks["why"]


def cut_us_off(world: Premium) -> None:
    """Nothing of ours reaches the leader; its standby and its customers do."""
    world.herd.world.fail(world.leader.server.name, Unreachable("no route from here"))
    world.herd.silent.add(world.herd.place(world.leader))


def test_a_leader_that_its_standby_hears_is_in_doubt_and_not_followed(world: Premium):
    world.round()
    cut_us_off(world)
    for _ in range(6):
        # More than the doubt window has passed each time.
        evidence = again(world.leader).evidence
        change(world.leader, evidence=evidence | ({"since": evidence["since"] - 60} if evidence else {}))
        world.round()
    assert again(world.leader).state == "uncertain"
    assert (again(world.leader).row, again(world.leader.server).state) == (316, "available")
    assert not Changeover.objects.exists()


def test_once_its_standby_hears_it_no_more_it_goes_down(world: Premium):
    world.round()
    cut_us_off(world)
    world.round()
    world.herd.clusters[world.leader.data].runs = False
    for _ in range(6):
        evidence = again(world.leader).evidence
        change(world.leader, evidence=evidence | ({"since": evidence["since"] - 60} if evidence else {}))
        for one in (again(world.standby),):
            change(one, facts=one.facts | {"heard_at": "1.0"})
        world.round()
    assert again(world.leader).state == "down"


def test_a_failover_that_herdsite_began_waits_while_a_standby_hears_the_leader(world: Premium):
    world.round()
    cut_us_off(world)
    change(world.leader, state="down")
    changeover = begin(world, marks={"case": "instance-down-1"})
    for _ in range(5):
        world.round()
    assert again(changeover).state == "preparing"
    assert "hears" in again(changeover).problem
    assert writers(world) == [world.leader.data]


def test_a_leader_that_waits_for_the_promoted_one_is_fenced_all_the_same_where_its_host_answers(world: Premium):
    """A client that cancels its wait is acknowledged by a leader that runs on."""
    world.round()
    world.herd.silent.add(world.herd.place(world.leader))
    change(world.leader, state="down")
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    verbs = [verb for verb, data in world.herd.did if data == world.leader.data]
    assert (again(changeover).state, "fence" in verbs) == (DONE, True)
    assert (again(changeover).proof["rung"], again(changeover).receipt["rung"]) == (1, 1)
    assert writers(world) == [world.standby.data]


def test_a_promotion_does_not_wait_for_a_host_that_is_silent_and_says_what_it_rests_on(world: Premium):
    world.round()
    world.lose(world.leader)
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    assert (again(changeover).state, again(changeover).proof["rung"]) == (DONE, 3)
    for told in (again(changeover).proof["text"], again(changeover).receipt["rests_on"]):
        assert "unless a client cancels the wait or has set synchronous_commit" in told


def test_nobody_is_told_lossless_whose_sessions_do_not_wait(world: Premium):
    row = world.herd._row
    world.herd._row = lambda cluster: row(cluster) | {"weak_commits": 1}  # type: ignore[method-assign]
    for _ in range(3):
        world.round()
    world.lose(world.leader, known=False)
    world.round()
    assert again(world.leader).facts["weak_commits"] == "1", "it is known although nobody can look at it any more"
    change(world.leader, state="down")
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    done = again(changeover)
    assert (done.state, done.marks["lossless"]) == (DONE, False)
    assert done.receipt["bound_s"] != 0.0
    assert "synchronous_commit" in str(done.receipt["notes"])
    assert "synchronous_commit" in loss(done)[0]


def test_a_planned_move_says_that_it_empties_unlogged_tables(world: Premium):
    row = world.herd._row
    world.herd._row = lambda cluster: row(cluster) | {"unlogged_tables": 3, "unlogged_bytes": 8192}  # type: ignore[method-assign]
    changeover = begin(world, Changeover.SWITCHOVER)
    world.settle(lambda: ended(changeover))
    assert again(changeover).receipt["notes"] == ["unlogged tables are emptied: 3 (8192 bytes)"]
    assert "Unlogged tables are emptied: 3 (8192 bytes)." in loss(again(changeover))[0]
    told = Event.objects.filter(subject=changeover.pk).values_list("why", flat=True)
    assert any("unlogged tables are emptied: 3" in why for why in told)
