"""Pressure: the clock holds one connection to each shared instance and reads its lock table every two seconds.

Where one database takes all locks, nobody can log in any more, herdsite's looks included: only a session that is open
already can tell which database it is. The reading lies on the instance's row (fleet/tenants.py); what follows from it,
the beat of the database decides, which is made due.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from django.db import Error, connections

from fleet import policy, ring, subjects, tenants
from fleet.models import Credential, Instance, Resource
from fleet.plans import STARTER
from fleet.postgres.statements import statement
from fleet.states import AVAILABLE, DESTROYED, UNCERTAIN
from fleet.transports.base import Database, Refused, Row, TransportError
from fleet.transports.sql import Held

log = structlog.get_logger("pressure")

REFRESH_S = 10.0
TIMEOUT_S = 2.0
AT_ONCE = 8
# Locks that the held session keeps for nothing: when it ends, there is room for the locks of one login.
BALLAST = (
    "SELECT pg_catalog.count(pg_catalog.pg_try_advisory_lock(4711002, number)) "
    "FROM pg_catalog.generate_series(1, 64) AS number"
)
# For the whole session, so that no question takes locks for it.
_PATH = "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)"
NO_LOCKS = "53200"

Shares = dict[str, float]


@dataclass
class Line:
    """One shared instance: `tenants` are its databases with their owners by oid, `shares` what was noted last,
    `prepared` whether its session keeps the ballast."""

    instance: UUID
    database: Database
    major: int
    held: Held | None = None
    prepared: bool = False
    tenants: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    shares: Shares = field(default_factory=dict)


def read(line: Line, hold: Callable[[Database, float], Held] = Held) -> Shares | None:
    """The share (%) of the lock table that each database over its share holds, or, on a full table where none is over
    it, the one that holds most; None where that can't be read now. Where the table is full and the session is not
    prepared for that, it makes room for another by ending."""
    for _ in range(2):
        try:
            return _ask(line, hold)
        except TransportError as error:
            drop(line)
            if not (isinstance(error, Refused) and error.code == NO_LOCKS):
                return None
    return None


def _ask(line: Line, hold: Callable[[Database, float], Held]) -> Shares | None:
    held = line.held or hold(line.database, TIMEOUT_S)
    fresh, line.held = line.held is None, held
    if fresh:
        held.fetch([_PATH], TIMEOUT_S)
    (holders,) = held.fetch([statement("lock_holders", line.major)], TIMEOUT_S)
    if not _over(line, holders):
        try:
            (found,) = held.fetch([statement("tenants", line.major)], TIMEOUT_S)
            line.tenants = {row["database"]: (row["name"], row["owner"]) for row in found}
            if not line.prepared:
                held.fetch([BALLAST], TIMEOUT_S)
                line.prepared = True
        except Refused as error:
            # Whose databases those are was known a moment ago, unless this is the first look.
            if error.code != NO_LOCKS or not line.tenants:
                raise
            return _over(line, holders) or _largest(line, holders)
    return _over(line, holders)


def _over(line: Line, holders: list[Row]) -> Shares:
    return {name: share for name, share in _shares(line, holders).items() if share > policy.LOCK_SHARE_PCT}


def _largest(line: Line, holders: list[Row]) -> Shares:
    """The one that holds most: on a full table somebody has to make room, and least is lost if that is one alone."""
    shares = _shares(line, holders)
    return {name: shares[name] for name in sorted(shares, key=lambda name: (-shares[name], name))[:1]}


def _shares(line: Line, holders: list[Row]) -> Shares:
    """By name. What herdsite's own roles hold, to dump a database say, is not the tenant's."""
    shares: Shares = {}
    for row in holders:
        name, owner = line.tenants.get(row["database"], ("", 0))
        if name and row["role"] == owner:
            shares[name] = 100.0 * row["locks"] / row["slots"]
    return shares


def drop(line: Line) -> None:
    if line.held:
        line.held.close()
    line.held, line.prepared = None, False


def members() -> dict[UUID, Line]:
    """The shared instances that serve, and where to look into each."""
    found = {}
    shared = Instance.objects.filter(plan__tier=STARTER, role=Instance.LEADER, state__in=(AVAILABLE, UNCERTAIN))
    for instance in shared.select_related("server"):
        monitor = Credential.objects.filter(instance=instance, purpose=Credential.MONITOR).first()
        database = subjects.database(instance.server.address, instance.port, subjects.MONITOR_DB, monitor)
        if database:
            noted = tenants.shares(instance.attrs)
            found[instance.pk] = Line(instance.pk, database, instance.major, shares=noted)
    return found


def refresh(lines: dict[UUID, Line]) -> None:
    """Bring the lines in step with our records of shared instances."""
    wanted = members()
    for gone in set(lines) - {id_ for id_, line in wanted.items() if id_ in lines and _same(lines[id_], line)}:
        drop(lines.pop(gone))
    for id_, line in wanted.items():
        lines.setdefault(id_, line)


def _same(one: Line, other: Line) -> bool:
    return (one.database, one.major) == (other.database, other.major)


def note(line: Line, shares: Shares | None) -> None:
    """Keep the reading where there is something to say, and have the databases that it is about looked at now."""
    if shares is None or not (shares or line.shares):
        return
    tenants.note(line.instance, shares)
    if changed := set(shares) ^ set(line.shares):
        log.info("locks", instance=str(line.instance), shares={name: round(share) for name, share in shares.items()})
        mine = Resource.objects.filter(instance=line.instance, dbname__in=changed).exclude(state=DESTROYED)
        ring.nudge(Resource.KIND, mine.values_list("pk", flat=True))
    line.shares = shares


def watch(stop: threading.Event) -> None:
    """Read and note until told to stop; for a thread of the clock's."""
    lines: dict[UUID, Line] = {}
    refresh_at = 0.0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            while not stop.is_set():
                began = time.monotonic()
                try:
                    if began >= refresh_at:
                        refresh_at = began + REFRESH_S
                        refresh(lines)
                    for line, shares in zip(lines.values(), pool.map(read, lines.values()), strict=True):
                        note(line, shares)
                except Error:
                    connections.close_all()
                stop.wait(max(0.0, policy.LOCKS_READ_S - (time.monotonic() - began)))
        finally:
            for line in lines.values():
                drop(line)
            connections.close_all()
