"""Dumps that lie elsewhere: which addresses may be fetched. Who may name an address has our hosts ask for it, so what
lies in their own networks (a cloud's metadata, say) must be out of reach unless the settings name it."""

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from django.conf import settings


class NotAllowed(ValueError):
    """That address may not be fetched; the message says why and what to do."""


def check(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether the settings name the host. NotAllowed for what may not be asked at all."""
    if not re.fullmatch(r"[!-~]{1,2000}", url) or set(url) & set('"\\`<>^{|}'):
        raise NotAllowed("That is no address: it holds what no address may hold.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise NotAllowed(f"That is no address: {error}.") from error
    allowed = settings.IMPORT_HOSTS
    listed = any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in allowed)
    if not host or parts.scheme not in ("http", "https"):
        raise NotAllowed("An address begins with https://.")
    if parts.username or parts.password:
        raise NotAllowed("An address with a password in it would be kept for all to see: use a signed one.")
    if parts.scheme == "http" and not listed:
        raise NotAllowed("Only https:// may be fetched: what comes over http could be anybody's.")
    if not listed and "*" not in allowed:
        raise NotAllowed(f"Nothing may be fetched from {host}: IMPORT_HOSTS allows {', '.join(allowed) or 'no host'}.")
    return host, port or (80 if parts.scheme == "http" else 443), listed


def pin(url: str) -> str:
    """HOST:PORT:IP, to which a fetch keeps: the name is looked up once, and what it leads to is judged. NotAllowed for
    a name that leads nowhere, or into a private network without being named in the settings."""
    host, port, listed = check(url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NotAllowed(f"{host} can't be found: {error.strerror or error}.") from error
    address = str(found[0][4][0])
    if not listed and not ipaddress.ip_address(address).is_global:
        raise NotAllowed(f"{host} leads to {address}, which is not on the public internet.")
    return f"{host}:{port}:{f'[{address}]' if ':' in address else address}"
