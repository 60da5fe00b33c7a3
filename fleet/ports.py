"""What a beat reaches the world through. Built in one place (herdsite/wiring.py), handed down from there."""

from collections.abc import Callable
from dataclasses import dataclass

from fleet.providers.base import Provider
from fleet.transports.base import Host, Shell, Sql


@dataclass(frozen=True)
class Ports:
    """`shell` gives the Shell of a host, `provider` the Provider of that name, `host_key` the key that whoever listens
    at an address and port shows: for the first meeting only, after which it is pinned."""

    shell: Callable[[Host], Shell]
    sql: Sql
    provider: Callable[[str], Provider]
    host_key: Callable[[str, int], str]
