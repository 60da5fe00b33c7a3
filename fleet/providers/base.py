"""What herdsite asks of whoever owns the machines. Real ones and the fake pass tests/contracts/test_provider.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

# What a provider can say of a machine. "absent" is a positive statement (asked, and there is none of that name);
# a provider that can't be asked raises instead.
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
    a server on it listens on."""

    state: str
    address: str = ""
    port: int = 22
    user: str = ""
    host_key: str = ""
    home: str = ""
    bind: str = "*"
    pg: dict[int, str] = field(default_factory=dict)
    events: Sequence[str] = ()


class Provider(Protocol):
    """Machines, by the name of the Server they are for. Every verb can be repeated without harm."""

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

    def destroy(self, name: str) -> None:
        """Take it away with its disks; does nothing where there is none."""
        ...

    def names(self) -> list[str]:
        """The machines there are, sorted."""
        ...
