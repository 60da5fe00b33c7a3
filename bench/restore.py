"""How long a fork of a filled database takes from the asking to available, over a bare copy of the same base backup and
bare replay of the same WAL; and how old the last archived segment gets while pgbench writes."""

import os
import shutil
import time
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings

from bench.postgres import Bare
from bench.provision import PROCESSES, herdsite, until
from bench.setup import say
from fleet import copies, intents, subjects
from fleet.models import Backup, Customer, Resource, Server, Timeline
from fleet.providers.local import spawn
from fleet.providers.local.binaries import binaries
from observations import retention

PORT = 25_732
# pgbench's scale that makes a gigabyte.
SCALE = 68
PATIENCE_S = 600.0


def measure(quick: bool, mb: int) -> dict[str, Any]:
    scale = max(1, SCALE * mb // 1000)
    runs, load_s = (1, 10) if quick else (3, 120)
    retention.keep()
    root = spawn.land(settings.VAR / "raw")
    spawn.give(root, 0o755)
    customer = Customer.objects.create(name="bench")
    bare, restore = [], []
    with herdsite((*PROCESSES, "worker slow")):
        servers = [intents.create_server(f"bench-{zone}", actor="bench", zone=zone, capacity=50) for zone in "ab"]
        until(lambda: _available(Server, servers))
        source = intents.create_resource(customer, "standard-1", actor="bench")
        until(lambda: _available(Resource, [source]))
        source = Resource.objects.select_related("instance__server", "instance__timeline").get(pk=source.pk)
        timeline = source.instance.timeline
        _pgbench(source, "-i", "-s", str(scale), "-q")
        backup = _backup(timeline)
        say(f"a database of scale {scale} has a base backup of {(backup.bytes or 0) >> 20} MB")
        oldest = _under_load(source, timeline, load_s)
        for n in range(runs):
            restore.append(_fork(source))
            bare.append(bare_restore(timeline, backup, Bare(root / f"copy-{n}", PORT + n)))
            say(f"run {n + 1}: bare {bare[-1]:.2f} s, restore {restore[-1]:.2f} s")
    return {
        "ratio": round(median(r / b for r, b in zip(restore, bare, strict=True)), 2),
        "restore_s": round(median(restore), 2),
        "bare_s": round(median(bare), 2),
        "archive_age_max_s": round(oldest, 1),
    }


def bare_restore(timeline: Timeline, backup: Backup, copy: Bare) -> float:
    """Seconds of cp + replay to the end of the archive, nothing else."""
    place = Path(settings.ARCHIVE_ROOT) / timeline.place
    began = time.monotonic()
    copy.restored(place / "backups" / backup.label / "data", place / "wal")
    copy.start()
    while copy.ask("SELECT pg_is_in_recovery()") != "f":
        time.sleep(0.05)
    took = time.monotonic() - began
    copy.stop()
    shutil.rmtree(copy.folder)
    return took


def _fork(source: Resource) -> float:
    began = time.monotonic()
    fork = copies.fork(Resource.objects.get(pk=source.pk), actor="bench")
    until(lambda: _available(Resource, [fork]), 0.01)
    took = time.monotonic() - began
    intents.ask(fork, "destroy", actor="bench", confirm=fork.name, reason="it was only measured")
    until(lambda: Resource.objects.filter(pk=fork.pk, state="destroyed").exists())
    return took


def _backup(timeline: Timeline) -> Backup:
    """A base backup of what is there now."""
    kept = Backup.objects.filter(timeline=timeline, state="kept").order_by("-ended_at")
    before = kept.count()
    intents.ask(timeline, "backup", actor="bench")
    end = time.monotonic() + PATIENCE_S
    while kept.count() <= before and time.monotonic() < end:
        time.sleep(0.1)
    return kept[0]


def _under_load(source: Resource, timeline: Timeline, seconds: int) -> float:
    """The greatest age (s) that the newest archived segment had while pgbench wrote for so long."""
    wal, oldest = Path(settings.ARCHIVE_ROOT) / timeline.place / "wal", 0.0
    running = _begin(source, "-c", "4", "-T", str(seconds))
    while running.poll() is None:
        newest = max((one.stat().st_mtime for one in os.scandir(wal) if one.name.endswith(".gz")), default=time.time())
        oldest = max(oldest, time.time() - newest)
        time.sleep(0.5)
    return oldest


def _pgbench(source: Resource, *words: str) -> None:
    if _begin(source, *words).wait():
        raise RuntimeError("pgbench failed; `bin/bench restore --keep` leaves var/bench to look at")


def _begin(source: Resource, *words: str) -> Any:
    database = subjects.database_of(source)
    if database is None:
        raise RuntimeError(f"{source.name} has no address")
    env = {
        "PGHOST": database.address, "PGPORT": str(database.port), "PGUSER": database.user,
        "PGPASSWORD": database.password, "PGDATABASE": database.dbname, "PGSSLMODE": "require",
    }  # fmt: skip
    log = (settings.VAR / "pgbench.log").open("ab")
    return spawn.start([str(binaries()[17] / "pgbench"), *words], env=dict(os.environ) | env, log=log)


def _available(model: Any, things: list[Any]) -> bool:
    return bool(model.objects.filter(pk__in=[one.pk for one in things], state="available").count() == len(things))
