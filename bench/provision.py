"""`provision`: from the asking to available, with clock and workers as in production on local hosts, over the bare
initdb + start + createdb. One after the other in turns, medians of the runs."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from django.conf import settings

from bench.postgres import bare_provision
from bench.setup import say
from fleet import intents
from fleet.models import Customer, Resource, Server
from fleet.providers.local import spawn
from herdsite import wiring
from observations import retention

PORT = 25_532
PROCESSES = ("clock", "worker feel", "worker suspect", "worker work")
PATIENCE_S = 120


def measure(quick: bool) -> dict[str, Any]:
    runs = 2 if quick else 7
    retention.keep()
    root = spawn.land(settings.VAR / "raw")
    spawn.give(root, 0o755)
    customer = Customer.objects.create(name="bench")
    bare, production, starter = [], [], []
    with herdsite():
        servers = [intents.create_server(f"bench-{zone}", actor="bench", zone=zone, capacity=50) for zone in "abc"]
        until(lambda: Server.objects.filter(pk__in=[s.pk for s in servers], state="available").count() == len(servers))
        _provision(customer, "starter-0")  # the shared instance that the others find
        for n in range(runs):
            bare.append(bare_provision(root / f"bare-{n}", PORT + n))
            production.append(_provision(customer, "standard-0"))
            starter.append(_provision(customer, "starter-0"))
            say(f"run {n + 1}: bare {bare[-1]:.2f} s, production {production[-1]:.2f} s, starter {starter[-1]:.2f} s")
    return {
        "production_ratio": round(median(p / b for p, b in zip(production, bare, strict=True)), 2),
        "production_s": round(median(production), 2),
        "bare_s": round(median(bare), 2),
        "starter_s": round(median(starter), 2),
    }


def _provision(customer: Customer, plan: str) -> float:
    """Seconds from the asking to available, by our clock on both ends."""
    began = time.monotonic()
    resource = intents.create_resource(customer, plan, actor="bench")
    until(lambda: Resource.objects.filter(pk=resource.pk, state="available").exists(), 0.01)
    return time.monotonic() - began


def until(true: Any, every_s: float = 0.1) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end:
            raise RuntimeError("the herd did not come up; `bin/bench provision --keep` leaves var/bench to look at")
        time.sleep(every_s)


@contextmanager
def herdsite(processes: tuple[str, ...] = PROCESSES) -> Iterator[None]:
    """Clock and workers as the Procfile starts them; all that they made ends with them."""
    log = (settings.VAR / "herdsite.log").open("ab")
    running = [
        spawn.start([sys.executable, "manage.py", *words.split()], cwd=settings.BASE_DIR, env=dict(os.environ), log=log)
        for words in processes
    ]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)
        wiring.local_provider().power_off()
        log.close()
