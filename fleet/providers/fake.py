"""A provider in memory, whose faults are switches: for tests of what herdsite does when a provider fails it."""

from dataclasses import replace

from fleet.providers.base import ABSENT, PENDING, RUNNING, STOPPED, Machine, OutOfCapacity, ProviderError


class FakeProvider:
    """Implements `Provider`. A test may change every public attribute at any time.

    `capacity` is how many machines there is room for (None: any number); `unreachable` makes every question fail;
    `looks_pending` is how often a machine that was just switched on is described as pending; `machines` is what there
    is, so that a test can make one paused, or give it scheduled events.
    """

    def __init__(self, capacity: int | None = None, looks_pending: int = 0):
        self.capacity = capacity
        self.looks_pending = looks_pending
        self.unreachable = False
        self.machines: dict[str, Machine] = {}
        self._pending: dict[str, int] = {}
        self._made = 0

    def create(self, name: str, zone: str, disk_mb: int) -> None:  # noqa: ARG002 (memory has neither)
        self._answer()
        if name in self.machines:
            return
        if self.capacity is not None and len(self.machines) >= self.capacity:
            raise OutOfCapacity(f"all {self.capacity} machines are taken")
        self._made += 1
        self.machines[name] = Machine(
            state=RUNNING,
            address=f"198.18.{self._made // 256}.{self._made % 256}",
            user="herdsite",
            host_key=f"ssh-ed25519 FAKE{self._made}",
            home="/srv/herdsite",
            pg={17: "/usr/lib/postgresql/17/bin"},
        )
        self._pending[name] = self.looks_pending

    def describe(self, name: str) -> Machine:
        self._answer()
        machine = self.machines.get(name, Machine(ABSENT))
        if machine.state == RUNNING and self._pending.get(name):
            self._pending[name] -= 1
            return replace(machine, state=PENDING)
        return machine

    def start(self, name: str) -> None:
        if self._existing(name).state == STOPPED:
            self._pending[name] = self.looks_pending
            self._set(name, RUNNING)

    def stop(self, name: str) -> None:
        self._existing(name)
        self._set(name, STOPPED)

    def destroy(self, name: str) -> None:
        self._answer()
        self.machines.pop(name, None)

    def names(self) -> list[str]:
        self._answer()
        return sorted(self.machines)

    def _answer(self) -> None:
        if self.unreachable:
            raise ProviderError("the provider does not answer")

    def _existing(self, name: str) -> Machine:
        self._answer()
        if name not in self.machines:
            raise ProviderError(f"there is no machine {name}")
        return self.machines[name]

    def _set(self, name: str, state: str) -> None:
        self.machines[name] = replace(self.machines[name], state=state)
