"""A job that ends because a changeover of ours stopped whom it reads from waits until that is over, is begun anew, and
loses none of its tries by it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from fleet import changing, context, policy, ring
from fleet.facts import Facts
from fleet.lifecycle import Because
from fleet.models import Backup, Changeover, Instance, Member
from fleet.rules import Rule, think
from fleet.states import CANCELLED, CREATING, DONE, FENCING, NEEDS_HUMAN, PROMOTING, UPLOADING
from fleet.stopping import BEGUN_AT
from fleet.think import LIFE
from herdsite.turns import Turn
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, expire
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db
WHY = Because(None, "planned work", "anna")
FAILED = {"job": "failed", "job_why": "the server closed the connection", "ssh": True, "state_s": 99.0}


@pytest.fixture
def world() -> Premium:
    return premium(FakeHerd())


def base(world: Premium, state: str = UPLOADING) -> Member:
    return factories.backup(
        state=state, method=Backup.BASE, instance=world.leader, timeline=world.leader.timeline, resource=world.resource
    )


def dump(world: Premium) -> Member:
    return factories.backup(state=UPLOADING, method=Backup.LOGICAL, instance=world.leader, resource=world.resource)


def standby(world: Premium) -> Member:
    change(world.standby, state=CREATING)
    return again(world.standby)


def follower(world: Premium) -> Member:
    return factories.instance(
        name="reads-1", server=world.herd.machine(), plan=world.leader.plan, role=Instance.STANDBY,
        upstream=world.leader, timeline=world.leader.timeline, state=CREATING,
    )  # fmt: skip


JOBS = pytest.mark.parametrize("job", [base, dump, standby, follower])


def moves(world: Premium, state: str, mark: str = "paused") -> Changeover:
    """A changeover has come that far, and has stopped the leader."""
    moving = changing.begin(again(world.resource), Changeover.SWITCHOVER, WHY)
    change(moving, state=state, state_since=Now(), marks={mark: 1.0})
    return again(moving)


def row(member: Member, **known: Any) -> Rule:
    loaded = context.load_one(again(member), "here/1", ring.Claim(member.pk, [member.pk], _now(member)))
    facts = Facts(loaded.subject.now, dict(loaded.facts) | FAILED | known)
    return think(LIFE[member.KIND], loaded.subject.state, facts)


def _now(member: Member) -> Any:
    return type(member).objects.annotate(at=Now()).values_list("at", flat=True).get(pk=member.pk)


def ran_before(member: Member) -> None:
    """It began a minute ago."""
    change(member, state_since=Now() - timedelta(minutes=1))


@JOBS
@pytest.mark.parametrize("state", [FENCING, PROMOTING])
@pytest.mark.parametrize("mark", ["paused", "fence_sent", "fenced"])
def test_it_waits_while_a_changeover_stops_whom_it_reads_from(
    world: Premium, job: Callable[[Premium], Member], state: str, mark: str
) -> None:
    member = job(world)
    moves(world, state, mark)
    assert row(member, tries=0).then.kind == "wait"


@JOBS
@pytest.mark.parametrize("state", [CANCELLED, NEEDS_HUMAN, DONE])
@pytest.mark.parametrize("tries", [0, 1, 3])
def test_it_is_begun_anew_once_that_is_over_however_often_it_was_tried(
    world: Premium, job: Callable[[Premium], Member], state: str, tries: int
) -> None:
    member = job(world)
    ran_before(member)
    moves(world, state)
    assert row(member, tries=tries).then.name in ("begin_anew", "rebuild")


@JOBS
def test_what_failed_by_itself_is_still_given_up_after_three_tries(
    world: Premium, job: Callable[[Premium], Member]
) -> None:
    member = job(world)
    change(moves(world, CANCELLED), state_since=Now() - timedelta(hours=1))
    assert row(member, tries=3).then.name not in ("begin_anew", "rebuild")


@JOBS
def test_a_changeover_that_stopped_nobody_is_no_excuse(world: Premium, job: Callable[[Premium], Member]) -> None:
    member = job(world)
    ran_before(member)
    moves(world, CANCELLED, "ready")
    assert row(member, tries=3).then.name not in ("begin_anew", "rebuild")


@JOBS
def test_an_attempt_begun_after_the_changeover_has_no_excuse(world: Premium, job: Callable[[Premium], Member]) -> None:
    member = job(world)
    ran_before(member)
    moves(world, CANCELLED)
    later = _now(member) + timedelta(seconds=5)
    change(member, attrs={**member.attrs, BEGUN_AT: f"{later.timestamp():.3f}"})
    assert row(member, tries=3).then.name not in ("begin_anew", "rebuild")


def test_a_try_that_a_changeover_stopped_is_not_counted_and_the_next_one_is(world: Premium) -> None:
    rebuilt, home = standby(world), world.standby.server.name
    beat(world)
    assert BEGUN_AT in again(rebuilt).attrs
    change(rebuilt, tries=0)
    (job,) = (name for host, name in world.herd.jobs if host == home)
    for stopped, tries in ((True, 0), (False, 1), (True, 1), (False, 2)):
        if stopped:
            change(rebuilt, attrs={**again(rebuilt).attrs, BEGUN_AT: f"{_now(rebuilt).timestamp() - 60:.3f}"})
            change(moves(world, CANCELLED), state_since=Now() - timedelta(seconds=1))
        world.herd.jobs[home, job].state = "failed"
        change(rebuilt, state_since=Now() - timedelta(minutes=2))
        beat(world)
        assert again(rebuilt).tries == tries, (stopped, again(rebuilt).row, again(rebuilt).problem)


def beat(world: Premium) -> None:
    expire()
    Instance.objects.update(queue=policy.WORK)
    Turn(policy.WORK, world.herd.ports, "here/1").once(Instance.KIND, 8)


def test_tries_are_counted_but_for_what_a_changeover_stopped() -> None:
    assert policy.tries("begin_anew", 2, stopped=True) == 2
    assert policy.tries("begin_anew", 2, stopped=False) == 3
    assert policy.tries("fulfil", 2, stopped=True) == 0
