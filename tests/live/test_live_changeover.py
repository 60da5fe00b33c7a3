"""What befalls a database with high availability while customers write to it, by the same code as `bin/bench chaos`,
which goes through all of it: nothing acknowledged is lost, no old leader acknowledges anything once another leads, and
a leader that is well stays."""

import signal

import psutil
import pytest

from bench.premium import Premium, grow
from bench.trouble import CATALOGUE, Fault, Scene, own, suffer
from fleet.models import Changeover
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


# One of each way in which things go wrong.
FAULTS = [
    fault
    for fault in CATALOGUE
    if fault.kind
    in (
        "host killed",
        "leader cut off, outward",
        "worker killed in each step",
        "two ask at once",
        "leader and standby parted",
        "standby far behind, host killed",
        "herdsite frozen",
    )
]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.kind for fault in FAULTS])
def test_nothing_acknowledged_is_lost(premium: Premium, scene: Scene, fault: Fault):
    """Only clients that write to real PostgreSQL through a failover know what was acknowledged and is there."""
    told = suffer(fault, premium, scene)
    assert (told.lost, told.stray, told.unfinished, told.problem) == (0, 0, 0, ""), told
    assert told.acknowledged > 0
    if fault.moves is not None:
        assert told.moved == fault.moves, told
    if fault.kind == "standby far behind, host killed" and told.moved:
        # It had caught up with the old leader, which was back, before it was let lead.
        done = Changeover.objects.filter(resource=premium.key, state="done").latest("created_at")
        assert done.marks["may_lose_bytes"] == 0, done.marks
    if fault.kind == "host killed":
        assert [one.pk for one in premium.standbys] == [scene.leader.pk], "the old leader comes back as a standby"
