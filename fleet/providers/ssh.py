"""Hosts that somebody already has: herdsite adopts them, and asks a person for what only a provider could do.

Nobody can say of a bare host that it is off. So there are two answers about one: it runs, when its SSH server greets
us, or "can't tell", which is a ProviderError. A port that accepts a connection proves nothing: a frozen host's does.
"""

import socket
from collections.abc import Mapping
from typing import Any

from fleet.providers.base import RUNNING, Endpoint, Machine, ProviderError

TIMEOUT = 5.0
GREETING_LINES = 20
LINE = 1024


class SshProvider:
    """Implements `Provider` over a fixed list of hosts, without stable addresses.

    `hosts` maps a name to what a Machine says of it: address, port, user, host_key, home, pg (major version → bin
    folder), bind. ProviderError names an entry that is none of these, or has no address.
    """

    can_grow = False
    has_addresses = False
    can_hold = False

    def __init__(self, hosts: Mapping[str, Mapping[str, Any]]):
        self._hosts = {name: _machine(name, details) for name, details in hosts.items()}

    def create(self, name: str, zone: str, disk_mb: int) -> None:  # noqa: ARG002 (a host is what it is)
        """Adopt a host of the list: there is nothing to do. A host can't be made here."""
        if name not in self._hosts:
            raise ProviderError(f"{name} is not among the hosts to adopt: set it up by hand, then add it to the list")

    def describe(self, name: str) -> Machine:
        """It runs, or ProviderError: can't tell. A host that is missing from the list is no host that is off: the list
        may be an older one, or one that somebody edited. Takes at most a few seconds."""
        machine = self._hosts.get(name)
        if machine is None:
            raise ProviderError(
                f"can't tell whether {name} runs: it is not among the adopted hosts, add it to the list"
            )
        where = f"{name} ({machine.address} port {machine.port})"
        try:
            greeted = _greets(machine.address, machine.port)
        except OSError as error:
            raise ProviderError(f"can't tell whether {where} runs: {error}") from error
        if not greeted:
            raise ProviderError(f"can't tell whether {where} runs: it accepts connections, but no SSH server answers")
        return machine

    def start(self, name: str) -> None:
        """Does nothing to a host that runs; otherwise a person must switch it on."""
        try:
            self.describe(name)
        except ProviderError as error:
            raise ProviderError(f"switch {name} on by hand: {error}") from error

    def stop(self, name: str) -> None:
        raise ProviderError(f"{name} can't be switched off by herdsite: switch it off by hand")

    def grow(self, name: str, disk_mb: int) -> None:  # noqa: ARG002
        raise ProviderError(f"the disk of {name} can't be grown by herdsite: grow it by hand")

    def destroy(self, name: str) -> None:
        """Forget the host; the machine itself stays as it is."""
        self._hosts.pop(name, None)

    def names(self) -> list[str]:
        return sorted(self._hosts)

    def allocate(self, name: str, port: int) -> Endpoint:  # noqa: ARG002
        raise _no_address(name)

    def address(self, name: str) -> Endpoint | None:  # noqa: ARG002
        return None

    def associate(self, name: str, machine: str, generation: int) -> None:  # noqa: ARG002
        raise _no_address(name)

    def disassociate(self, name: str) -> None:
        raise _no_address(name)

    def hold(self, name: str, seconds: float) -> None:  # noqa: ARG002
        raise _no_address(name)

    def release_address(self, name: str) -> None:
        """There is nothing to give back."""

    def addresses(self) -> list[str]:
        return []


def _machine(name: str, details: Mapping[str, Any]) -> Machine:
    pg = {int(major): folder for major, folder in details.get("pg", {}).items()}
    try:
        machine = Machine(**{**details, "state": RUNNING, "pg": pg})
    except TypeError as error:
        raise ProviderError(f"host {name}: {error}") from error
    if not machine.address:
        raise ProviderError(f"host {name} has no address")
    return machine


def _no_address(name: str) -> ProviderError:
    return ProviderError(f"there is no address {name}: adopted hosts have none")


def _greets(address: str, port: int) -> bool:
    """Whether an SSH server says its version; it may say some lines before that. OSError: no connection, or silence."""
    with socket.create_connection((address, port), timeout=TIMEOUT) as connection, connection.makefile("rb") as lines:
        return any(lines.readline(LINE).startswith(b"SSH-") for _ in range(GREETING_LINES))
