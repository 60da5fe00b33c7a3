"""The simulated host does what the real one does: the same orders, in any order, by the product's own scripts on real
PostgreSQL and on the simulator, and after each of them the same is seen on both."""

import os
import random
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from fleet import jobs
from fleet.postgres import control
from fleet.postgres.config import DYNAMIC
from fleet.subject import Subject
from fleet.transports.base import CommandFailed, Host, Result, Shell
from tests.clusters import Cluster
from tests.fakeherd import SETTING
from tests.fleet.test_replication import KEEP, beside, caught_up, leader, shell, standby
from tests.localshell import ended
from tests.sim.clock import BEGIN
from tests.sim.host import Disk, SimHerd, Waiter
from tests.sim.schedule import Schedule

__all__ = ["leader", "shell", "standby"]
ORDERS = ("write", "halt", "fence", "unfence", "promote", "start")
# Whether it runs, whether it writes, whether it bears a fence mark, and how many rows it has; of leader and standby.
Seen = tuple[tuple[bool, bool, bool, int], ...]


class Pair(Protocol):
    """A leader and its standby on one host."""

    shell: Shell
    leader: Subject
    standby: Subject

    def write(self) -> None: ...
    def job(self, name: str) -> str: ...
    def see(self) -> Seen: ...


def order(pair: Pair, verb: str, generation: int, number: int) -> str:
    """Carry out one order; "done", or that it was refused."""
    try:
        if verb == "write":
            pair.write()
        elif verb == "halt":
            control.halt(pair.shell, pair.leader, 5, generation)
        elif verb == "fence":
            control.fence(pair.shell, pair.leader, generation)
        elif verb == "unfence":
            control.unfence(pair.shell, pair.leader, generation)
        elif verb == "promote":
            control.promote(pair.shell, pair.standby, generation)
        else:
            control.start(pair.shell, pair.leader, f"start-{number}")
            return pair.job(f"start-{number}")
    except CommandFailed:
        return "refused"
    return "done"


@dataclass
class Real:
    one: Cluster
    two: Cluster

    def __post_init__(self) -> None:
        self.shell, self.leader, self.standby = self.one.shell, self.one.subject, self.two.subject

    def write(self) -> None:
        self.one.sql("INSERT INTO t VALUES (1)")
        if self.two.sql("SELECT pg_is_in_recovery()") == "t":
            caught_up(self.one, self.two)

    def job(self, name: str) -> str:
        return "done" if ended(self.one.shell, name) == jobs.Look(jobs.DONE) else "refused"

    def see(self) -> Seen:
        return tuple(self._see(cluster) for cluster in (self.one, self.two))

    def _see(self, cluster: Cluster) -> tuple[bool, bool, bool, int]:
        marked = os.path.lexists(f"{cluster.subject.data}/herdsite.fenced")
        try:
            recovery, rows = cluster.sql("SELECT pg_is_in_recovery(), count(*) FROM t").split("|")
        except CommandFailed:
            return False, False, marked, 0
        return True, recovery == "f", marked, int(rows)


@dataclass
class Simulated:
    herd: SimHerd
    shell: Shell
    leader: Subject
    standby: Subject

    def write(self) -> None:
        disk = self.herd.clusters[self.leader.data]
        if not disk.runs:
            raise CommandFailed(["psql"], Result(2, "", "could not connect", 0.0))
        disk.waiting.append(Waiter(disk.write("row"), lambda: None))
        self.herd.pump()

    def job(self, name: str) -> str:
        schedule = self.herd.schedule
        assert schedule
        schedule.run(schedule.now + 5)
        return "done" if self.herd.jobs["here", name].state == "done" else "refused"

    def see(self) -> Seen:
        return tuple(self._see(self.herd.clusters[subject.data]) for subject in (self.leader, self.standby))

    @staticmethod
    def _see(disk: Disk) -> tuple[bool, bool, bool, int]:
        rows = sum(label == "row" for _line, label in disk.wal)
        return disk.runs, disk.runs and not disk.standby, disk.fenced > 0, rows if disk.runs else 0


@pytest.fixture
def real(leader: Cluster, standby: Cluster) -> Real:
    return Real(leader, standby)


def simulated(like: Real) -> Simulated:
    """The same pair on a simulated host."""
    herd = SimHerd()
    # What is too late or superseded has tests of its own; these orders are bound to nothing.
    herd._heed = lambda *_: None  # type: ignore[method-assign]
    herd.schedule = Schedule(0, {}, None)
    herd.provider.create("here", "a", 1024)
    herd.schedule.clock.now = BEGIN
    address = herd.provider.machines["here"].address
    host = Host(name="here", address=address, port=22, user="herdsite", host_key="")
    subjects = [replace(one, host=host, bind=address) for one in (like.leader, like.standby)]
    _info, files = beside(subjects[0], subjects[1], "two")
    for subject, text in zip(subjects, (KEEP[DYNAMIC], files[DYNAMIC]), strict=True):
        told = dict(SETTING.findall(text))
        disk = herd.clusters[subject.data] = Disk(True, told=told, standby="primary_conninfo" in told)
        disk.wal = [(1, "row")]
        herd.homes[subject.data] = "here"
        herd._places[address, subject.port] = subject.data
    herd.pump()
    return Simulated(herd, herd.ports.shell(host), *subjects)


@pytest.mark.parametrize("seed", range(3))
def test_the_simulator_shows_what_postgresql_does(real: Real, seed: int):
    rng, pair = random.Random(seed), simulated(real)
    assert pair.see() == real.see()
    done = []
    for number in range(8):
        verb, generation = rng.choice(ORDERS), rng.randint(1, 3)
        said = [order(one, verb, generation, number) for one in (real, pair)]
        done.append(f"{verb} {generation}: {said[0]}")
        assert said[0] == said[1], f"PostgreSQL: {done}, the simulator: {said[1]}"
        assert pair.see() == real.see(), done
