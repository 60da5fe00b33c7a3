"""What goes wrong, one kind at a time: how each is done to a database of a live herd, and how it is undone."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
from django.conf import settings
from django.utils import timezone

from fleet import context
from fleet.models import Instance, Resource
from fleet.providers.local import chaos
from fleet.providers.local.provider import LocalProvider
from fleet.states import RESOLVED, RESOLVING
from incidents.models import Incident
from incidents.watch import INSTANCE, RESOURCE, SERVER

# What a fault is done to: a database of its own without a standby, or one that may lose nothing and has one.
STANDARD, PREMIUM = "standard-0", "premium-0"
# How long a fault may take until it is mended or somebody is called (s). Policy alone takes longer for some: a frozen
# PostgreSQL gets 20 s of doubt and a minute to stop; the host that is left behind by a failover gets 20 s of doubt, a
# minute in case it is a blip, and another for what was done to take effect; an archive has two minutes to come back.
BOUND_S, FROZEN_S, SILENT_S, ARCHIVE_S = 120, 180, 420, 420
# A clock is looked at every 15 s, four times until it counts as wrong, once or twice until it counts as right; and so
# is a disk.
SKEWED_S, SKEW_S, FULL_S = 180, 120.0, 240
MOST_SESSIONS = 500
# A starved control plane runs for this share of each period, for so long (s).
STARVED_S, STARVED_SHARE, PERIOD_S = 120.0, 0.1, 1.0


def reached(true: Callable[[], object], seconds: float) -> bool:
    """Wait for something; whether it came."""
    end = time.monotonic() + seconds
    while not (came := bool(true())) and time.monotonic() < end:
        time.sleep(0.2)
    return came


@dataclass
class Scene:
    """Where a fault happens: a production database with the instance that leads when it strikes, the processes of the
    control plane, and whatever has to be undone afterwards."""

    provider: LocalProvider
    resource: Resource
    kill_menders: Callable[[], None]
    processes: Callable[[], Sequence[psutil.Process]] = tuple
    undo: ExitStack = field(default_factory=ExitStack)

    @property
    def leader(self) -> Instance:
        """The one that leads when it strikes, whoever does later: the resource is as it was read then."""
        found = self.resource.instance
        assert found
        return found

    @property
    def host(self) -> str:
        return self.leader.server.name

    @property
    def data(self) -> str:
        return self.leader.data

    def subjects(self) -> Mapping[str, Any]:
        """What can be in trouble by it, by kind."""
        instance = self.leader
        return {SERVER: instance.server.pk, INSTANCE: instance.pk, RESOURCE: self.resource.pk}

    def heal(self) -> None:
        self.undo.close()
        chaos.heal(self.provider, self.host)


def kill_postgres(scene: Scene) -> None:
    chaos.kill_postgres(scene.provider, scene.host, scene.data)


def stop_postgres(scene: Scene) -> None:
    chaos.stop_postgres(scene.provider, scene.host, scene.data)


def corrupt_config(scene: Scene) -> None:
    chaos.corrupt_config(scene.provider, scene.host, scene.data)
    kill_postgres(scene)


def fill_disk(scene: Scene) -> None:
    """Leave no room, and let its customer write on until nothing can be written any more."""
    session = _session(scene)
    chaos.fill_disk(scene.provider, scene.host)
    with suppress(psycopg.Error):
        session.execute("CREATE TABLE too_much AS SELECT n FROM generate_series(1, 100000) AS n")


def break_archive(scene: Scene) -> None:
    """Let nobody write where its WAL is kept, and its customer write until a segment is full."""
    folder = Path(settings.ARCHIVE_ROOT, scene.leader.timeline.place, "wal")
    mode = folder.stat().st_mode
    folder.chmod(0o500)
    scene.undo.callback(folder.chmod, mode)
    session = _session(scene)
    session.execute("CREATE TABLE enough AS SELECT n, md5(n::text) FROM generate_series(1, 400000) AS n")
    session.commit()


def exhaust_connections(scene: Scene) -> None:
    """Open transactions as the customer, and leave them so, until no more are let in."""
    for _ in range(MOST_SESSIONS):
        try:
            _session(scene).execute("SELECT 1")
        except psycopg.OperationalError:
            return
    raise RuntimeError(f"{scene.resource.name} lets in more than {MOST_SESSIONS}")


def _session(scene: Scene) -> psycopg.Connection[Any]:
    """One more connection of the customer's, closed when the scene is healed."""
    target = context.database_of(scene.resource)
    assert target
    session = psycopg.connect(
        host=target.address, port=target.port, dbname=target.dbname, user=target.user, password=target.password,
        sslmode="require", connect_timeout=10,
    )  # fmt: skip
    scene.undo.callback(session.close)
    return session


def kill_host(scene: Scene) -> None:
    chaos.kill_host(scene.provider, scene.host)


def pause_host(scene: Scene) -> None:
    chaos.pause_host(scene.provider, scene.host)


def cut_in(scene: Scene) -> None:
    chaos.cut_network(scene.provider, scene.host, "in")


def cut_out(scene: Scene) -> None:
    chaos.cut_network(scene.provider, scene.host, "out")


def cut_both(scene: Scene) -> None:
    chaos.cut_network(scene.provider, scene.host, "both")


def skew_clock(scene: Scene) -> None:
    chaos.skew_clock(scene.provider, scene.host, SKEW_S)


def kill_worker(scene: Scene) -> None:
    """Kill PostgreSQL, then those who mend it, once at each step of their playbook at which they are caught."""
    began, caught = timezone.now(), set[tuple[str, int]]()
    kill_postgres(scene)
    incident = Incident.objects.filter(subject=scene.resource.instance_id, created_at__gte=began)
    reached(incident.exists, BOUND_S / 2)
    end = time.monotonic() + BOUND_S / 2
    while incident.exclude(state=RESOLVED).exists() and time.monotonic() < end:
        at = incident.filter(state=RESOLVING).exclude(resolver="").values_list("resolver", "step").first()
        if at and at not in caught:
            caught.add(at)
            scene.kill_menders()
        time.sleep(0.02)
    if not caught:
        raise RuntimeError("no playbook was caught at work")


def starve(scene: Scene) -> None:
    """Let the control plane run for a tenth of the time, for two minutes: all of its processes stand still for nine
    tenths of each second, which a quota of its CPU does too, on whatever machine and without any privilege."""
    end = time.monotonic() + STARVED_S
    while time.monotonic() < end:
        stopped = scene.processes()
        try:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.suspend()
            time.sleep(PERIOD_S * (1 - STARVED_SHARE))
        finally:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.resume()
        time.sleep(PERIOD_S * STARVED_SHARE)


@dataclass(frozen=True)
class Fault:
    """`strike` does it to a database of that plan; within `bound_s` it has to be mended, or a person called. One that
    is the control plane's `own` may open an incident of that type, and decide nothing about the herd."""

    kind: str
    strike: Callable[[Scene], None]
    bound_s: float = BOUND_S
    plan: str = STANDARD
    own: str = ""


CHEAP = (
    Fault("PostgreSQL killed", kill_postgres),
    Fault("its configuration corrupted", corrupt_config),
    Fault("host killed", kill_host),
)
SKEWED = Fault("clock skewed", skew_clock, SKEWED_S)
CATALOGUE = (
    *CHEAP,
    SKEWED,
    Fault("worker killed in mid-playbook", kill_worker),
    Fault("connections exhausted", exhaust_connections),
    Fault("disk full", fill_disk, FULL_S),
    Fault("archive broken", break_archive, ARCHIVE_S),
    Fault("PostgreSQL frozen", stop_postgres, FROZEN_S),
    Fault("host paused", pause_host, SILENT_S, PREMIUM),
    Fault("network cut both ways", cut_both, SILENT_S, PREMIUM),
    Fault("network cut, inward", cut_in, SILENT_S, PREMIUM),
    Fault("network cut, outward", cut_out, SILENT_S, PREMIUM),
    Fault("starved control plane", starve, BOUND_S, PREMIUM, "starved"),
)
