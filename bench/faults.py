"""`faults`: a catalogue of what goes wrong (strikes.py), done to a live herd one kind at a time. Each has to end
without a person, or with exactly one page that was sent; then the fault is healed, and the incident and its page have
to end with it.

Mended is what nobody was called for, when every customer of the herd is served and no incident is open. One may be:
that of a machine which is still away and serves nobody any more. It waits, wakes nobody, and the table says so.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psutil
from django.conf import settings
from django.db.models import Min, Q
from django.utils import timezone

from bench import premium
from bench.setup import say
from bench.strikes import CATALOGUE, CHEAP, PREMIUM, STANDARD, Fault, Scene, reached
from fleet import intents
from fleet.models import Changeover, Customer, Event, Resource, Server
from fleet.providers.local import spawn
from fleet.states import AVAILABLE, DESTROYED, DOWN, NEEDS_HUMAN, RESOLVED, UNCERTAIN, WAITING
from herdsite import wiring
from incidents import desk
from incidents.models import Incident, Journal, Page
from incidents.models.notices import Notice
from incidents.resolvers import do_without
from observations import retention

PROCESSES = ("clock", "worker feel", "worker suspect", "worker work", "worker slow")
WORK = "worker work"
SERVERS, PRODUCTION, STARTERS = 4, 3, 5
MENDED, PAGED_ONCE, UNRESOLVED = "mended", "paged_once", "unresolved"
HA = "bench-ha"
# How long herdsite may go on after a page by itself: only when it has tried all that it will is the page the only one.
AT_REST_S, CALM_S = 300, 30
HEALED_S = 150
GROWN_S, WHOLE_S = 240, 420


@dataclass(frozen=True)
class Told:
    """What became of one fault. Times in seconds since it struck, None for never; `playbook` is what mended it, or
    those that gave up; `without` names the machine that was still away when it counted as mended; `left` says what was
    not well in the end; `false_verdicts` are what was decided about a herd that had nothing."""

    kind: str
    outcome: str
    seen_s: float | None
    resolved_s: float | None
    playbook: str
    pages: int
    without: str = ""
    left: str = ""
    false_verdicts: Sequence[str] = ()


def suffer(fault: Fault, scene: Scene) -> Told:
    """Let one fault happen to a herd that is well, wait for what herdsite makes of it, and heal what is left."""
    began, resolved, without = timezone.now(), None, ""
    try:
        fault.strike(scene)
        reached(lambda: _over(scene, began, _done_without()) or _pages(began), fault.bound_s)
        if not _pages(began):
            away = _done_without()
            if _over(scene, began, away):
                resolved, without = _passed(began), ", ".join(sorted({one.subject_name for one in away}))
        elif not _stays_alone(scene, began):
            say(f"{fault.kind}: {AT_REST_S} s after the page it is still at it: {_left(scene)}")
        left = "" if resolved else _left(scene)
    finally:
        scene.heal()
    healed = reached(lambda: _over(scene, began) and not any(page.ended_at is None for page in _pages(began)), HEALED_S)
    pages, outcome = _pages(began), UNRESOLVED
    if resolved and not pages:
        outcome = MENDED
    elif healed and len(pages) == 1 and _sent(pages[0]):
        outcome, resolved, left = PAGED_ONCE, _passed(began), ""
    elif not healed:
        _retry(scene)
    false = false_verdicts(began, fault.own) if fault.own else []
    if false:
        outcome, left = UNRESOLVED, "; ".join(false)
    return Told(
        fault.kind, outcome, _seen(scene, began), resolved, _playbooks(began), len(pages), without,
        left or _left(scene), false,
    )  # fmt: skip


def _retry(scene: Scene) -> None:
    """What a person does once the cause is gone, so that the next fault finds a herd that is well."""
    for incident in Incident.objects.filter(state=NEEDS_HUMAN):
        desk.retry(incident, "bench")
    reached(lambda: not _left(scene), HEALED_S)


def false_verdicts(began: datetime, own: str) -> list[str]:
    """What was decided since, while nothing was wrong but the control plane itself: what counted as down, which
    changeovers began, and every incident but those of the type `own`."""
    down = Event.objects.filter(at__gte=began, target=DOWN)
    begun = Changeover.objects.filter(created_at__gte=began)
    opened = _since(began).exclude(type=own)
    return [
        *(f"{event.name} counted as down" for event in down),
        *(f"{changeover.name} began" for changeover in begun),
        *(f"{incident.name} was opened" for incident in opened),
    ]


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


def _over(scene: Scene, began: datetime, away: Sequence[Incident] = ()) -> bool:
    """It was seen, and everything is well again, but for what these incidents are about."""
    return _seen(scene, began) is not None and not _left(scene, away)


def _done_without() -> list[Incident]:
    """The incidents of machines that are away, on which nobody is served, and what hangs under them. They wake nobody
    within the day."""
    waits = Q(resolver="do_without", step=do_without.STEPS.index(do_without.back))
    away = list(Incident.objects.exclude(state__in=(RESOLVED, NEEDS_HUMAN)).filter(waits))
    return away + list(Incident.objects.exclude(state__in=(RESOLVED, NEEDS_HUMAN)).filter(cause__in=away))


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


def _things(scene: Scene) -> list[Any]:
    """As they are now: the machine that was struck, the one that serves its customer, and what all customers have."""
    resource = Resource.objects.select_related("instance__server").get(pk=scene.resource.pk)
    servers = {resource.instance.server, Server.objects.get(pk=scene.leader.server_id)}
    return [*servers, resource.instance, *Resource.objects.exclude(state=DESTROYED)]


def _left(scene: Scene, away: Sequence[Incident] = ()) -> str:
    """What is not well, in words, but for what these incidents are about."""
    known = {incident.subject for incident in away}
    ill = [f"{one.name} is {one.state}" for one in _things(scene) if one.state != AVAILABLE and one.pk not in known]
    open_ = Incident.objects.exclude(state=RESOLVED).exclude(pk__in=[one.pk for one in away]).order_by("created_at")
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


def measure(quick: bool, only: str = "") -> dict[str, Any]:
    """`only` are parts of the kinds' names, with commas between them; "" is all of them."""
    retention.keep()
    faults = chosen(CHEAP if quick else CATALOGUE, only)
    table = []
    with Herdsite() as herdsite:
        standard = _grow() if any(fault.plan == STANDARD for fault in faults) else []
        ha = _grow_premium(len(standard)) if any(fault.plan == PREMIUM for fault in faults) else None
        say(f"{'fault':<30} {'seen':>7} {'resolved':>9} {'pages':>5}  {'outcome':<11} by")
        for n, fault in enumerate(faults):
            if fault.plan == PREMIUM and ha:
                ha.mend(WHOLE_S)
                target = ha.resource
            else:
                target = standard[n % len(standard)]
            told = suffer(fault, herdsite.scene(target))
            table.append(told)
            say(_line(told))
    count = {name: sum(told.outcome == name for told in table) for name in (MENDED, PAGED_ONCE, UNRESOLVED)}
    false = sum(len(told.false_verdicts) for told in table)
    return {"kinds": len(table), **count, "false_verdicts": false, "table": [vars(told) for told in table]}


def chosen(faults: Sequence[Fault], only: str) -> list[Fault]:
    """Those whose kind contains one of the words. ValueError for a word that is in none."""
    words = [word.strip().lower() for word in only.split(",")]
    if idle := [word for word in words if not any(word in fault.kind.lower() for fault in faults)]:
        raise ValueError(f"no fault is called {', '.join(idle)}: {'; '.join(fault.kind for fault in faults)}")
    return [fault for fault in faults if any(word in fault.kind.lower() for word in words)]


def _line(told: Told) -> str:
    seen, resolved = (f"{s:.1f} s" if s is not None else "never" for s in (told.seen_s, told.resolved_s))
    words = told.playbook or "its own table"
    left = f" ({told.left})" if told.left else ""
    words += f"; {told.without} is done without" if told.without else ""
    return f"{told.kind:<30} {seen:>7} {resolved:>9} {told.pages:>5}  {told.outcome:<11} {words}{left}"


def _grow() -> list[Resource]:
    """The production databases of a small herd, when all of it is available, without standbys."""
    customer = Customer.objects.create(name="bench")
    for n in range(SERVERS):
        intents.create_server(f"bench-{n}", actor="bench", zone="abc"[n % 3], key=f"faults/{n}")
    _well(Server, SERVERS)
    for plan, count in ((STANDARD, PRODUCTION), ("starter-0", STARTERS)):
        for n in range(count):
            intents.create_resource(customer, plan, actor="bench", key=f"faults/{plan}/{n}")
    _well(Resource, PRODUCTION + STARTERS)
    found = Resource.objects.filter(plan=STANDARD).select_related("instance__server", "instance__timeline")
    return list(found.order_by("name"))


def _grow_premium(others: int) -> premium.Premium:
    """One that may lose nothing, on machines of its own: they are the empty ones when it is placed, and only then
    there."""
    for n, zone in enumerate(premium.ZONES):
        intents.create_server(f"{HA}-{n}", actor="bench", zone=zone, key=f"{HA}/{n}")
    _well(Server, premium.HOSTS + (SERVERS if others else 0))
    return premium.grow(WHOLE_S, PREMIUM, HA)


def _well(model: Any, count: int) -> None:
    if not reached(lambda: model.objects.filter(state=AVAILABLE).count() == count, GROWN_S):
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

    def scene(self, target: Resource) -> Scene:
        """Where a fault can strike that database, or this herdsite."""
        return Scene(wiring.local_provider(), target, self.kill_menders, self.processes)

    def processes(self) -> list[psutil.Process]:
        """All that run now."""
        own = [psutil.Process(process.pid) for process in self.running.values()]
        return [*own, *(child for process in own for child in process.children(recursive=True))]

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
