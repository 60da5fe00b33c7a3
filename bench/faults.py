"""`faults`: a catalogue of what goes wrong, done to a live herd one kind at a time. Each has to end without a person,
or with exactly one page that was sent; then the fault is healed, and the incident and its page have to end with it.

Left out: a broken archive (nothing is archived yet).
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from django.conf import settings
from django.db.models import Min
from django.utils import timezone

from bench.setup import say
from fleet import context, intents
from fleet.models import Customer, Event, Instance, Resource, Server
from fleet.providers.local import chaos, spawn
from fleet.providers.local.provider import LocalProvider
from fleet.states import AVAILABLE, NEEDS_HUMAN, RESOLVED, RESOLVING, UNCERTAIN, WAITING
from herdsite import wiring
from incidents import desk
from incidents.models import Incident, Journal, Page
from incidents.models.notices import Notice
from incidents.watch import INSTANCE, RESOURCE, SERVER
from observations import retention

PROCESSES = ("clock", "worker feel", "worker suspect", "worker work", "worker slow")
WORK = "worker work"
SERVERS, PRODUCTION, STARTERS = 4, 3, 5
MENDED, PAGED_ONCE, UNRESOLVED = "mended", "paged_once", "unresolved"

# How long a fault may take until it is mended or somebody is called (s). Policy alone takes longer for two of them: a
# frozen PostgreSQL gets 20 s of doubt and a minute to stop; a silent host 20 s of doubt, a minute in case it is a blip,
# and another for what was done to take effect.
BOUND_S, FROZEN_S, SILENT_S = 120, 180, 240
# A clock is looked at every 15 s, four times until it counts as wrong, once or twice until it counts as right.
SKEWED_S, SKEW_S = 180, 120.0
# How long herdsite may go on after a page by itself: only when it has tried all that it will is the page the only one.
AT_REST_S, CALM_S = 300, 30
HEALED_S = 150
GROWN_S = 180
MOST_SESSIONS = 500


@dataclass
class Scene:
    """Where a fault happens: a production database of its own server, and whatever has to be undone afterwards."""

    provider: LocalProvider
    resource: Resource
    kill_menders: Callable[[], None]
    undo: ExitStack = field(default_factory=ExitStack)

    @property
    def host(self) -> str:
        return self.resource.instance.server.name

    @property
    def data(self) -> str:
        return self.resource.instance.data

    def subjects(self) -> Mapping[str, Any]:
        """What can be in trouble by it, by kind."""
        instance = self.resource.instance
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
        sslmode=target.sslmode, connect_timeout=10,
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
    _reached(incident.exists, BOUND_S / 2)
    end = time.monotonic() + BOUND_S / 2
    while incident.exclude(state=RESOLVED).exists() and time.monotonic() < end:
        at = incident.filter(state=RESOLVING).exclude(resolver="").values_list("resolver", "step").first()
        if at and at not in caught:
            caught.add(at)
            scene.kill_menders()
        time.sleep(0.02)
    if not caught:
        raise RuntimeError("no playbook was caught at work")


@dataclass(frozen=True)
class Fault:
    """`strike` does it; within `bound_s` it has to be mended, or a person called."""

    kind: str
    strike: Callable[[Scene], None]
    bound_s: float = BOUND_S


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
    Fault("disk full", fill_disk),
    Fault("host paused", pause_host),
    Fault("PostgreSQL frozen", stop_postgres, FROZEN_S),
    Fault("network cut both ways", cut_both, SILENT_S),
    Fault("network cut, inward", cut_in, SILENT_S),
    Fault("network cut, outward", cut_out, SILENT_S),
    # Here goes "archive broken" as soon as there are archives.
)


@dataclass(frozen=True)
class Told:
    """What became of one fault. Times in seconds since it struck, None for never; `playbook` is what mended it, or
    those that gave up; `left` says what was not well in the end."""

    kind: str
    outcome: str
    seen_s: float | None
    resolved_s: float | None
    playbook: str
    pages: int
    left: str = ""


def suffer(fault: Fault, scene: Scene) -> Told:
    """Let one fault happen to a herd that is well, wait for what herdsite makes of it, and heal what is left."""
    began, resolved = timezone.now(), None
    try:
        fault.strike(scene)
        _reached(lambda: _over(scene, began) or _pages(began), fault.bound_s)
        if not _pages(began):
            resolved = _passed(began) if _over(scene, began) else None
        elif not _stays_alone(scene, began):
            say(f"{fault.kind}: {AT_REST_S} s after the page it is still at it: {_left(scene)}")
        left = "" if resolved else _left(scene)
    finally:
        scene.heal()
    healed = _reached(
        lambda: _over(scene, began) and not any(page.ended_at is None for page in _pages(began)), HEALED_S
    )
    pages, outcome = _pages(began), UNRESOLVED
    if resolved and not pages:
        outcome = MENDED
    elif healed and len(pages) == 1 and _sent(pages[0]):
        outcome, resolved, left = PAGED_ONCE, _passed(began), ""
    elif not healed:
        _retry(scene)
    return Told(fault.kind, outcome, _seen(scene, began), resolved, _playbooks(began), len(pages), left or _left(scene))


def _retry(scene: Scene) -> None:
    """What a person does once the cause is gone, so that the next fault finds a herd that is well."""
    for incident in Incident.objects.filter(state=NEEDS_HUMAN):
        desk.retry(incident, "bench")
    _reached(lambda: not _left(scene), HEALED_S)


def _since(began: datetime) -> Any:
    return Incident.objects.filter(created_at__gte=began)


def _pages(began: datetime) -> list[Page]:
    """All calls for a person that came of it, whatever they are about."""
    return list(Page.objects.filter(created_at__gte=began).order_by("id"))


def _sent(page: Page) -> bool:
    return page.notices.filter(purpose=Notice.PAGE, state=Notice.SENT).exists()


def _seen(scene: Scene, began: datetime) -> float | None:
    """When somebody first doubted, or an incident was opened."""
    doubt = Event.objects.filter(subject__in=scene.subjects().values(), verb="doubt", at__gte=began)
    moments = [doubt.aggregate(at=Min("at"))["at"], _since(began).aggregate(at=Min("created_at"))["at"]]
    known = [moment for moment in moments if moment]
    return round((min(known) - began).total_seconds(), 1) if known else None


def _over(scene: Scene, began: datetime) -> bool:
    """It was seen, and everything is well again."""
    return _seen(scene, began) is not None and not _left(scene)


def _stays_alone(scene: Scene, began: datetime) -> bool:
    """Wait until a second page comes, or herdsite has been at rest for so long that none will; False if it never is."""
    end, calm = time.monotonic() + AT_REST_S, time.monotonic()
    while len(_pages(began)) < 2 and time.monotonic() - calm < CALM_S:
        if not _at_rest(scene):
            calm = time.monotonic()
        if calm > end:
            return False
        time.sleep(0.2)
    return True


def _at_rest(scene: Scene) -> bool:
    """Nothing is in doubt, and every open incident waits for a person, or for another one."""
    open_ = Incident.objects.exclude(state=RESOLVED).select_related("cause")
    waits = all(one.state == NEEDS_HUMAN or (one.state == WAITING and one.cause and one.cause.is_open) for one in open_)
    return waits and not any(thing.state == UNCERTAIN for thing in _things(scene))


def _things(scene: Scene) -> tuple[Server, Instance, Resource]:
    """As they are now, from the machine up."""
    resource = Resource.objects.select_related("instance__server").get(pk=scene.resource.pk)
    return resource.instance.server, resource.instance, resource


def _left(scene: Scene) -> str:
    """What is not well, in words."""
    ill = [f"{thing.name} is {thing.state}" for thing in _things(scene) if thing.state != AVAILABLE]
    open_ = Incident.objects.exclude(state=RESOLVED).order_by("created_at")
    return "; ".join(
        ill + [f"{one.name} is {one.state}" + (f": {one.problem}" if one.problem else "") for one in open_]
    )


def _playbooks(began: datetime) -> str:
    lines = Journal.objects.filter(incident__in=_since(began)).exclude(resolver="").order_by("id")
    mended = list(lines.filter(outcome="mended").values_list("resolver", flat=True))
    gave_up = list(lines.filter(outcome__in=("give_up", "raised")).values_list("resolver", flat=True))
    return ", ".join(dict.fromkeys(mended)) or (f"gave up: {', '.join(dict.fromkeys(gave_up))}" if gave_up else "")


def _passed(began: datetime) -> float:
    return round((timezone.now() - began).total_seconds(), 1)


def _reached(true: Callable[[], object], seconds: float) -> bool:
    """Wait for something; whether it came."""
    end = time.monotonic() + seconds
    while not (came := bool(true())) and time.monotonic() < end:
        time.sleep(0.2)
    return came


def measure(quick: bool) -> dict[str, Any]:
    retention.keep()
    table = []
    with Herdsite() as herdsite:
        targets = _grow()
        say(f"{'fault':<30} {'seen':>7} {'resolved':>9} {'pages':>5}  {'outcome':<11} by")
        for n, fault in enumerate(CHEAP if quick else CATALOGUE):
            target = targets[n % len(targets)]
            told = suffer(fault, Scene(wiring.local_provider(), target, herdsite.kill_menders))
            table.append(told)
            say(_line(told))
    count = {name: sum(told.outcome == name for told in table) for name in (MENDED, PAGED_ONCE, UNRESOLVED)}
    return {"kinds": len(table), **count, "table": [vars(told) for told in table]}


def _line(told: Told) -> str:
    seen, resolved = (f"{s:.1f} s" if s is not None else "never" for s in (told.seen_s, told.resolved_s))
    words = told.playbook or "its own table"
    left = f" ({told.left})" if told.left else ""
    return f"{told.kind:<30} {seen:>7} {resolved:>9} {told.pages:>5}  {told.outcome:<11} {words}{left}"


def _grow() -> list[Resource]:
    """The production databases of a small herd, when all of it is available."""
    customer = Customer.objects.create(name="bench")
    for n in range(SERVERS):
        intents.create_server(f"bench-{n}", actor="bench", zone="abc"[n % 3], key=f"faults/{n}")
    _well(Server, SERVERS)
    for plan, count in (("standard-0", PRODUCTION), ("starter-0", STARTERS)):
        for n in range(count):
            intents.create_resource(customer, plan, actor="bench", key=f"faults/{plan}/{n}")
    _well(Resource, PRODUCTION + STARTERS)
    return list(Resource.objects.filter(plan="standard-0").select_related("instance__server").order_by("name"))


def _well(model: Any, count: int) -> None:
    if not _reached(lambda: model.objects.filter(state=AVAILABLE).count() == count, GROWN_S):
        raise RuntimeError("the herd did not come up; `bin/bench faults --keep` leaves var/bench to look at")


class Herdsite:
    """Clock and workers as the Procfile starts them; all that they made ends with them."""

    def __enter__(self) -> "Herdsite":
        self.log = (settings.VAR / "herdsite.log").open("ab")
        self.running = {words: self._start(words) for words in PROCESSES}
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(30)
        wiring.local_provider().power_off()
        self.log.close()

    def kill_menders(self) -> None:
        """Kill those who take the steps of playbooks, all at once, and start others, as a supervisor would."""
        doomed = self.running[WORK]
        os.killpg(doomed.pid, signal.SIGKILL)
        doomed.wait(30)
        self.running[WORK] = self._start(WORK)

    def _start(self, words: str) -> Any:
        argv = [sys.executable, "manage.py", *words.split()]
        env = os.environ | {"HERDSITE_PAGING": "log", "HERDSITE_QUIET_HOURS": "", "HERDSITE_LOG_LEVEL": "INFO"}
        return spawn.start(argv, cwd=settings.BASE_DIR, env=env, log=self.log)
