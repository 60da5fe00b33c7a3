"""What herdsite asks of whoever owns the machines. Real ones and the fake pass tests/contracts/test_provider.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

# What a provider can say of a machine. "stopped" and "absent" are proof for a failover, so only who makes and ends
# machines says them: "absent" of one that was never made, or that it saw ended. Who only adopts, or can't be asked,
# raises instead.
PENDING, RUNNING, STOPPED, PAUSED, ABSENT = "pending", "running", "stopped", "paused", "absent"
MACHINE_STATES = (PENDING, RUNNING, STOPPED, PAUSED, ABSENT)


class ProviderError(Exception):
    """The provider could not be asked, or said no; `str(error)` says what to do."""


class OutOfCapacity(ProviderError):
    """The provider has no room for another machine of this kind now; trying again later may work."""


@dataclass(frozen=True)
class Machine:
    """One machine as its provider describes it. `home` is the folder that is ours on it, `pg` maps a major version
    of PostgreSQL to its bin folder there, `host_key` is the SSH key by which it will be known for ever, `bind` is what
    a server on it listens on, `disk_mb` is how big its disk is (0: it can't tell)."""

    state: str
    address: str = ""
    port: int = 22
    user: str = ""
    host_key: str = ""
    home: str = ""
    bind: str = "*"
    pg: dict[int, str] = field(default_factory=dict)
    events: Sequence[str] = ()
    disk_mb: int = 0


@dataclass(frozen=True)
class Endpoint:
    """A stable address as its provider describes it: the IP or name that clients use, the machine that it leads to now
    ("" when to none), and whether clients wait at it (Provider.hold). The port is the PostgreSQL instance's own."""

    address: str
    machine: str = ""
    held: bool = False


class Provider(Protocol):
    """Machines, by the name of the Server they are for. Every verb can be repeated without harm.

    Addresses have names of their own. A provider without `has_addresses` has none and refuses to make one; one without
    `can_hold` can't make clients wait; one without `can_grow` refuses to make a disk bigger. ProviderError also says
    that there is no address, or machine, of a name.
    """

    can_grow: bool
    has_addresses: bool
    can_hold: bool

    def create(self, name: str, zone: str, disk_mb: int) -> None:
        """Begin to make the machine `name`; returns at once, `describe` tells when it runs. Raises OutOfCapacity."""
        ...

    def describe(self, name: str) -> Machine: ...

    def start(self, name: str) -> None:
        """Switch it on; does nothing to a machine that runs."""
        ...

    def stop(self, name: str) -> None:
        """Switch it off, hard; does nothing to a machine that is off."""
        ...

    def grow(self, name: str, disk_mb: int) -> None:
        """Make its disk that big while it runs, and what lies on it able to use that: `df` there tells when it is so.
        Does nothing to a disk that is as big already; none shrinks."""
        ...

    def destroy(self, name: str) -> None:
        """Take it away with its disks, and from any address that leads to it; does nothing where there is none."""
        ...

    def names(self) -> list[str]:
        """The machines there are, sorted."""
        ...

    def allocate(self, name: str, port: int) -> Endpoint:
        """Make the address `name`, leading nowhere, for `port` of whatever machine it will lead to. Does nothing to one
        that is there, but another port is taken over. Raises OutOfCapacity."""
        ...

    def address(self, name: str) -> Endpoint | None:
        """None is a positive statement: there is none of that name."""
        ...

    def associate(self, name: str, machine: str, generation: int) -> None:
        """Lead it to the machine from now on, and end a hold. Connections to a former machine are cut, those to this
        one are left alone. A generation older than the address has seen is refused."""
        ...

    def disassociate(self, name: str) -> None:
        """Lead it nowhere: connections are cut, and new ones refused."""
        ...

    def hold(self, name: str, seconds: float) -> None:
        """Have new connections, and what clients send, wait for at most so long; then all goes on by itself."""
        ...

    def release_address(self, name: str) -> None:
        """Give it back; does nothing where there is none."""
        ...

    def addresses(self) -> list[str]:
        """The names of the addresses there are, sorted."""
        ...
