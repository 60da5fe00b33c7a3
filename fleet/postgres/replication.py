"""How an instance streams and to whom it answers: the settings and files that change while it lives. Pure.

They are written whole into a file of their own (config.DYNAMIC), so that what an instance is told to be is one value,
and telling it again changes nothing.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from fleet.postgres.config import DYNAMIC, REPLICA, ROOTS, lines

PASSFILE = "herdsite.pgpass"
_NOTHING: Mapping[str, str] = MappingProxyType({})


def conninfo(address: str, port: int, name: str, folder: str, proves: bool = True) -> str:
    """How a standby called `name` reaches its leader; in `folder`, on the standby's host, lie the password and the CAs.
    `proves`: the leader has a certificate of the herd's CA. One that was never given any is taken on trust, and gets no
    password in clear all the same: channel binding is SCRAM, which proves to each that the other knows the password.
    """
    checked = {"sslmode": "verify-full", "sslrootcert": f"{folder}/{ROOTS}"} if proves else {"sslmode": "require"}
    words = {
        "host": address,
        "port": str(port),
        "user": REPLICA,
        "application_name": name,
        "passfile": f"{folder}/{PASSFILE}",
        **checked,
        # No require_auth beside it: libpq 15 does not know that, and channel binding leaves SCRAM alone.
        "channel_binding": "require",
        # A host that vanished without a word is noticed as fast as one that said goodbye.
        "connect_timeout": "2",
        "keepalives_idle": "2",
        "keepalives_interval": "1",
        "keepalives_count": "3",
    }
    return " ".join(f"{key}={_word(value)}" for key, value in words.items())


def standby(conninfo: str, slot: str, fetching: Mapping[str, str] = _NOTHING) -> dict[str, str]:
    """Settings of one that streams; `fetching` those by which it gets from the archive what its leader has no more."""
    return {
        "primary_conninfo": conninfo,
        "primary_slot_name": slot,
        "recovery_target_timeline": "latest",
        **fetching,
    }


def leader(required: str = "", writing: Mapping[str, str] = _NOTHING) -> dict[str, str]:
    """Settings of one that leads: `required` is the text of synchronous_standby_names, `writing` how it archives."""
    return {"synchronous_standby_names": required, **writing}


def files(settings: Mapping[str, str], password: str = "", more: Mapping[str, str] = _NOTHING) -> dict[str, str]:
    """The files beside the data, by name: the dynamic settings, the replication role's password, and those that the
    settings call."""
    secret = {PASSFILE: f"*:*:*:{REPLICA}:{password}\n"} if password else {}
    return {DYNAMIC: lines(settings), **secret, **more}


def _word(value: str) -> str:
    """As libpq reads it."""
    if re.fullmatch(r"[A-Za-z0-9/_.,:@+-]+", value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
