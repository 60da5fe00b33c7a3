"""`api`: how fast the list of resources is (100 out of 10,000, p95), and how soon 50 starter databases that are asked
for at once over HTTP are available, each by a request that waits. While they wait, other requests have to be answered.

All over HTTP, against herdsite as `manage.py up --empty` runs it, with local hosts that are real."""

import json
import os
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from statistics import quantiles
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection

from bench.setup import say
from fleet import intents
from fleet.api.models import Token
from fleet.models import Customer, Instance, Plan, Resource, Server
from fleet.providers.local import spawn
from fleet.roles import SCOPES
from herdsite import wiring

PORT = 18_090
HERD, PAGE, LISTS = 10_000, 100, 100
PROVISIONS, SERVERS = 50, 3
WAIT_S, PATIENCE_S = 60, 120


def measure(quick: bool) -> dict[str, Any]:
    herd, lists, provisions = (1_000, 20, 10) if quick else (HERD, LISTS, PROVISIONS)
    customer = Customer.objects.create(name="bench")
    secret = _token()
    with herdsite():
        asks = Asker(f"http://127.0.0.1:{PORT}/api/v1", secret)
        servers = [intents.create_server(f"bench-{zone}", actor="bench", zone=zone, capacity=50) for zone in "abc"]
        _until(lambda: Server.objects.filter(pk__in=[s.pk for s in servers], state="available").count() == len(servers))
        provision_s, beside = _provision(asks, provisions)
        say(f"{provisions} databases in {provision_s:.1f} s; meanwhile {len(beside)} other requests")
        _crowd(customer, herd)
        list_ms = _lists(asks, lists)
    return {
        "list_p95_ms": round(_p95(list_ms), 1),
        "provision_50_s": round(provision_s, 1),
        "provisions": provisions,
        "herd": herd,
        "list_median_ms": round(sorted(list_ms)[len(list_ms) // 2], 1),
        "beside_p95_ms": round(_p95(beside), 1),
        "beside": len(beside),
    }


class Asker:
    """A program that asks over HTTP."""

    def __init__(self, url: str, token: str):
        self.url, self.token = url, token

    def ask(self, place: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/{place}", data, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.load(answer)

    def timed(self, place: str) -> float:
        """How long it takes to be answered (ms)."""
        began = time.monotonic()
        self.ask(place)
        return (time.monotonic() - began) * 1000


def _token() -> str:
    user = User.objects.create_user("bench")
    user.groups.add(Group.objects.get(name="admin"))
    _made, secret = Token.objects.create(user=user, name="bench", scopes=list(SCOPES), expiry=timedelta(days=1))
    return secret


def _provision(asks: Asker, count: int) -> tuple[float, list[float]]:
    """Seconds until all of so many that are asked for at once are available, and how long other requests took (ms)."""
    beside: list[float] = []
    over = threading.Event()

    def look_on() -> None:
        while not over.is_set():
            beside.append(asks.timed("me"))
            over.wait(0.1)

    def one(n: int) -> str:
        status, intent = asks.ask(
            f"resources?wait={WAIT_S}", {"plan": "starter-0", "customer": "bench", "name": f"s-{n}"}
        )
        while intent["state"] == "open":
            status, intent = asks.ask(f"intents/{intent['id']}?wait={WAIT_S}")
        return intent["state"] if status in (200, 202) else "failed"

    looking = threading.Thread(target=look_on)
    looking.start()
    began = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        ends = list(pool.map(one, range(count)))
    took = time.monotonic() - began
    over.set()
    looking.join()
    available = Resource.objects.filter(name__in=[f"s-{n}" for n in range(count)], state="available").count()
    if ends != ["done"] * count or available != count:
        raise RuntimeError(f"{available} of {count} are available, and the requests ended as {set(ends)}")
    return took, beside


def _crowd(customer: Customer, count: int) -> None:
    """So many databases, none of which is on a ring: they are only to be listed."""
    instance = Instance.objects.first()
    plan = Plan.objects.get(name="starter-0")
    facts = {"db_size_bytes": "7340032", "connections": "3", "service_available": "true"}
    Resource.objects.bulk_create(
        [
            Resource(
                name=f"crowd-{n:05}", customer=customer, plan=plan, instance=instance,
                dbname=f"crowd{n}", state="available", due_at=None, facts=facts, queue="feel",
            )
            for n in range(count)
        ],
        batch_size=1_000,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE fleet_resource")


def _lists(asks: Asker, count: int) -> list[float]:
    """Pages of the list one after the other, each as its own request, by the cursor from one to the next (ms)."""
    found, place = [], f"resources?limit={PAGE}"
    for _n in range(count):
        began = time.monotonic()
        _status, said = asks.ask(place)
        found.append((time.monotonic() - began) * 1000)
        following = said["next"]
        place = following.removeprefix(f"{asks.url}/") if following else f"resources?limit={PAGE}"
    return found


def _p95(figures: list[float]) -> float:
    return quantiles(figures, n=20)[-1] if len(figures) > 1 else figures[0]


def _until(true: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end:
            raise RuntimeError("the herd did not come up; `bin/bench api --keep` leaves var/bench to look at")
        time.sleep(0.1)


@contextmanager
def herdsite() -> Iterator[None]:
    """herdsite as `manage.py up --empty` runs it, in the bench's folder and on its database."""
    log = (settings.VAR / "up.log").open("ab")
    argv = [sys.executable, "manage.py", "up", "--empty", "--port", str(PORT)]
    # One asker stands for many here: it may ask as much as all of them.
    env = os.environ | {"HERDSITE_API_RATE": "1000000/min"}
    up = spawn.start(argv, cwd=settings.BASE_DIR, env=env, log=log)
    try:
        _until(lambda: "herdsite is up" in (settings.VAR / "up.log").read_text() or up.poll() is not None)
        if up.poll() is not None:
            raise RuntimeError((settings.VAR / "up.log").read_text())
        yield
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)
        wiring.local_provider().power_off()
        log.close()
