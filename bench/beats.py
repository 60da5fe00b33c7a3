"""`beats`: full beats (felt, recorded, thought, released) over the bare loop: the same new connections with the same
statement, from as many processes and threads, their results thrown away. Both in turns, medians of the rounds.

The load is 500 databases with TLS and SCRAM on 5 instances. The age is measured apart, at the rate that 10,000
resources visited once a minute ask for.
"""

import itertools
import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connection, connections
from django.db.models.functions import Now

from bench.postgres import Bare
from bench.setup import say
from fleet import context, policy, ring
from fleet.models import Credential, Customer, Instance, Plan, Resource, Server, Timeline
from fleet.postgres import roles
from fleet.postgres.roles import Limits
from fleet.postgres.scram import scram
from fleet.postgres.tls import authority, certificate
from fleet.providers.local import spawn
from fleet.subject import RESOURCE
from fleet.transports.base import Database
from fleet.transports.sql import PsycopgSql
from herdsite.turns import Turn
from herdsite.wiring import ports
from observations import retention
from observations.probes.base import SQL, sql_question
from observations.probes.table import PROBES

INSTANCES, DATABASES = 5, 100
PORT = 25_432
PROCESSES = 2
ASKED_PER_S = 10_000 / 60


def measure(quick: bool) -> dict[str, Any]:
    rounds, seconds = (2, 4.0) if quick else (5, 10.0)
    retention.keep()
    clusters = [_cluster(n) for n in range(INSTANCES)]
    try:
        _register()
        say(f"{INSTANCES * DATABASES} databases on {INSTANCES} instances")
        _together(_beat, 2 * seconds)  # the first look at each thing asks everything, the bare loop never does
        raw, full, rss = [], [], 0.0
        for n in range(rounds):
            raw.append(sum(_together(_raw, seconds)) / seconds)
            told = _together(_beat, seconds)
            full.append(sum(beats for beats, _rss in told) / seconds)
            rss = max(rss, *(mb for _beats, mb in told))
            say(f"round {n + 1}: bare {raw[-1]:.0f}/s, beats {full[-1]:.0f}/s, ratio {full[-1] / raw[-1]:.2f}")
        interval = INSTANCES * DATABASES / ASKED_PER_S
        Plan.objects.filter(name="bench").update(beat_s=interval)
        _together(_beat, 4 * interval)
        age = _p99_age()
        say(f"at {ASKED_PER_S:.0f} beats/s asked: p99 age {age:.2f} s of an interval of {interval:.1f} s")
        return {
            "resources": INSTANCES * DATABASES,
            "raw_per_s": round(median(raw), 1),
            "beats_per_s": round(median(full), 1),
            "ratio": round(median(b / r for b, r in zip(full, raw, strict=True)), 3),
            "p99_age_s": round(age, 3),
            "interval_s": round(interval, 3),
            "worker_rss_mb": round(rss, 1),
        }
    finally:
        for cluster in clusters:
            cluster.stop()


def _cluster(n: int) -> Bare:
    """One instance with its databases, as herdsite would have made them."""
    bare = Bare(spawn.land(settings.VAR / "raw") / f"i{n}", PORT + n)
    bare.init()
    shown = certificate([f"bench-{n}", "127.0.0.1"], authority("bench"))
    for name, pem in (("server.crt", shown.cert), ("server.key", shown.key)):
        path = bare.data / name
        path.write_text(pem)
        path.chmod(0o600)
        os.chown(path, spawn.owner().pw_uid, spawn.owner().pw_gid)
    bare.configure("ssl = on\nmax_connections = 200\nshared_buffers = 128MB\nfsync = off\n")
    hba = bare.data / "pg_hba.conf"
    hba.write_text("local all all trust\nhostssl all all 127.0.0.0/8 scram-sha-256\n")
    bare.start()
    verifier = scram(_password(n))
    for m in range(DATABASES):
        bare.sql(roles.create_resource(f"d{n}x{m}", f"u{n}x{m}", verifier, Limits(20, 100)))
    return bare


def _password(n: int) -> str:
    return f"bench {n}"


def _register() -> None:
    """The same databases as herdsite knows them: everything available, always due."""
    plan = Plan.objects.create(
        name="bench", label="Bench", tier="starter", memory_mb=64, disk_mb=64, connections=20, beat_s=0.001, doubt_s=60,
        shared_by=DATABASES,
    )  # fmt: skip
    customer = Customer.objects.create(name="bench")
    server = Server.objects.create(name="bench", address="127.0.0.1", state="available", due_at=None)
    for n in range(INSTANCES):
        instance = Instance.objects.create(
            name=f"bench-{n}", server=server, timeline=Timeline.objects.create(name=f"bench-{n}"), plan=plan,
            port=PORT + n, state="available", due_at=None,
        )  # fmt: skip
        resources = Resource.objects.bulk_create(
            Resource(
                name=f"bench-{n}-{m}", customer=customer, plan=plan, instance=instance, dbname=f"d{n}x{m}",
                state="available", queue=policy.FEEL, due_at=Now(),
            )
            for m in range(DATABASES)
        )  # fmt: skip
        Credential.objects.bulk_create(
            Credential(purpose=Credential.OWNER, resource=r, role=f"u{r.dbname[1:]}", secret=_password(n))
            for r in resources
        )


def _together(work: Any, seconds: float) -> list[Any]:
    """Run `work(seconds, number)` in all processes at once; what each returned."""
    connections.close_all()
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        return pool.starmap(work, [(seconds, n) for n in range(PROCESSES)])


def _raw(seconds: float, number: int) -> int:
    """The bare loop: connect, ask, throw away."""
    targets = _targets()
    connections.close_all()
    sql, end = PsycopgSql(), time.monotonic() + seconds

    def one(thread: int) -> int:
        count = 0
        for database, question in itertools.islice(itertools.cycle(targets), (number * 16 + thread) * 7, None):
            if time.monotonic() >= end:
                return count
            sql.fetch(database, question, timeout=policy.SQL_TIMEOUT_S, read_only=False)
            count += 1
        return count

    threads = settings.QUEUES[policy.FEEL]["threads"]
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(one, range(threads)))


def _targets() -> list[tuple[Database, list[str]]]:
    """Every database with the statements of an ordinary beat: those of the probes that look each time."""
    claim = ring.Claim(uuid4(), list(Resource.objects.values_list("pk", flat=True)), datetime.now(UTC))
    found = []
    for loaded in context.load(RESOURCE, claim, "bench"):
        probes = [probe for probe in PROBES if probe.kind == RESOURCE and probe.over == SQL and not probe.every]
        assert probes and loaded.subject.database
        found.append((loaded.subject.database, sql_question(probes, loaded.subject)))
    return found


def _beat(seconds: float, number: int) -> tuple[int, float]:
    """A worker's turn, as django-q would run it."""
    turn = Turn(policy.FEEL, ports(), f"bench/{number}")
    beats = turn.run(seconds)
    with open("/proc/self/statm") as statm:
        return beats, int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _p99_age() -> float:
    """The 99th percentile of the time since each thing was last felt (s)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM (SELECT max(felt_at) FROM fleet_resource) - felt_at)::float8 FROM fleet_resource"
        )
        return quantiles([row[0] for row in cursor.fetchall()], n=100)[98]
