"""Clients that write, and people who ask for things: what the world does besides the control plane."""

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from fleet import intents
from fleet.intents import AskError
from fleet.models import Changeover, Instance, Intent, Resource
from fleet.states import CANCELLED, DONE, NEEDS_HUMAN
from tests.sim.host import CLIENT, Disk, SimHerd, Waiter
from tests.sim.schedule import Schedule

# A session waits so long for its commit before its client gives up on it, not knowing what became of it (s).
PATIENCE_S = 5.0


@dataclass(frozen=True)
class Ack:
    """A commit that was acknowledged: when, what, by whom, and whether its session had waited for the standbys."""

    at: float
    label: str
    data: str
    waited: bool


@dataclass
class Clients:
    """`acked` is what clients were told is committed; `tried` counts attempts, by what became of them."""

    schedule: Schedule
    herd: SimHerd
    address: str
    port: int
    acked: list[Ack] = field(default_factory=list)
    wrote: int = 0

    def through_address(self) -> bool:
        """One commit by the way that customers are given. Whether somebody took it."""
        endpoint = next((one for one in self.herd.provider.endpoints.values() if one.address == self.address), None)
        name = next((name for name, one in self.herd.provider.endpoints.items() if one.address == self.address), "")
        if endpoint is None or self.herd.provider._held.get(name, 0.0) > self.schedule.now:
            return False
        return self._commit(self.herd.serving(self.address, self.port))

    def straight(self, data: str) -> bool:
        """One commit by a client that is connected to that host, wherever the address leads."""
        disk = self.herd.clusters.get(data)
        return self._commit(disk if disk and self.herd.works(disk) else None)

    def _commit(self, disk: Disk | None) -> bool:
        if disk is None or disk.standby:
            return False
        data = self.herd.data_of(disk)
        if not self.herd.reaches(CLIENT, self.herd.homes[data]):
            return False
        self.wrote += 1
        label = f"c{self.wrote}"
        waiter = Waiter(disk.write(label), lambda: self._told(label, data), label)
        disk.waiting.append(waiter)
        self.herd.pump()
        return True

    def _told(self, label: str, data: str) -> None:
        self.acked.append(Ack(self.schedule.now, label, data, True))

    def cancel(self) -> None:
        """Every client that waits cancels: PostgreSQL tells it that its commit is done, on that host at least."""
        for data, disk in self.herd.clusters.items():
            if not self.herd.works(disk) or not self.herd.reaches(CLIENT, self.herd.homes[data]):
                continue
            waiting, disk.waiting = disk.waiting, []
            for one in waiting:
                if one.label:
                    self.schedule.note(f"a client cancels {one.label} at {data.split('/')[-2]}")
                    self.acked.append(Ack(self.schedule.now, one.label, data, False))

    def acks(self) -> set[str]:
        return {ack.label for ack in self.acked}


class People:
    """What a person may ask for. A refusal is an answer like any other."""

    def __init__(self, schedule: Schedule, herd: SimHerd, resource: Resource) -> None:
        self.schedule, self.herd, self.resource = schedule, herd, resource

    def ask(self, verb: str, **params: Any) -> Intent | None:
        return self._ask(Resource.objects.get(pk=self.resource.pk), verb, params)

    def move(self, verb: str) -> Intent | None:
        """Ask something of the changeover that is open."""
        found = self.open()
        return self._ask(found, verb, {}) if found else None

    def rebuild(self) -> Intent | None:
        """Ask for a standby to be made anew."""
        standby = Instance.objects.filter(standby_for=self.resource).first()
        return self._ask(standby, "rebuild", {}) if standby else None

    def destroy(self) -> Intent | None:
        """Ask for a standby to be taken away."""
        standby = Instance.objects.filter(standby_for=self.resource).first()
        return self._ask(standby, "destroy", {}) if standby else None

    def open(self) -> Changeover | None:
        return Changeover.objects.filter(resource=self.resource).exclude(state__in=(DONE, CANCELLED)).first()

    def needed(self) -> Changeover | None:
        """The changeover that waits for a person."""
        found = self.open()
        return found if found and found.state == NEEDS_HUMAN else None

    def _ask(self, member: Any, verb: str, params: dict[str, Any]) -> Intent | None:
        try:
            with transaction.atomic():
                made = intents.ask(
                    member,
                    verb,
                    actor="anna",
                    reason="to see it move",
                    confirm=member.name,
                    params=params,
                    again=True,
                )
        except AskError as error:
            self.schedule.note(f"anna asks for {verb} of {member.name}: {error}")
            return None
        self.schedule.note(f"anna asks for {verb} of {member.name}")
        return made
