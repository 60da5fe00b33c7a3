"""What befalls a database with high availability while customers write to it, each once, by the same code as
`bin/bench chaos`: nothing acknowledged is lost, no old leader acknowledges anything once another leads, and a leader
that is well stays."""

import signal
import time

import psutil
import pytest

from bench.premium import Premium, changed, grow, until
from bench.trouble import CATALOGUE, Fault, Scene, freeze_standby, kill_host, own, suffer
from bench.writer import rows
from fleet.providers.local import chaos
from fleet.states import DONE, NEEDS_HUMAN
from tests.liveherd import Herd

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def premium(herd: Herd) -> Premium:
    return grow()


@pytest.fixture
def scene(herd: Herd, premium: Premium) -> Scene:
    def kill_workers() -> None:
        for process in herd.processes("worker work"):
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue

    premium.mend()
    return Scene(premium, lambda: own([herd.up.pid]), kill_workers)


@pytest.mark.parametrize("fault", CATALOGUE, ids=[fault.kind for fault in CATALOGUE])
def test_nothing_acknowledged_is_lost(premium: Premium, scene: Scene, fault: Fault):
    told = suffer(fault, premium, scene)
    assert (told.lost, told.stray, told.unfinished, told.problem) == (0, 0, 0, ""), told
    assert told.acknowledged > 0
    if fault.moves is not None:
        assert told.moved == fault.moves, told


def test_the_old_leader_comes_back_as_a_standby(premium: Premium, scene: Scene):
    fault = next(fault for fault in CATALOGUE if fault.kind == "host killed")
    suffer(fault, premium, scene)
    until(premium.whole, "whole")
    assert [one.pk for one in premium.standbys] == [scene.leader.pk]
    assert premium.lost() == 0


def test_what_a_degraded_one_loses_is_within_its_receipt(premium: Premium, scene: Scene):
    """Its standby has been away for so long that commits don't wait for it any more; then the leader is lost, just when
    the standby is back."""
    with premium.written() as writer:
        freeze_standby(scene)
        until(lambda: premium.resource.quorum["says"] == "may_lose" and writer.since(time.time() - 0.5), "degraded")
        chaos.heal(premium.provider, scene.standby_host)
        kill_host(scene)
        until(lambda: any(one.state in (DONE, NEEDS_HUMAN) for one in changed(premium, writer.began)), "a verdict")
        premium.mend()
    there = rows(premium.straight(premium.leader))
    gone = [at for n, at in writer.acked if n not in there]
    moves = [one for one in changed(premium, writer.began) if one.state == DONE]
    assert moves or not gone
    premium.acked &= there
    for at in gone:
        bound = moves[0].receipt["bound_s"]
        assert bound is None or at >= moves[0].marks["fenced"] - bound
