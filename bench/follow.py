"""How long a follower of an empty database takes from the asking to available, by clock and workers as in production on
local hosts, over bare pg_basebackup + start. One after the other in turns, medians of the runs."""

import time
from statistics import median
from typing import Any

from django.conf import settings

from bench.postgres import Bare
from bench.provision import PROCESSES, herdsite, until
from bench.setup import say
from fleet import copies, intents
from fleet.models import Customer, Resource, Server
from fleet.providers.local import spawn
from observations import retention

PORT = 25_632


def measure(quick: bool) -> dict[str, Any]:
    runs = 2 if quick else 7
    retention.keep()
    root = spawn.land(settings.VAR / "raw")
    spawn.give(root, 0o755)
    customer = Customer.objects.create(name="bench")
    source = Bare(root / "source", PORT)
    source.init()
    source.start()
    bare, follower = [], []
    try:
        with herdsite((*PROCESSES, "worker slow")):
            servers = [intents.create_server(f"bench-{zone}", actor="bench", zone=zone, capacity=50) for zone in "abc"]
            until(lambda: _available(Server, servers))
            leader = intents.create_resource(customer, "standard-0", actor="bench")
            until(lambda: _available(Resource, [leader]))
            for n in range(runs):
                bare.append(bare_follower(source, Bare(root / f"copy-{n}", PORT + 1 + n)))
                follower.append(_follow(leader))
                say(f"run {n + 1}: bare {bare[-1]:.2f} s, follower {follower[-1]:.2f} s")
    finally:
        source.stop()
    return {
        "ratio": round(median(f / b for f, b in zip(follower, bare, strict=True)), 2),
        "follower_s": round(median(follower), 2),
        "bare_s": round(median(bare), 2),
    }


def bare_follower(source: Bare, copy: Bare) -> float:
    """Seconds of pg_basebackup + start of a standby, nothing else."""
    began = time.monotonic()
    copy.copy_of(source)
    copy.start()
    took = time.monotonic() - began
    copy.stop()
    return took


def _follow(leader: Resource) -> float:
    began = time.monotonic()
    follower = copies.follow(Resource.objects.get(pk=leader.pk), actor="bench")
    until(lambda: _available(Resource, [follower]), 0.01)
    return time.monotonic() - began


def _available(model: Any, things: list[Any]) -> bool:
    return bool(model.objects.filter(pk__in=[one.pk for one in things], state="available").count() == len(things))
