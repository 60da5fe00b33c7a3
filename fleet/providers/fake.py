"""A provider in memory, whose faults are switches: for tests of what herdsite does when a provider fails it."""

import time
from dataclasses import replace

from fleet.providers.base import ABSENT, PENDING, RUNNING, STOPPED, Endpoint, Machine, OutOfCapacity, ProviderError


class FakeProvider:
    """Implements `Provider`. A test may change every public attribute at any time.

    `capacity` is how many machines there is room for (None: any number); `unreachable` makes every question fail;
    `looks_pending` is how often a machine that was just switched on is described as pending; `machines` is what there
    is, so that a test can make one paused, or give it scheduled events. `endpoints` is what addresses there are,
    `generations` the newest that each has seen; `address_capacity` is how many there is room for, and without
    `has_addresses` or `can_hold` it is a provider that has none, or one like a cloud whose clients can't be held;
    without `can_grow` its disks stay as they are.
    """

    def __init__(self, capacity: int | None = None, looks_pending: int = 0):
        self.capacity = capacity
        self.looks_pending = looks_pending
        self.unreachable = False
        self.machines: dict[str, Machine] = {}
        self.can_grow = True
        self.has_addresses = True
        self.can_hold = True
        self.address_capacity: int | None = None
        self.endpoints: dict[str, Endpoint] = {}
        self.generations: dict[str, int] = {}
        self._held: dict[str, float] = {}
        self._given = 0
        self._pending: dict[str, int] = {}
        self._made = 0

    def create(self, name: str, zone: str, disk_mb: int) -> None:  # noqa: ARG002 (memory has no zones)
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
            disk_mb=disk_mb,
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

    def grow(self, name: str, disk_mb: int) -> None:
        machine = self._existing(name)
        if not self.can_grow:
            raise ProviderError(f"this provider can't make the disk of {name} bigger")
        self.machines[name] = replace(machine, disk_mb=max(disk_mb, machine.disk_mb))

    def destroy(self, name: str) -> None:
        self._answer()
        if self.machines.pop(name, None):
            for address, endpoint in self.endpoints.items():
                if endpoint.machine == name:
                    self._lead(address, "")

    def names(self) -> list[str]:
        self._answer()
        return sorted(self.machines)

    def allocate(self, name: str, port: int) -> Endpoint:  # noqa: ARG002 (memory has no ports)
        self._answer()
        if not self.has_addresses:
            raise ProviderError("this provider has no addresses")
        if name not in self.endpoints:
            if self.address_capacity is not None and len(self.endpoints) >= self.address_capacity:
                raise OutOfCapacity(f"all {self.address_capacity} addresses are taken")
            self._given += 1
            self.endpoints[name] = Endpoint(f"198.19.{self._given // 256}.{self._given % 256}")
        return self._endpoint(name)

    def address(self, name: str) -> Endpoint | None:
        self._answer()
        return self._endpoint(name) if name in self.endpoints else None

    def associate(self, name: str, machine: str, generation: int) -> None:
        self._endpoint(name)
        self._existing(machine)
        seen = self.generations.get(name, 0)
        if generation < seen:
            raise ProviderError(f"the address {name} has seen generation {seen}: {generation} is too old")
        self.generations[name] = generation
        self._lead(name, machine)

    def disassociate(self, name: str) -> None:
        self._endpoint(name)
        self._lead(name, "")

    def hold(self, name: str, seconds: float) -> None:
        if not self.can_hold:
            raise ProviderError("this provider can't hold clients")
        if not self._endpoint(name).machine:
            raise ProviderError(f"the address {name} leads nowhere: there is nothing to hold")
        self._held[name] = time.monotonic() + seconds

    def release_address(self, name: str) -> None:
        self._answer()
        self.endpoints.pop(name, None)
        self.generations.pop(name, None)
        self._held.pop(name, None)

    def addresses(self) -> list[str]:
        self._answer()
        return sorted(self.endpoints)

    def _answer(self) -> None:
        if self.unreachable:
            raise ProviderError("the provider does not answer")

    def _existing(self, name: str) -> Machine:
        self._answer()
        if name not in self.machines:
            raise ProviderError(f"there is no machine {name}")
        return self.machines[name]

    def _endpoint(self, name: str) -> Endpoint:
        self._answer()
        if name not in self.endpoints:
            raise ProviderError(f"there is no address {name}")
        return replace(self.endpoints[name], held=self._held.get(name, 0.0) > time.monotonic())

    def _lead(self, name: str, machine: str) -> None:
        self.endpoints[name] = replace(self.endpoints[name], machine=machine)
        self._held.pop(name, None)

    def _set(self, name: str, state: str) -> None:
        self.machines[name] = replace(self.machines[name], state=state)
