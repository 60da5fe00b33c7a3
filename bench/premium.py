"""A database with high availability in a herd of its own, what has to hold of it after a fault, and what was done about
one and when: shared by the benches of changeovers and by their tests."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import InterfaceError, OperationalError, connections

from bench.writer import TABLE, Writer, connect, rows
from fleet import intents, subjects
from fleet.models import Changeover, Credential, Customer, Event, Instance, Resource, Server
from fleet.providers.local import chaos
from fleet.providers.local.provider import LocalProvider
from fleet.states import AVAILABLE, CANCELLED, DESTROYED, DESTROYING, DONE, NEEDS_HUMAN
from fleet.succession.quorum import CANT_LOSE
from fleet.transports.base import Database
from herdsite import wiring
from incidents.models import Incident, Page

HOSTS, ZONES = 3, "abc"
GROWN_S, WHOLE_S = 180, 180
TICK_S = 0.1


class NotYet(Exception):
    """What had to come did not come in time."""


def until(true: Callable[[], object], what: str, seconds: float = WHOLE_S) -> None:
    """Wait for something that has to come; NotYet if it does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if true():
                return
        except (OperationalError, InterfaceError):
            # Our own database may be what is away.
            connections.close_all()
        time.sleep(TICK_S)
    raise NotYet(f"not within {seconds:g} s: {what}")


@dataclass
class Premium:
    """One resource, by its id: every look at it is fresh."""

    key: Any
    provider: LocalProvider
    acked: set[int] = field(default_factory=set)
    # Where the numbers of the next writer begin, by whether it goes straight to an instance: no number comes twice.
    numbers: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 10**9})

    @property
    def resource(self) -> Resource:
        return Resource.objects.select_related("instance__server", "address", "plan").get(pk=self.key)

    @property
    def leader(self) -> Instance:
        found = self.resource.instance
        assert found
        return found

    @property
    def standbys(self) -> list[Instance]:
        alive = Instance.objects.filter(standby_for=self.key).exclude(state__in=(DESTROYING, DESTROYED))
        return list(alive.select_related("server"))

    def customers(self) -> Database:
        """By the stable address."""
        found = subjects.database_of(self.resource)
        assert found
        return found

    def straight(self, instance: Instance) -> Database:
        """Past the address, to one instance."""
        owner = self.resource.credentials.get(purpose=Credential.OWNER)
        found = subjects.database(instance.server.address, instance.port, self.resource.dbname, owner)
        assert found
        return found

    def whole(self) -> bool:
        """Nothing can be lost, nobody is missing, nothing is under way."""
        return not self.missing()

    def missing(self) -> str:
        """What it lacks to be whole, in words."""
        resource, standbys = self.resource, self.standbys
        if resource.instance is None:
            return "the database has no instance yet"
        ill = [f"{one} is {one.state}" for one in (resource, self.leader, *standbys) if one.state != AVAILABLE]
        ill += [f"{one} is outdated" for one in standbys if one.outdated]
        ill += [f"{one} is open: {one.state} {one.marks.get('why', '')}" for one in self.open()]
        if resource.quorum.get("says") != CANT_LOSE:
            ill.append(f"the record says {resource.quorum.get('says')}")
        if not standbys:
            ill.append("it has no standby")
        if subjects.serving(getattr(resource, "address", None)) is None:
            ill.append("its address does not lead to it")
        return "; ".join(ill)

    def open(self) -> list[Changeover]:
        return list(Changeover.objects.filter(resource=self.key).exclude(state__in=(DONE, CANCELLED)))

    def mend(self, seconds: float = WHOLE_S) -> None:
        """Heal every host of the herd, do what a person does once the cause is gone, and wait until it is whole."""
        for server in Server.objects.exclude(state=DESTROYED):
            chaos.heal(self.provider, server.name)
        for changeover in self.open():
            if changeover.state == NEEDS_HUMAN:
                intents.ask(changeover, "retry", actor="bench")
        try:
            until(self.whole, "whole", seconds)
        except NotYet as error:
            raise NotYet(f"{error}: {self.missing()}") from error

    @contextmanager
    def written(self, straight: bool = False) -> Iterator[Writer]:
        """A customer writes meanwhile, from a first acknowledgement on."""
        target = self.straight(self.leader) if straight else self.customers()
        writer = Writer(target, self.numbers[straight])
        writer.start()
        try:
            try:
                until(lambda: len(writer.acked) > 20, "a first write", 30)
            except NotYet as error:
                raise NotYet(f"{error}: {writer.why or self.missing() or 'it hangs'}") from error
            yield writer
        finally:
            writer.stop()
            self.numbers[straight] = writer.next
            if not straight:
                self.acked |= {n for n, _at in writer.acked}

    def lost(self) -> int:
        """How many that were ever acknowledged are not on the leader."""
        return len(self.acked - rows(self.straight(self.leader)))


def grow(seconds: float = GROWN_S, plan: str = "premium-0", name: str = "bench") -> Premium:
    """Hosts in as many zones, and on them one database of that plan, whole."""
    customer, _made = Customer.objects.get_or_create(name="bench")
    for n in range(HOSTS):
        intents.create_server(f"{name}-{n}", actor="bench", zone=ZONES[n % len(ZONES)], key=f"{name}/{n}")
    until(lambda: Server.objects.filter(state=AVAILABLE).count() >= HOSTS, "servers", seconds)
    resource = intents.create_resource(customer, plan, actor="bench", key=f"{name}/{plan}", name=f"{name}-db")
    premium = Premium(resource.pk, wiring.local_provider())
    premium.mend(seconds)
    with connect(premium.customers()) as connection:
        connection.execute(TABLE)
    return premium


@dataclass(frozen=True)
class Step:
    """Something that was done about a fault, `at` seconds after it."""

    at: float
    what: str


def story(premium: Premium, began: float) -> list[Step]:
    """All that herdsite did since, in order."""
    moment = datetime.fromtimestamp(began, UTC)
    steps = [
        Step(event.at.timestamp() - began, f"{event.name} {event.verb} ({event.row or '-'})")
        for event in Event.objects.filter(at__gte=moment).exclude(kind="backup").order_by("at", "id")
    ]
    steps += [
        Step(incident.created_at.timestamp() - began, f"incident {incident.name}")
        for incident in Incident.objects.filter(created_at__gte=moment)
    ]
    for changeover in Changeover.objects.filter(resource=premium.key, created_at__gte=moment):
        marks = {name: at for name, at in changeover.marks.items() if isinstance(at, float) and at > began}
        steps += [Step(at - began, f"mark {name}") for name, at in marks.items()]
    return sorted(steps, key=lambda step: step.at)


def changed(premium: Premium, began: float) -> Sequence[Changeover]:
    """The changeovers that began since."""
    moment = datetime.fromtimestamp(began, UTC)
    return list(Changeover.objects.filter(resource=premium.key, created_at__gte=moment).order_by("created_at"))


def pages(began: float) -> int:
    return int(Page.objects.filter(created_at__gte=datetime.fromtimestamp(began, UTC)).count())
