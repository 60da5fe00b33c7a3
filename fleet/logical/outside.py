"""Dumps that lie elsewhere: which addresses may be fetched, by the rules for all addresses that somebody registers
(fleet/transports/outward.py) and settings.IMPORT_HOSTS. A host that is named there may lie in a private network."""

import re
from contextlib import suppress
from urllib.parse import urlsplit

from django.conf import settings

from fleet.transports.outward import NotAllowed, Place, found, is_named, place

__all__ = ["NotAllowed", "check", "judge", "pin"]


def check(url: str) -> Place:
    """Where it leads. NotAllowed for what may not be asked at all."""
    if not re.fullmatch(r"[!-~]{1,2000}", url) or set(url) & set('"\\`<>^{|}'):
        raise NotAllowed("Not an address: it has characters that no address may have.")
    allowed = settings.IMPORT_HOSTS
    where = place(url, allowed)
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise NotAllowed("An address with a password in it would be kept for all to see: use a signed one.")
    if "*" not in allowed and not is_named(where.host, allowed):
        known = ", ".join(allowed) or "no host"
        raise NotAllowed(f"Nothing may be fetched from {where.host}: IMPORT_HOSTS allows {known}.")
    return where


def judge(url: str) -> None:
    """Whether it may be asked for. NotAllowed, if not; a name that leads nowhere yet is judged when it is fetched."""
    where = check(url)
    with suppress(OSError):
        found(where)


def pin(url: str) -> str:
    """HOST:PORT:IP, to which a fetch keeps: the name is looked up once, and what it leads to is judged. NotAllowed for
    a name that leads nowhere, or into a private network without being named in the settings."""
    where = check(url)
    try:
        address = str(found(where)[0][4][0])
    except OSError as error:
        raise NotAllowed(f"{where.host} can't be found: {error.strerror or error}.") from error
    return f"{where.host}:{where.port}:{f'[{address}]' if ':' in address else address}"
