"""Hosts, PostgreSQLs and the network between them, in memory and in the schedule's time: the fake herd, with WAL made
of commits, streams that follow links, jobs that take their time, and machines that stop, freeze and reboot.

The WAL of a cluster is a list of records, each a timeline and a label; what stands in it is flushed. A position is
a count of records. A standby streams while its WAL is a beginning of its upstream's and the link between them holds.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from fleet.models import Instance
from fleet.providers.base import RUNNING, STOPPED
from fleet.providers.fake import FakeProvider
from fleet.succession import lsn
from fleet.transports.base import Result, Row
from fleet.transports.fake import Ran
from tests.fakecluster import Cluster, Job
from tests.fakeherd import UPSTREAM, FakeHerd, _section
from tests.sim.schedule import Schedule

FIRST, STEP = 0x3000000, 0x100
PORTAL, CLIENT = "portal", "client"
DATA = re.compile(r"/instances/[^/]+/data$")
QUOTED = re.compile(r'"([^"]+)"')
# How long what a host is told to do in the background takes (s).
TAKES_S = {"start": 0.3, "stop": 0.3, "destroy": 0.3, "stand_by": 1.0, "build": 1.0, "upgrade": 1.0, "analyze": 0.2}
# A receiver that hears nothing stays for so long (s).
RECEIVER_S = 10.0

Record = tuple[int, str]


@dataclass
class Waiter:
    """A session whose commit waits for standbys; `told` is called once it is acknowledged."""

    end: int
    told: Callable[[], None]
    label: str = ""


@dataclass
class Disk(Cluster):
    """`heard_at` is when it last heard of its upstream, `fenced_at` when it was last fenced or halted."""

    wal: list[Record] = field(default_factory=list)
    waiting: list[Waiter] = field(default_factory=list)
    heard_at: float = -1e9
    fenced_at: float = -1e9

    @property
    def required(self) -> list[str]:
        return QUOTED.findall(self.told.get("synchronous_standby_names", ""))

    def write(self, label: str) -> int:
        """One more record, on its timeline. Where it ends."""
        self.wal.append((self.timeline, label))
        return len(self.wal)

    def lost(self, other: "Disk") -> list[Record]:
        """What stands here and not in the other's."""
        theirs = set(other.wal)
        return [record for record in self.wal if record not in theirs]


def _position(self: Disk) -> int:
    return FIRST + STEP * len(self.wal)


# The fake herd sets positions where it moves WAL by hand; here the WAL itself says where it ends.
Disk.lsn = property(_position, lambda _self, _value: None)  # type: ignore[assignment]


class SimProvider(FakeProvider):
    """One whose switches do what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.switched: Callable[[str, str], None] = lambda _name, _state: None

    def _set(self, name: str, state: str) -> None:
        before = self.machines[name].state
        super()._set(name, state)
        if state != before:
            self.switched(name, state)

    def destroy(self, name: str) -> None:
        if name in self.machines:
            self.switched(name, STOPPED)
        super().destroy(name)


class SimHerd(FakeHerd):
    """`cut` are the links that let nothing through, `frozen` the machines whose processes stand still. `replaced` is
    told before a job replaces or removes data, `gone` what was thrown away without a dump, `takes_over` before a
    standby is promoted, `stopped` when an order has stopped a leader; `upon` is what happens when a job begins, by its
    verb."""

    CLUSTER = Disk

    def __init__(self) -> None:
        super().__init__()
        self.provider = SimProvider()
        self.provider.switched = self._switched
        self.cut: set[tuple[str, str]] = set()
        self.frozen: set[str] = set()
        self.homes: dict[str, str] = {}
        self.strays: dict[str, list[Record]] = {}
        self.schedule: Schedule | None = None
        self.upon: list[tuple[str, Callable[[], None]]] = []
        self.dumps: set[tuple[str, str]] = set()
        self.replaced: Callable[[str, str], None] = lambda _verb, _data: None
        self.gone: Callable[[str, list[Record]], None] = lambda _data, _records: None
        self.takes_over: Callable[[str], None] = lambda _data: None
        self.stopped: Callable[[str, str], None] = lambda _verb, _data: None

    def twin(self) -> "SimHerd":
        """Another one that stands as this one does."""
        other = SimHerd()
        other.clusters = {
            data: replace(disk, wal=list(disk.wal), waiting=[], told=dict(disk.told))
            for data, disk in self.clusters.items()
        }
        shared = {id(disk.databases): dict(disk.databases) for disk in self.clusters.values()}
        for disk in other.clusters.values():
            disk.databases = shared[id(disk.databases)]
        other._places, other.homes, other.taken = dict(self._places), dict(self.homes), dict(self.taken)
        mine, theirs = other.provider, self.provider
        mine.machines, mine.endpoints, mine.generations = (
            dict(theirs.machines),
            dict(theirs.endpoints),
            dict(theirs.generations),
        )
        mine._made, mine._given, mine._pending = theirs._made, theirs._given, dict(theirs._pending)
        return other

    # Who reaches whom.

    def reaches(self, who: str, host: str) -> bool:
        """`who` is a host too, or the portal, a worker's place or the clients, which are always there."""
        if (who, host) in self.cut or (host, who) in self.cut or not self.alive(host):
            return False
        return who not in self.provider.machines or self.alive(who)

    def alive(self, host: str) -> bool:
        machine = self.provider.machines.get(host)
        return machine is not None and machine.state == RUNNING and host not in self.frozen

    def host_at(self, address: str) -> str:
        """The machine behind an address, its own or one that leads to it; "" for nowhere."""
        way = self._way(address)
        return next((name for name, machine in self.provider.machines.items() if machine.address == way), "")

    def serving(self, address: str, port: int) -> Disk | None:
        """The cluster that a client finds there, if one lets it in."""
        host = self.host_at(address)
        data = self._places.get((self._way(address), port), "")
        disk = self.clusters.get(data)
        return disk if host and disk and disk.runs and self.alive(host) else None

    def data_of(self, disk: Disk) -> str:
        return next((data for data, one in self.clusters.items() if one is disk), "")

    # What PostgreSQL does by itself.

    def _upstream(self, cluster: Cluster) -> Disk | None:
        """Whom it streams from just now."""
        upstream = self._told_upstream(cluster)
        if upstream is None or not (cluster.standby and cluster.runs and upstream.runs):
            return None
        here, there = self.homes.get(self.data_of(cluster), ""), self.homes.get(self.data_of(upstream), "")
        if not self.reaches(here, there) or upstream.wal[: len(cluster.wal)] != cluster.wal:
            return None
        return upstream

    def _told_upstream(self, cluster: Cluster) -> Disk | None:
        found = UPSTREAM.search(cluster.told.get("primary_conninfo", ""))
        return self.clusters.get(self._places.get((found[1], int(found[2])), "")) if found else None

    def _follows(self, cluster: Cluster, data: str) -> bool:
        upstream = self._upstream(cluster)
        return upstream is not None and self.data_of(upstream) == data

    def pump(self) -> None:
        """WAL goes where it can, and who waited for that is told."""
        for _hop in range(2):
            for disk in self.clusters.values():
                if (upstream := self._upstream(disk)) is not None:
                    disk.heard_at = self._now_s()
                    if len(disk.wal) < len(upstream.wal):
                        disk.wal = list(upstream.wal)
                    disk.timeline = disk.wal[-1][0] if disk.wal else upstream.timeline
        for disk in self.clusters.values():
            if disk.waiting and self.works(disk):
                done = [one for one in disk.waiting if self.confirmed(disk, one.end)]
                disk.waiting = [one for one in disk.waiting if one not in done]
                for one in done:
                    one.told()

    def works(self, disk: Disk) -> bool:
        return disk.runs and self.alive(self.homes.get(self.data_of(disk), ""))

    def confirmed(self, leader: Disk, end: int) -> bool:
        """Whether every standby that its commits wait for streams from it and has flushed that."""
        names = set(leader.required)
        has = {
            one.told.get("primary_slot_name")
            for one in self.clusters.values()
            if self._upstream(one) is leader and len(one.wal) >= end
        }
        return names <= has

    def acknowledging(self) -> list[str]:
        """The data directories of those that could acknowledge a commit to whoever gets in."""
        found = []
        for data, disk in self.clusters.items():
            if not disk.standby and self.works(disk) and self.confirmed(disk, len(disk.wal)):
                found.append(data)
        return found

    def _row(self, cluster: Cluster) -> Row:
        row = super()._row(cluster)
        if cluster.standby:
            silent = self._now_s() - cluster.heard_at
            if row["receiver"] == "none" and silent < RECEIVER_S and not self._refused(cluster):
                row |= {"receiver": "streaming", "heard": lsn.text(cluster.lsn), "heard_s": silent}
            row |= {"receiver_age_s": min(silent, 1e6)}
        return row

    def _refused(self, cluster: Cluster) -> bool:
        """A connection whose other end died is closed; one that was cut off stays for a while."""
        upstream = self._told_upstream(cluster)
        return upstream is None or not upstream.runs or upstream.wal[: len(cluster.wal)] != cluster.wal

    # What hosts are told to do.

    def _sh(self, ran: Ran) -> Result:
        data = next((arg for arg in ran.argv[3:] if DATA.search(arg)), "")
        if data:
            self.homes.setdefault(data, ran.host)
        before = set(self.jobs)
        result = super()._sh(ran)
        for key in set(self.jobs) - before:
            if any("/strays/" in arg for arg in ran.argv):
                self.dumps.add(key)
            self._begin(key, self.jobs[key])
        self.pump()
        return result

    def _begin(self, key: tuple[str, str], job: Job) -> None:
        assert self.schedule
        if job.verb in ("stand_by", "destroy") and job.data in self.clusters:
            self.replaced(job.verb, job.data)
            self._stops(self.clusters[job.data])
        for verb, what in [one for one in self.upon if one[0] == job.verb]:
            self.upon.remove((verb, what))
            self.schedule.at(self.schedule.now + 0.001, what)
        boots = self.boots[key[0]]
        takes = TAKES_S[job.verb] * (0.5 + self.schedule.draw(f"takes:{key}").random())
        self.schedule.note(f"{key[0]}: begins {key[1]}")
        self.schedule.at(self.schedule.now + takes, lambda: self._comes_to_end(key, job, boots))

    def _comes_to_end(self, key: tuple[str, str], job: Job, boots: int) -> None:
        assert self.schedule
        if self.jobs.get(key) is not job:
            return
        if key[0] in self.frozen:
            self.schedule.at(self.schedule.now + 1.0, lambda: self._comes_to_end(key, job, boots))
            return
        if self.boots[key[0]] != boots or not self.alive(key[0]):
            job.state = "lost"
            return
        job.state = "failed" if job.verb in self.fails or not self._can_end(job) else "done"
        self.schedule.note(f"{key[0]}: {key[1]} is {job.state}")
        if job.state == "done":
            self._ended(job)
            self.pump()

    def _can_end(self, job: Job) -> bool:
        disk = self.clusters.get(job.data)
        if job.verb == "start":
            return disk is not None and not disk.fenced
        if job.verb == "stand_by":
            return self._source(job) is not None
        return True

    def _source(self, job: Job) -> Disk | None:
        """Whom a standby that is being made is copied or rewound from."""
        found = UPSTREAM.search(_section(job.sql, "herdsite.conf"))
        upstream = self.clusters.get(self._places.get((found[1], int(found[2])), "")) if found else None
        if upstream is None or not upstream.runs or upstream is self.clusters.get(job.data):
            return None
        return upstream if self.reaches(self.homes[job.data], self.homes[self.data_of(upstream)]) else None

    def _ended(self, job: Job) -> None:
        source = self._source(job) if job.verb == "stand_by" else None
        if source is not None:
            disk = self.clusters.setdefault(job.data, Disk())
            if stray := disk.lost(source):
                if any(self.jobs.get(key) is job for key in self.dumps):
                    self.strays.setdefault(job.data, []).extend(stray)
                else:
                    self.gone(job.data, stray)
            disk.wal, disk.timeline = list(source.wal), source.timeline
        super()._ended(job)
        if source is not None:
            self.clusters[job.data].databases = source.databases

    def _now(self, verb: str, ran: Ran) -> Result:
        data = next((arg for arg in ran.argv[3:] if DATA.search(arg)), "")
        disk = self.clusters.get(data)
        streams = [one for one in self.clusters.values() if self._follows(one, data)]
        ran_before, stood_by = bool(disk and disk.runs), bool(disk and disk.standby)
        if verb == "promote" and stood_by and ran_before:
            self.takes_over(data)
        result = super()._now(verb, ran)
        if disk is None:
            return result
        if verb in ("fence", "halt"):
            disk.fenced_at = self._now_s()
        if ran_before and not disk.runs:
            if not stood_by:
                self.stopped(verb, data)
            if verb == "halt":
                disk.write("checkpoint")
                for one in streams:
                    one.wal = list(disk.wal)
            self._stops(disk)
        if stood_by and not disk.standby:
            disk.write("promoted")
        if self.schedule:
            self.schedule.note(f"{ran.host}: {verb} {data.split('/')[-2]} → {result.code} {result.err}".rstrip())
        return result

    def _stops(self, disk: Disk) -> None:
        disk.runs = False
        disk.waiting.clear()

    # What befalls machines.

    def crash(self, host: str) -> None:
        """The postmasters on it die."""
        for data, disk in self.clusters.items():
            if self.homes.get(data) == host:
                self._stops(disk)

    def boot(self, host: str) -> None:
        """It was off, or hung, and is there again, without a postmaster."""
        self.crash(host)
        self.frozen.discard(host)
        self.boots[host] += 1

    def _switched(self, host: str, state: str) -> None:
        if state == RUNNING:
            self.boot(host)
        else:
            self.crash(host)
            self.frozen.discard(host)
        self.pump()

    def _now_s(self) -> float:
        return self.schedule.now if self.schedule else 0.0

    def run(self, instance: Instance) -> Cluster:
        cluster = super().run(instance)
        self.homes[instance.data] = instance.server.name
        return cluster


def links(herd: SimHerd) -> Iterator[tuple[str, str]]:
    """Every link that may be cut."""
    hosts = sorted(herd.provider.machines)
    for host in hosts:
        yield (PORTAL, host)
        yield (CLIENT, host)
    for number, one in enumerate(hosts):
        for other in hosts[number + 1 :]:
            yield (one, other)
