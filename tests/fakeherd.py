"""A herd without a wire, for tests of beats: hosts that run detached jobs, PostgreSQLs that come and go with them, and
one provider. All of it lives in memory, and whatever a test breaks stays broken until it is mended.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet.models import Instance, Server
from fleet.ports import Ports
from fleet.postgres import scripts
from fleet.postgres.config import MONITOR
from fleet.providers.fake import FakeProvider
from fleet.transports.base import Database, Refused, Result, Row, Unreachable
from fleet.transports.fake import FakeShell, Ran, World

VERBS = {
    scripts.BUILD: "build",
    scripts.START: "start",
    scripts.RESTART: "start",
    scripts.STOP: "stop",
    scripts.DESTROY: "destroy",
}
CREATE = re.compile(r'CREATE DATABASE "?(\w+)"? OWNER "?(\w+)')
DROP = re.compile(r'DROP DATABASE IF EXISTS "?(\w+)')
WELL = {"service_available": True, "in_recovery": False, "read_only": False, "can_write": True, "version": 170010}


@dataclass
class Cluster:
    """One data directory: whether a postmaster runs on it, and which databases it has, each with its owner."""

    runs: bool = False
    databases: dict[str, str] = field(default_factory=dict)


@dataclass
class Job:
    verb: str
    data: str
    sql: str
    state: str = "running"


class FakeHerd:
    """`begun` counts how often each job really began; `fails` are the verbs whose jobs end badly; `silent` the
    "address:port" that no longer answer SQL, `asked` all that did; a host is silenced through `world.fail`."""

    def __init__(self) -> None:
        self.world, self.provider = World(), FakeProvider()
        self.clusters: dict[str, Cluster] = {}
        self.jobs: dict[tuple[str, str], Job] = {}
        self.begun: Counter[str] = Counter()
        self.boots: Counter[str] = Counter()
        self.fails: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[Database] = []
        self._places: dict[tuple[str, int], str] = {}
        self.world.on(lambda ran: ran.argv[:2] == ("sh", "-c"), self._sh)
        self.world.on(lambda ran: ran.argv[0].endswith("/psql"), self._psql)
        self.ports = Ports(
            shell=lambda host: FakeShell(host, self.world),
            sql=self,
            provider=lambda _name: self.provider,
            host_key=lambda address, _port: f"ssh-ed25519 FAKE-{address}",
        )

    # What the Sql port asks.

    def fetch(
        self, database: Database, statements: Sequence[str], timeout: float = 2.0, read_only: bool = True
    ) -> list[list[Row]]:
        place = f"{database.address}:{database.port}"
        data = self._places.get((database.address, database.port), "")
        if place in self.silent or data not in self.clusters or not self.clusters[data].runs:
            raise Unreachable(f"{place}: connection refused")
        owner = MONITOR if database.dbname == "postgres" else self.clusters[data].databases.get(database.dbname)
        if owner != database.user:
            raise Refused(f"{place}: {database.user} is not let into {database.dbname}", "3D000")
        self.asked.append(database)
        return [[dict(WELL)] for _statement in statements]

    # What happens on hosts.

    def _sh(self, ran: Ran) -> Result:
        """Cleaning a job has two arguments, a probe three, and what begins a job brings its script along."""
        if len(ran.argv) == 6:
            self.jobs.pop((ran.host, ran.argv[5]), None)
            return _said("")
        if len(ran.argv) == 7:
            return _said(self._probe(ran.host, data=ran.argv[5], job=ran.argv[6]))
        job, script, data, stdin = ran.argv[5], ran.argv[7], ran.argv[9], ran.stdin.decode()
        if (ran.host, job) not in self.jobs:
            self.begun[job] += 1
            self.jobs[ran.host, job] = Job(VERBS[script], data, stdin)
            if VERBS[script] == "build":
                self._places[self.provider.machines[ran.host].address, _port(ran)] = data
        return _said("")

    def _probe(self, host: str, data: str, job: str) -> str:
        there = self.clusters.get(data)
        words = {"postmaster": bool(there and there.runs), "data_dir": there is not None}
        lines = [f"{name}={str(value).lower()}" for name, value in words.items()]
        state = self.jobs[host, job].state if (host, job) in self.jobs else "none"
        lines += ["ssh=true", f"boot_id=boot-{self.boots[host]}", f"job={state}"]
        lines += ["job_why=no space left on device"] if state == "failed" else []
        return "\n".join(["=== host", *lines, "=== reach", f"boot_id=boot-{self.boots[host]}", "load1=0.25"])

    def _psql(self, ran: Ran) -> Result:
        data = self._places.get((self.provider.machines[ran.host].address, _port(ran)), "")
        if data not in self.clusters or not self.clusters[data].runs:
            return Result(2, "", "psql: error: could not connect", 0.01)
        self._run_sql(data, ran.stdin.decode())
        return _said("")

    def _run_sql(self, data: str, sql: str) -> None:
        databases = self.clusters[data].databases
        databases |= dict(CREATE.findall(sql))
        for name in DROP.findall(sql):
            databases.pop(name, None)

    def pass_time(self) -> None:
        """Every job that runs comes to its end."""
        for job in self.jobs.values():
            if job.state == "running":
                job.state = "failed" if job.verb in self.fails else "done"
                if job.state == "done":
                    self._ended(job)

    def _ended(self, job: Job) -> None:
        if job.verb == "destroy":
            self.clusters.pop(job.data, None)
        else:
            self.clusters.setdefault(job.data, Cluster()).runs = job.verb != "stop"
        if job.verb == "build":
            self._run_sql(job.data, job.sql)

    # What tests do to it.

    def machine(self, **fields: Any) -> Server:
        """A server whose machine runs and which the herd knows already. `fields` are the model's."""
        server = Server(**{"name": f"herd-a-{len(self.provider.machines) + 1}", "state": "available"} | fields)
        self.provider.create(server.name, server.zone, server.disk_mb)
        machine = self.provider.describe(server.name)
        server.address, server.host_key, server.home = (
            machine.address,
            machine.host_key or "ssh-ed25519 X",
            machine.home,
        )
        server.pg = {str(major): path for major, path in machine.pg.items()}
        server.queue = "feel"
        server.save(force_insert=True)
        return Server.objects.get(pk=server.pk)

    def run(self, instance: Instance) -> Cluster:
        """Its PostgreSQL runs, as if built long ago, with the databases of its resources."""
        cluster = self.clusters[instance.data] = Cluster(True)
        self._places[instance.server.address, instance.port] = instance.data
        for resource in instance.resources.all():
            cluster.databases[resource.dbname] = resource.credentials.get().role
        return cluster

    def place(self, instance: Instance) -> str:
        return f"{instance.server.address}:{instance.port}"


def _port(ran: Ran) -> int:
    """The port with which psql is called."""
    return int(ran.argv[ran.argv.index("-p") + 1])


def _said(out: str) -> Result:
    return Result(0, out, "", 0.01)
