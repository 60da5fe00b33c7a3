"""One schedule from its beginning to its end: faults for a while, then everything is healed, and all has to be well
again, by itself or by a verb of a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import connection

from fleet import ring, streams
from fleet.models import Changeover, Event, Instance, Intent, Resource
from fleet.policy import SUSPECT
from fleet.states import CANCELLED, DONE
from herdsite import wiring
from herdsite.turns import Turn
from incidents.models import Incident
from tests.sim.arena import Arena
from tests.sim.checks import Broken, Checks
from tests.sim.clock import BEGIN
from tests.sim.faults import ASYNC, FAULTS, PAGES, Fault, draw
from tests.sim.people import Clients, People
from tests.sim.profiles import Profile
from tests.sim.schedule import Choice, Schedule, since
from tests.sim.wires import Wires

RINGS = ("resource", "instance", "address", "changeover", "server")
# Faults come for so long, and after that all has to be well within so long (s).
FAULTY_S, HEALED_S = 6.0, 45.0
WORKERS = ("here/1", "there/2", "yonder/3")
OFTEN_S = 0.4
# How many of a kind one worker claims together.
AT_ONCE = 3
REBORN_S = 2.0
# How often somebody on call looks (s).
CALLED_S = 5.0


@dataclass(frozen=True)
class Spec:
    """What makes a schedule: replaying it gives the same run. Without `faults` or `choices` they are the seed's."""

    scenario: str
    seed: int
    profile: Profile
    faults: Sequence[Fault] | None = None
    choices: Mapping[str, Choice] | None = None


@dataclass
class Ending:
    """What became of a schedule: `broken` says which invariant ("": none)."""

    spec: Spec
    broken: str
    faults: Sequence[Fault]
    taken: Mapping[str, Choice]
    story: list[str] = field(default_factory=list)
    beats: int = 0
    acked: int = 0
    took_s: float = 0.0
    passed: Sequence[tuple[float, str]] = ()


class Play:
    """The cast of one schedule."""

    def __init__(self, arena: Arena, schedule: Schedule, spec: Spec) -> None:
        self.arena, self.schedule, self.spec, self.known = arena, schedule, spec, arena.statements.known
        self.world = arena.world
        self.herd = arena.world.herd.twin()
        self.herd.schedule = schedule
        self.resource = arena.world.resource
        address = next(iter(self.herd.provider.endpoints.values()))
        self.clients = Clients(schedule, self.herd, address.address, arena.world.leader.port)
        self.people = People(schedule, self.herd, self.resource)
        self.checks = Checks(schedule, self.herd, self.clients, self.resource, self.known)
        self.herd.replaced, self.herd.gone = self.checks.replaced, self.checks.gone
        self.herd.takes_over = self.checks.takes_over
        self.wires = Wires(schedule, self.herd)
        self.ports = self.wires.ports()
        self.herd.stopped = self.checks.stopped
        self.beats = 0
        self._agenda: tuple[str, str, float] | None = None

    def begin(self) -> None:
        if self.spec.scenario in ASYNC:
            self._waits_for_nobody()
        self.herd.pump()
        for vantage in WORKERS[: self.spec.profile.workers]:
            self._worker(vantage, 0.0)
        self.schedule.on_kill = lambda task: self._worker(task.name, REBORN_S)
        self._writes(BEGIN + 0.5)

    def _waits_for_nobody(self) -> None:
        """As after a standby was away: its leader was told so, and the record says that writes may be lost."""
        record = {"required": [], "says": "may_lose", "serial": 2, "shown": True, "since_lsn": None}
        Resource.objects.filter(pk=self.resource.pk).update(quorum=record)
        leader = Instance.objects.get(pk=self.world.leader.pk)
        attrs = leader.attrs | {"told": streams.wanted(leader, record)}
        Instance.objects.filter(pk=leader.pk).update(attrs=attrs)
        told = {"synchronous_standby_names": "", "herdsite.serial": "2"}
        self.herd.clusters[leader.data].told |= told

    def _worker(self, vantage: str, after_s: float) -> None:
        def works() -> None:
            while True:
                self._work(vantage)

        self.schedule.spawn(vantage, works, after_s)

    def _work(self, vantage: str) -> None:
        due = self.known("due", next_due)
        if due is None or due[2] > self.schedule.now:
            soon = OFTEN_S if due is None else min(OFTEN_S, due[2] - self.schedule.now)
            self.schedule.idle(soon + 0.003 * self.schedule.draw(f"{vantage}{self.schedule.now}").random())
            return
        kind, queue, _at = due
        if kind == "incident":
            taken = wiring.mend(self.ports, vantage)[0]
        else:
            taken = Turn(queue, self.ports, vantage, kinds=(kind,)).once(kind, AT_ONCE)
        self.beats += taken
        self.schedule.sleep(0.001 if taken else 0.06 if queue == SUSPECT else 0.01)

    def _writes(self, at: float) -> None:
        """A client writes every now and then, by the address and straight to whoever leads."""
        self.clients.through_address()
        if self.spec.profile.straight:
            for data, disk in list(self.herd.clusters.items()):
                if not disk.standby:
                    self.clients.straight(data)
        self.schedule.at(at + self.spec.profile.writes_s, lambda: self._writes(at + self.spec.profile.writes_s))

    def heal(self) -> None:
        """No more faults: links hold, what is off is switched on, what hangs goes on."""
        self.schedule.calm = True
        self.schedule.note("all is healed")
        self.herd.cut.clear()
        for host in sorted(self.herd.frozen):
            self.herd.frozen.discard(host)
        for name, machine in sorted(self.herd.provider.machines.items()):
            if machine.state == "stopped":
                self.herd.provider.start(name)
        for task in self.schedule.tasks:
            task.skew = 0.0
        self.herd.pump()
        self._person(self.schedule.now + CALLED_S, 0)

    def _person(self, at: float, turn: int) -> None:
        """Somebody on call, who tries what the pages offer."""

        def looks() -> None:
            if self._believe():
                pass
            elif self.people.needed():
                self.people.move(("retry", "cancel", "retry")[turn % 3])
            elif self.people.open() is None and not self._led():
                self.people.ask("failover", force=True, accept_loss="unknown")
            self._person(at + CALLED_S, turn + 1)

        self.schedule.at(at, looks)

    def _believe(self) -> bool:
        """The page says that our records are older than the hosts: they are asked to believe those."""
        self.checks.older = self.checks.older and self.checks.outdated()
        if self.checks.older and not Intent.objects.filter(verb="believe", state=Intent.OPEN).exists():
            self.people.ask("believe")
        return self.checks.older

    def restore(self) -> None:
        """All workers stop, and start again on an earlier copy of our own database."""
        self.schedule.note("* our own database is restored to an earlier moment")
        self.schedule.kill()
        self.arena.restore()
        self.checks.older = True
        self.checks.ended.clear()

    def _led(self) -> bool:
        resource = Resource.objects.select_related("instance__server").get(pk=self.resource.pk)
        disk = self.herd.clusters.get(resource.instance.data) if resource.instance else None
        return disk is not None and disk.runs and not disk.standby

    def whole(self) -> bool:
        """Led, stood by, addressed, nothing can be lost, and nobody waits for an answer."""
        return not self.lacks()

    def lacks(self) -> str:
        if self.checks.older and self.checks.outdated():
            return self.checks.untouched() or "nobody has had our records believe the hosts"
        resource = Resource.objects.select_related("instance__server", "plan").get(pk=self.resource.pk)
        leader = resource.instance
        standbys = list(Instance.objects.filter(standby_for=resource, state="available", outdated=False))
        if resource.state != "available":
            return f"{resource.name} is {resource.state}"
        if leader.state != "available" or not self._led():
            return f"{leader.name}, which is to lead, is {leader.state}"
        if not standbys:
            return "nobody stands by"
        if resource.quorum.get("says") != "cant_lose":
            return "the record says that writes may be lost"
        endpoint = next(iter(self.herd.provider.endpoints.values()))
        if endpoint.machine != leader.server.name:
            return f"the address leads to {endpoint.machine or 'nowhere'}"
        if Changeover.objects.exclude(state__in=(DONE, CANCELLED)).exists():
            return f"{self.people.open()} is open"
        if waiting := Intent.objects.filter(state=Intent.OPEN).exclude(verb="create").first():
            return f"{waiting.verb} of {waiting.name} was never answered"
        return ""


def next_due() -> tuple[str, str, float] | None:
    """The kind and the queue of what is due first, and when."""
    kinds = (*RINGS, Incident.KIND)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, queue, extract(epoch FROM at)::float8 FROM ("
            + " UNION ALL ".join(
                f"(SELECT '{kind}' AS kind, queue, greatest(due_at, leased_until) AS at FROM {ring.table_of(kind)} "
                "WHERE due_at IS NOT NULL ORDER BY 3, name LIMIT 1)"
                for kind in kinds
            )
            + ") AS soonest ORDER BY at, kind LIMIT 1"
        )
        return cursor.fetchone()


def play(arena: Arena, spec: Spec) -> Ending:
    """Run it."""
    choices = spec.choices
    made: list[Play] = []
    with arena.schedule(lambda: Schedule(spec.seed, spec.profile.odds, choices)) as schedule:
        cast = Play(arena, schedule, spec)
        made.append(cast)
        faults = draw(spec.scenario, spec.seed, spec.profile, cast.herd) if spec.faults is None else spec.faults
        broken = ""
        try:
            _perform(cast, schedule, faults)
        except Broken as error:
            broken = str(error)
        schedule.note(broken or "all is well")
        ending = Ending(spec, broken, faults, dict(schedule.taken), beats=cast.beats, acked=len(cast.clients.acked))
        ending.took_s, ending.passed = since(schedule.now), schedule.passed
        if broken:
            ending.story = tell(schedule)
    return ending


def _perform(cast: Play, schedule: Schedule, faults: Sequence[Fault]) -> None:
    ticks = [BEGIN]

    def each() -> None:
        cast.checks.each()
        if schedule.now - ticks[0] >= 0.5:
            ticks[0] = schedule.now
            cast.checks.by_records()

    cast.begin()
    for fault in faults:
        schedule.at(BEGIN + fault.at, lambda fault=fault: FAULTS[fault.kind](cast, fault))
    # Who is held up has gone on by then.
    ends = [fault.at + (fault.lasts if fault.kind in ("hold", "off", "cut", "freeze") else 0.0) for fault in faults]
    faulty = max([FAULTY_S, *ends]) + 0.5
    schedule.run(BEGIN + faulty, each=each)
    cast.heal()
    schedule.run(BEGIN + faulty + HEALED_S, cast.whole, each)
    cast.checks.by_records()
    cast.checks.silent()
    if (most := PAGES.get(cast.spec.scenario)) is not None:
        cast.checks.paged(most)
    if lacking := cast.lacks():
        raise Broken(f"L: {HEALED_S:g} s after all was healed {lacking}")


def tell(schedule: Schedule) -> list[str]:
    """The story: what was chosen, what hosts did, what our own records tell, in the order in which it happened."""
    lines = [(at, text) for at, text in schedule.notes]
    lines += [
        (event.at.timestamp(), f"  {event.name}: {event.verb} ({event.row}) {event.why[:110]}")
        for event in Event.objects.order_by("pk")
        if event.at.timestamp() >= BEGIN
    ]
    lines.sort(key=lambda line: line[0])
    return [f"{since(at):8.3f}  {text}" for at, text in lines]
