"""Hints: the clock holds one open connection to each leader with high availability, and to each standby of one. When it
breaks, or stays silent for a moment, the next look at it is due now instead of within the second; for the doubt window
the silence counts from the question that was not answered.

It is only a hint. It decides nothing and records nothing, and whether anything is wrong the beat finds out for itself;
without it everything goes on, a little later.
"""

import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from django.db import Error, connections

from fleet import ring, subjects
from fleet.models import Credential, Instance, Resource
from fleet.states import AVAILABLE
from fleet.transports.base import Database, TransportError
from fleet.transports.sql import Held

log = structlog.get_logger("hint")

PING_S = 0.15
SILENT_S = 0.3
# As much of a silence counts (s): more than this the clock itself was away for, and did not listen.
COUNTED_S = 2 * SILENT_S
# How often it is asked whom to hold, and how soon a broken one is tried again.
REFRESH_S = 2.0
AGAIN_S = 1.0
CONNECT_S = 1.0


@dataclass
class Line:
    """One held connection: `hinted` while it is known to be silent, so that one silence is one hint. `upstream` is the
    leader that a standby streams from: its commits wait for the standby's word."""

    instance: UUID
    resource: UUID
    database: Database
    upstream: UUID | None = None
    held: Held | None = None
    tried_at: float = 0.0
    asked_at: float = 0.0
    hinted: bool = False


@dataclass
class Hints:
    """`hold` makes a connection (a Held); `hint` is told of an instance and its resource whose next look is due."""

    hold: Callable[[Database, float], Held] = Held
    lines: dict[UUID, Line] = field(default_factory=dict)

    def refresh(self) -> None:
        """Whom to hold, as our records have it now."""
        wanted = members()
        for gone in set(self.lines) - set(wanted):
            self._drop(self.lines.pop(gone))
        for id_, line in wanted.items():
            if id_ not in self.lines or self.lines[id_].database != line.database:
                if id_ in self.lines:
                    self._drop(self.lines[id_])
                self.lines[id_] = line

    def round(self, wait_s: float) -> list[Line]:
        """Connect, ask and listen once, for at most about `wait_s` seconds. Returns those whose next look is due."""
        now, due = time.monotonic(), []
        for line in self.lines.values():
            if line.held is None and now - line.tried_at >= AGAIN_S:
                line.tried_at = now
                with suppress(TransportError):
                    line.held = self.hold(line.database, CONNECT_S)
                    line.hinted = False
        held = {line.held.socket: line for line in self.lines.values() if line.held}
        for line in held.values():
            if now - line.asked_at >= PING_S:
                line.asked_at = now
                due += self._hear(line, lambda held: held.ping())
        poll = select.poll()
        for socket, line in held.items():
            if line.held:
                poll.register(socket, select.POLLIN)
        for socket, _event in poll.poll(wait_s * 1000):
            due += self._hear(held[socket], lambda held: held.hear())
        for line in held.values():
            if line.held and line.held.silent_s > SILENT_S and not line.hinted:
                line.hinted = True
                due.append(line)
            elif line.held and not line.held.silent_s:
                line.hinted = False
        return due

    def _hear(self, line: Line, what: Callable[[Held], None]) -> list[Line]:
        if line.held is None:
            return []
        try:
            what(line.held)
        except TransportError:
            self._drop(line)
            return [line]
        return []

    def _drop(self, line: Line) -> None:
        if line.held:
            line.held.close()
        line.held = None

    def close(self) -> None:
        for line in self.lines.values():
            self._drop(line)


def members() -> dict[UUID, Line]:
    """The well leaders of resources with high availability and their well standbys, and where to look into each."""
    found = {}
    served = Resource.objects.filter(plan__high_availability=True, state=AVAILABLE, follows=None)
    leading = [(one.instance, one.pk) for one in served.select_related("instance__server") if one.instance]
    standing_by = Instance.objects.filter(standby_for__in=served, outdated=False).select_related("server")
    for instance, resource in [*leading, *((one, one.standby_for_id) for one in standing_by)]:
        monitor = Credential.objects.filter(instance=instance, purpose=Credential.MONITOR).first()
        database = subjects.database(instance.server.address, instance.port, subjects.MONITOR_DB, monitor)
        if database and instance.state == AVAILABLE:
            found[instance.pk] = Line(instance.pk, resource, database, instance.upstream_id)
    return found


def hint(line: Line) -> None:
    """The next look at it is due now, and so is that at whoever waits for it."""
    log.info("look now", at=line.database.address, port=line.database.port)
    if line.held:
        ring.suspect(Instance.KIND, line.instance, min(line.held.silent_s, COUNTED_S))
    if line.upstream:
        ring.nudge(Instance.KIND, [line.instance, line.upstream])
    else:
        ring.nudge(Instance.KIND, [line.instance])
        ring.nudge(Resource.KIND, [line.resource])


def serving(lines: list[Line]) -> list[Line]:
    """Without those that are changing over just now: that they are stopped is no news."""
    if not lines:
        return []
    ids = [line.resource for line in lines]
    well = set(Resource.objects.filter(pk__in=ids, state=AVAILABLE).values_list("pk", flat=True))
    return [line for line in lines if line.resource in well]


def listen(stop: threading.Event) -> None:
    """Hold and hint until told to stop; for a thread of the clock's."""
    hints, refresh_at = Hints(), 0.0
    try:
        while not stop.is_set():
            try:
                if time.monotonic() >= refresh_at:
                    refresh_at = time.monotonic() + REFRESH_S
                    hints.refresh()
                for line in serving(hints.round(PING_S)):
                    hint(line)
                if not hints.lines:
                    stop.wait(PING_S)
            except Error:
                connections.close_all()
                stop.wait(REFRESH_S)
    finally:
        hints.close()
        connections.close_all()
