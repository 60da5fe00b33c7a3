"""A whole herdsite of its own, brought up as a person would: `manage.py up --empty`, with a database, keys and local
hosts in a folder of its own. The test's process looks into the same database and asks as anybody would."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dj_database_url
import psutil
from django.conf import settings as django_settings
from django.contrib.postgres.signals import get_citext_oids, get_hstore_oids
from django.db import connection, connections

from fleet import intents
from fleet.models import Changeover, Customer, Event, Instance, Resource, Server
from fleet.providers.local import spawn
from fleet.providers.local.provider import LocalProvider
from fleet.states import AVAILABLE, CANCELLED, DESTROYED, DONE, RESOLVED
from herdsite import wiring
from herdsite.embedded import free_port
from incidents.models import Incident, Journal

PATIENCE_S = 90
RESTING = (AVAILABLE, DESTROYED, DONE, CANCELLED, RESOLVED)


def portal_port() -> int:
    """A free one for the portal. Each process of the tests has a hundred of its own: no other takes it meanwhile."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return free_port("127.0.0.1", range(18000 + 100 * worker, 18100 + 100 * worker))


def until(true: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
    """Wait for something that must come; the test fails with `what` if it does not."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


class Herd:
    """herdsite as `manage.py up` runs it, in `var`."""

    def __init__(self, var: Path):
        self.var = var
        # Anew, also for an `up` that comes after another: it is up when it says so itself.
        self.log = (var / "up.log").open("wb")
        env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        argv = [sys.executable, "manage.py", "up", "--empty", "--port", str(portal_port())]
        self.up = spawn.start(argv, cwd=django_settings.BASE_DIR, env=env | {"HERDSITE_VAR": str(var)}, log=self.log)
        until(lambda: "herdsite is up" in (var / "up.log").read_text() or self.up.poll() is not None, "up", 120)
        assert self.up.poll() is None, (var / "up.log").read_text()

    @property
    def provider(self) -> LocalProvider:
        return wiring.local_provider()

    def processes(self, words: str) -> list[psutil.Process]:
        """herdsite's own processes whose command line has these words; a cluster's forks have their parent's."""
        found = []
        for process in psutil.Process(self.up.pid).children(recursive=True):
            try:
                line = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if words in line and str(self.var / "hosts") not in line:
                found.append(process)
        return found

    def grow(self, servers: int, production: int, starters: int) -> list[Resource]:
        """Ask for a herd and wait until all of it is available."""
        customer, _made = Customer.objects.get_or_create(name="live")
        hosts = [
            intents.create_server(f"live-{n}", actor="test", zone="abc"[n % 3], key=f"live/{n}") for n in range(servers)
        ]
        until(lambda: available(Server, hosts), "servers")
        made = [
            intents.create_resource(customer, plan, actor="test", key=f"live/{plan}/{n}")
            for plan, count in (("standard-0", production), ("starter-0", starters))
            for n in range(count)
        ]
        until(lambda: available(Resource, made), "resources")
        return list(Resource.objects.filter(pk__in=[one.pk for one in made]).select_related("instance__server", "plan"))

    def stop(self) -> None:
        self.up.send_signal(signal.SIGINT)
        try:
            self.up.wait(60)
        finally:
            if self.up.poll() is None:
                self.up.kill()
            self.log.close()


def told(began: float) -> str:
    """What was done since (epoch, s), what was seen to be wrong and what is not well now, in order."""
    moment = datetime.fromtimestamp(began, UTC)
    lines = [
        (one.at, f"{one.name} {one.verb} ({one.row or '-'}): {one.why}") for one in Event.objects.filter(at__gte=moment)
    ]
    for line in Journal.objects.filter(at__gte=moment).select_related("incident"):
        where = "/".join(filter(None, (line.resolver, line.step)))
        lines.append((line.at, f"{line.incident.name} {where} {line.outcome}: {line.note}"))
    said = [f"{(at - moment).total_seconds():7.2f} {words}" for at, words in sorted(lines)]
    for model in (Server, Instance, Resource, Changeover, Incident):
        said += [
            f"    now {one.name} is {one.state}: {one.facts.get('job_why') or one.problem}"
            for one in model.objects.exclude(state__in=RESTING)
        ]
    return "\n".join(said)


def available(model, things) -> bool:
    return model.objects.filter(pk__in=[one.pk for one in things], state="available").count() == len(things)


@contextmanager
def elsewhere(url: str) -> Iterator[None]:
    """The default database is another one for as long as this lasts."""
    forget()
    before = dict(connection.settings_dict)
    parsed = dj_database_url.parse(url)
    connection.settings_dict.update({name: parsed[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")})
    try:
        yield
    finally:
        forget()
        connection.settings_dict.update(before)


def forget() -> None:
    """Close what is open, and forget the numbers that hstore has in the database before: in the next it has others."""
    connections.close_all()
    get_hstore_oids.cache_clear()
    get_citext_oids.cache_clear()
