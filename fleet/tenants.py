"""Tenants of one shared instance compete for the locks of its lock table, which PostgreSQL limits for all together and
for nobody alone. herdsite suspends a tenant that takes them again and again.

The reading lies on the instance's row, as text: "EPOCH NAME:PERCENT NAME:PERCENT", of the tenants over their
share, or, where the lock table is full and none is, of the one that holds most.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection

from fleet import policy
from fleet.models import Resource

READING, UNTIL, ENDED = "lock_holders", "suspended_until", "locks_ended"


def note(instance: UUID, shares: Mapping[str, float], ago_s: float = 0.0) -> None:
    """Keep a reading that was made so long ago: the share (%) of each tenant that is to make room, by the name of its
    database."""
    said = "".join(f" {name}:{share:.1f}" for name, share in sorted(shares.items()))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE fleet_instance SET attrs = attrs || hstore(%s, "
            "round(extract(epoch FROM clock_timestamp())::numeric - %s, 1) || %s) WHERE id = %s",
            [READING, ago_s, said, instance],
        )


def shares(attrs: Mapping[str, str | None]) -> dict[str, float]:
    """The shares (%) of the instance's last reading, however old, by the name of the database."""
    _at, *said = (attrs.get(READING) or "0").split(" ")
    return {name: float(share) for name, _, share in (one.rpartition(":") for one in said)}


def lock_pct(attrs: Mapping[str, str | None], dbname: str, now: float) -> float | None:
    """The share of the lock table (%) that the database's sessions hold, by the instance's reading; 0 where that does
    not name it, None where it does and is old."""
    mine = shares(attrs).get(dbname)
    if mine is None:
        return 0.0
    at = float((attrs.get(READING) or "0").split(" ")[0])
    return mine if now - at <= policy.LOCKS_FRESH_S else None


def until(attrs: Mapping[str, str | None]) -> datetime | None:
    """Until when it is suspended, if it is."""
    said = attrs.get(UNTIL)
    return datetime.fromtimestamp(float(said), UTC) if said else None


def suspend(resource: Resource, end: float) -> None:
    """Note that it is suspended until then (epoch, s)."""
    _set(resource, UNTIL, f"{end:.0f}")


def lift(resource: Resource) -> None:
    """Note that it is not suspended any more."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE fleet_resource SET attrs = delete(attrs, %s::text) WHERE id = %s", [UNTIL, resource.pk])


def remember(resource: Resource, key: str, now: float) -> None:
    """Note that its sessions were ended, and in which run of which playbook."""
    _set(resource, ENDED, f"{now:.0f} {key}")


def repeats(resource: Resource, key: str, now: float) -> bool:
    """Whether its sessions were ended lately already, in another run than this."""
    at, _, before = (resource.attrs.get(ENDED) or "").partition(" ")
    return bool(at) and before != key and now - float(at) < policy.SUSPENSION_REMEMBERED_S


def _set(resource: Resource, name: str, value: str) -> None:
    """One attribute, whatever others are written at the same time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE fleet_resource SET attrs = attrs || hstore(%s, %s) WHERE id = %s", [name, value, resource.pk]
        )
