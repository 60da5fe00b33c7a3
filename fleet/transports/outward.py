"""Addresses that customers and operators register: webhooks, drains, dumps to load. Who may name an address has our
machines ask for it, so what lies in our own networks (a cloud's metadata, say) must be out of reach.

Judged twice: when it is registered, to be told at once, and whenever it is used, since a name may lead elsewhere by
then. A name is looked up once, and what is connected to is the very address that was judged.
"""

import ipaddress
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

# IPv4 within IPv6, for networks that translate.
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class NotAllowed(ValueError):
    """That address may not be asked for anything; the message says why and what to do, and names its host at most."""


class Place(NamedTuple):
    """Where a URL leads; `inside` is that the settings let it lead into private networks, and do without TLS."""

    host: str
    port: int
    inside: bool


def place(url: str, named: Sequence[str] = ()) -> Place:
    """Of an address as it is written. Hosts that are `named` may be inside, besides settings.PRIVATE_URLS. NotAllowed
    for what is no address, and for http elsewhere."""
    parts = _split(url)
    host = parts.hostname or ""
    inside = is_named(host, named) or "*" in settings.PRIVATE_URLS or is_named(host, settings.PRIVATE_URLS)
    if not host or parts.scheme not in ("http", "https"):
        raise NotAllowed("An address begins with https://.")
    if parts.scheme == "http" and not inside:
        raise NotAllowed("Only https:// is allowed: http proves neither the sender nor the receiver.")
    return Place(host, parts.port or (443 if parts.scheme == "https" else 80), inside)


def found(place: Place) -> list[tuple[Any, ...]]:
    """What socket.getaddrinfo finds, and may be connected to. NotAllowed where all of it is private; OSError where
    nothing is found."""
    everywhere = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    allowed = [one for one in everywhere if place.inside or is_public(str(one[4][0]))]
    if not allowed:
        # Where to is not said: who asks may be a stranger to our networks.
        raise NotAllowed(f"{place.host} leads to an address that is not on the public internet.")
    return allowed


def judge(url: str) -> None:
    """Whether it may be registered. NotAllowed, if not; a name that leads nowhere yet is judged when it is used."""
    where = place(url)
    with suppress(OSError):
        found(where)


def is_public(address: str) -> bool:
    """Whether that is one machine on the public internet, also by the IPv4 address that an IPv6 one stands for."""
    one = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address):
        within = one.ipv4_mapped or one.sixtofour
        if one in NAT64:
            within = ipaddress.IPv4Address(int(one) & 0xFFFFFFFF)
        if within is not None:
            return is_public(str(within))
    return one.is_global and not (one.is_multicast or one.is_reserved or one.is_unspecified)


def is_named(host: str, names: Sequence[str]) -> bool:
    """Whether the host is one of the names, or below one of them ("*.example.com")."""
    return any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in names)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        # A port that is none is only found out when it is asked for.
        _port = parts.port
    except ValueError as error:
        # What is wrong with it may hold a part of it, a password even.
        raise NotAllowed("Not an address.") from error
    return parts
