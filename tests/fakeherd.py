"""A herd without a wire, for tests of beats: hosts that run detached jobs, PostgreSQLs that come and go with them, and
one provider. All of it lives in memory, and whatever a test breaks stays broken until it is mended.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from fleet import jobs, listeners
from fleet.models import Instance, Server
from fleet.ports import Ports
from fleet.postgres import copy_scripts, prologue, rest_scripts, scripts, tenant_scripts, upgrade_scripts
from fleet.postgres.config import DYNAMIC, MONITOR, RESERVE
from fleet.providers.fake import FakeProvider
from fleet.succession import lsn
from fleet.transports.base import Database, Refused, Result, Row, Unreachable
from fleet.transports.fake import FakeShell, Ran, World
from tests.fakecluster import Cluster, Job

VERBS = {
    scripts.BUILD: "build",
    scripts.START: "start",
    scripts.RESTART: "start",
    scripts.STOP: "stop",
    scripts.DESTROY: "destroy",
    copy_scripts.STANDBY: "stand_by",
    copy_scripts.RESTORE: "build",
    rest_scripts.REST: "rest",
    upgrade_scripts.UPGRADE: "upgrade",
    upgrade_scripts.AFTERWARDS: "analyze",
}
# What answers at once.
NOW = {
    scripts.CONFIGURE: "configure",
    scripts.PROMOTE: "promote",
    scripts.FENCE: "fence",
    scripts.HALT: "halt",
    scripts.UNFENCE: "unfence",
    scripts.CLEAR: "clear",
    upgrade_scripts.LEAD: "lead",
}
# What is done to a tenant's sessions: DATA ORDER DATABASE OWNER.
TENANTS = {
    tenant_scripts.END_SESSIONS: "end_sessions",
    tenant_scripts.SUSPEND: "suspend",
    tenant_scripts.LIFT: "lift",
}
SETTING = re.compile(r"^([\w.]+) = '(.*)'$", re.MULTILINE)
UPSTREAM = re.compile(r"host=(\S+) port=(\d+)")
CREATE = re.compile(r'CREATE DATABASE "?(\w+)"? OWNER "?(\w+)')
DROP = re.compile(r'DROP DATABASE IF EXISTS "?(\w+)')
WELL: dict[str, Any] = {
    "service_available": True,
    "in_recovery": False,
    "read_only": False,
    "can_write": True,
    "version": 170010,
} | dict.fromkeys(("heard", "heard_s", "at", "received", "replayed"))


class FakeHerd:
    """`begun` counts how often each job really began; `fails` are the verbs whose jobs end badly, `refuses` those that
    are done at once and will not be; `did` what was, each with its data directory; `silent` the "address:port" that no
    longer answer SQL, `asked` all that did; a host is silenced through `world.fail`. `taken` is the last order that
    each data directory has taken (whose, of which reign, its epoch), `left` the names of WAL that can't be archived by
    hand, and `slept_s` how long all hosts were up beyond what passed here: what is under way meanwhile comes late.
    `listens` is what each host's kernel says of the programs that listen there and are not ours. `instead` has for a
    verb what happens in its place: it gets what does the verb, and answers for the host. `CLUSTER` is what its data
    directories are made of."""

    CLUSTER = Cluster

    def __init__(self) -> None:
        self.world, self.provider = World(), FakeProvider()
        self.clusters: dict[str, Cluster] = {}
        self.jobs: dict[tuple[str, str], Job] = {}
        self.begun: Counter[str] = Counter()
        self.boots: Counter[str] = Counter()
        self.taken: dict[str, tuple[str, int, int]] = {}
        self.slept_s = 1000.0
        self.listens: dict[str, list[str]] = {}
        self.instead: dict[str, Callable[[Callable[[], Result]], Result]] = {}
        self.left = ""
        self.fails: set[str] = set()
        self.refuses: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[Database] = []
        self.did: list[tuple[str, str]] = []
        self._places: dict[tuple[str, int], str] = {}
        self.world.on(lambda ran: ran.argv[:2] == ("sh", "-c"), self._sh)
        self.world.on(lambda ran: ran.argv[0].endswith("/psql"), self._psql)
        self.world.on(lambda ran: ran.argv[-1].endswith(rest_scripts.SAID), self._rest)
        self.world.on(lambda ran: ran.argv[0].endswith("/postgres"), Result(0, "postgres (PostgreSQL) 18.4\n", "", 0.0))
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
        data = self._places.get((self._way(database.address), database.port), "")
        place = f"{self._way(database.address)}:{database.port}"
        if place in self.silent or data not in self.clusters or not self.clusters[data].runs:
            raise Unreachable(f"{place}: connection refused")
        owner = MONITOR if database.dbname == "postgres" else self.clusters[data].databases.get(database.dbname)
        if owner != database.user:
            raise Refused(f"{place}: {database.user} is not let into {database.dbname}", "3D000")
        self.asked.append(database)
        told = {"generation": int(self.clusters[data].told.get("herdsite.generation", 0))}
        return [[WELL | told | self._row(self.clusters[data])] for _statement in statements]

    def _way(self, address: str) -> str:
        """Where a stable address leads to; any other leads to itself."""
        for endpoint in self.provider.endpoints.values():
            if endpoint.address == address:
                return self.provider.machines[endpoint.machine].address if endpoint.machine else ""
        return address

    def _row(self, cluster: Cluster) -> Row:
        """What the statements of probes and changeovers find, all in one."""
        size = {"capacity": f"max_connections={cluster.connections}" if cluster.connections else None}
        size["restart_pending"] = int(cluster.told.get("max_connections", cluster.conf)) != cluster.connections
        if cluster.standby:
            feeds = self._upstream(cluster)
            cluster.needs = feeds.connections if feeds else cluster.needs
            size["replay_paused"] = cluster.stands_still
            at = lsn.text(cluster.lsn)
            heard = {"heard": at, "heard_s": 0.1, "receiver": "streaming"} if feeds else {"receiver": "none"}
            rest = {
                "in_recovery": True,
                "can_write": False,
                "at": at,
                "received": at,
                "replayed": at,
                "received_lsn": at,
            }
            return rest | size | {"timeline_id": cluster.timeline, "heard": None, "heard_s": None} | heard
        names = cluster.told.get("synchronous_standby_names", "")
        streams = [
            f"{name}:true:{'sync' if name in names else 'async'}:{int(name in names)}:{lsn.text(one.lsn)}"
            for one in self.clusters.values()
            if self._upstream(one) is cluster and (name := one.told["primary_slot_name"])
        ]
        return size | {
            "lsn": lsn.text(cluster.lsn),
            "timeline_id": cluster.timeline,
            "sync_setting": names,
            "sync_serial": int(cluster.told.get("herdsite.serial", 0)),
            "sync_settled": True,
            "sync_lsn": lsn.text(cluster.lsn),
            "streams": ",".join(streams),
        }

    def _upstream(self, cluster: Cluster) -> Cluster | None:
        """Whom a standby streams from, if it does."""
        found = UPSTREAM.search(cluster.told.get("primary_conninfo", ""))
        if not (cluster.standby and cluster.runs and found):
            return None
        upstream = self.clusters.get(self._places.get((found[1], int(found[2])), ""))
        return upstream if upstream and upstream.runs and upstream.timeline >= cluster.timeline else None

    # What happens on hosts.

    def _sh(self, ran: Ran) -> Result:
        """What is done at once is known by its script. Cleaning a job has two arguments, a probe three, and what begins
        a job brings its script along. An order comes after the data directory."""
        if ran.argv[2] == prologue.ANCHOR:
            return _said(f"boot_id={self._boot(ran.host)}\nuptime_s={self._uptime_s():.2f}")
        if ran.argv[2] == scripts.AS_DEPUTY:
            return _said("")
        if ran.argv[2] in TENANTS:
            if refusal := self._heed(ran.host, ran.argv[5], ran.argv[6]):
                return refusal
            self.did.append((TENANTS[ran.argv[2]], ran.argv[7]))
            return _said("ended=2")
        if ran.argv[2] == listeners.ASK:
            return _said("\n".join(self.listens.get(ran.host, ())))
        if ran.argv[2] in NOW or len(ran.argv) > 10:
            at = 5 if ran.argv[2] in NOW else 9
            if refusal := self._heed(ran.host, ran.argv[at], ran.argv[at + 1]):
                return refusal
        if verb := NOW.get(ran.argv[2]):
            happens = self.instead.get(verb, lambda do: do())
            return happens(lambda: self._now(verb, ran))
        if ran.argv[2].endswith(jobs.LOOK):
            begun = self.jobs.get((ran.host, ran.argv[5]))
            return _said(f"job={begun.state if begun else 'none'}\njob_why=no word\n")
        if len(ran.argv) == 6:
            self.jobs.pop((ran.host, ran.argv[5]), None)
            return _said("")
        if len(ran.argv) == 7:
            return _said(self._probe(ran.host, data=ran.argv[5], job=ran.argv[6]))
        job, script, data, stdin = ran.argv[5], ran.argv[7], ran.argv[9], ran.stdin.decode()
        if (ran.host, job) not in self.jobs:
            self.begun[job] += 1
            self.jobs[ran.host, job] = Job(VERBS[script], data, stdin)
            if VERBS[script] in ("build", "stand_by"):
                self._places[self.provider.machines[ran.host].address, _port(ran)] = data
        return _said("")

    def _boot(self, host: str) -> str:
        return f"boot-{self.boots[host]}"

    def _uptime_s(self) -> float:
        return time.monotonic() + self.slept_s

    def _heed(self, host: str, data: str, order: str) -> Result | None:
        """As fleet/postgres/prologue.py does; what it answers to an order that it does not take."""
        plane, reign, epoch, boot, limit = order.split()
        assert boot != "-", f"an order to {data} is bound to no time"
        if boot != self._boot(host) or int(self._uptime_s()) >= int(limit):
            return Result(prologue.LATE, "", "too late", 0.01)
        had = self.taken.get(data)
        if had and (had[0] != plane or had[1] > int(reign) or had[2] > int(epoch)):
            return Result(prologue.SUPERSEDED, "", f"the host has taken a newer order than {order}: {had}", 0.01)
        self.taken[data] = (plane, int(reign), int(epoch))
        return None

    def _now(self, verb: str, ran: Ran) -> Result:
        if verb == "clear":
            self.jobs.pop((ran.host, ran.argv[8]), None)
            return _said("")
        data, told = ran.argv[5], dict(SETTING.findall(_section(ran.stdin.decode(), DYNAMIC)))
        cluster = self.clusters.get(data)
        self.did.append((verb, data))
        if cluster is None:
            return Result(1, "", f"{data} is not there", 0.01)
        if verb in self.refuses:
            return Result(1, "", f"it does not {verb}", 0.01)
        if verb == "promote":
            told = cluster.told | {"herdsite.generation": ran.argv[7]}
        if verb in ("configure", "promote"):
            if not cluster.newer(told):
                return Result(3, "", "this order is older than one that was taken", 0.01)
            cluster.told = told
        if verb == "lead":
            cluster.told, cluster.runs, cluster.standby, cluster.timeline = told, True, False, 1
        elif verb == "promote":
            if not cluster.runs:
                return Result(1, "", "no server running", 0.01)
            if cluster.stands_still:
                return Result(1, "", "promotion is not possible because of insufficient parameter settings", 0.01)
            cluster.timeline += cluster.standby
            cluster.standby = False
        elif verb in ("fence", "halt"):
            cluster.runs, cluster.fenced = False, int(ran.argv[-1])
            for one in self.clusters.values():
                if verb == "halt" and self._follows(one, data):
                    one.lsn = cluster.lsn + 1
        elif verb == "unfence":
            if cluster.fenced > int(ran.argv[-1]):
                return Result(3, "", "it was fenced by a later generation", 0.01)
            cluster.runs, cluster.fenced = True, 0
        return _said(f"lsn={lsn.text(cluster.lsn)}\ntimeline_id={cluster.timeline}\nforked_lsn={lsn.text(cluster.lsn)}")

    def _follows(self, cluster: Cluster, data: str) -> bool:
        """Whether this one is told to stream from there."""
        found = UPSTREAM.search(cluster.told.get("primary_conninfo", ""))
        return bool(cluster.standby and cluster.runs and found and self._places.get((found[1], int(found[2]))) == data)

    def _rest(self, ran: Ran) -> Result:
        cluster = self.clusters[ran.argv[-1].removesuffix(f"/{rest_scripts.SAID}")]
        return _said(f"archived=3\nleft={self.left}\nend={lsn.text(cluster.lsn)}\n")

    def _probe(self, host: str, data: str, job: str) -> str:
        there = self.clusters.get(data)
        words = {"postmaster": bool(there and there.runs), "data_dir": there is not None}
        lines = [f"{name}={str(value).lower()}" for name, value in words.items()]
        state = self.jobs[host, job].state if (host, job) in self.jobs else "none"
        lines += ["ssh=true", f"boot_id={self._boot(host)}", f"uptime_s={self._uptime_s():.2f}", f"job={state}"]
        lines += [f"host_epoch={self.taken[data][2]}"] if data in self.taken else []
        lines += ["job_why=no space left on device"] if state == "failed" else []
        return "\n".join(
            ["=== upgrade", *lines, "=== host", *lines, "=== reach", f"boot_id={self._boot(host)}", "load1=0.25"]
        )

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
            return
        cluster = self.clusters.setdefault(job.data, self.CLUSTER())
        if job.verb == "stand_by":
            cluster.standby, cluster.fenced = True, 0
        if job.verb not in ("analyze", "rest"):
            cluster.runs = job.verb not in ("stop", "upgrade") and not cluster.fenced
        if job.verb in ("build", "stand_by"):
            cluster.told = dict(SETTING.findall(_section(job.sql, DYNAMIC)))
            born = dict(SETTING.findall(_section(job.sql, "postgresql.conf")))
            cluster.conf = int(born.get("max_connections", cluster.conf))
        if cluster.runs:
            cluster.start()
        if (upstream := self._upstream(cluster)) is not None:
            cluster.databases, cluster.timeline = upstream.databases, upstream.timeline
            cluster.lsn = upstream.lsn
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
        cluster = self.clusters[instance.data] = self.CLUSTER(conf=instance.plan.connections + RESERVE)
        cluster.start()
        self._places[instance.server.address, instance.port] = instance.data
        for resource in instance.resources.all():
            cluster.databases[resource.dbname] = resource.credentials.get().role
        return cluster

    def place(self, instance: Instance) -> str:
        return f"{instance.server.address}:{instance.port}"


def _port(ran: Ran) -> int:
    """The port with which psql is called, or that a standby is configured with."""
    if "-p" in ran.argv:
        return int(ran.argv[ran.argv.index("-p") + 1])
    return int(dict(SETTING.findall(_section(ran.stdin.decode(), "postgresql.conf")))["port"])


def _section(text: str, name: str) -> str:
    """One of the files that come on a script's stdin."""
    return text.partition(f"=== {name}\n")[2].partition("\n===")[0] + "\n"


def _said(out: str) -> Result:
    return Result(0, out, "", 0.01)
