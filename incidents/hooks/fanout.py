"""From Events to Deliveries: each Event exactly once for each endpoint that wants it.

Numbers are drawn before transactions commit, so an Event may appear after one with a higher number, and "higher than
the last" would lose it. What is read is therefore an interval of transactions: those that were not over at the last
reading and are now, by PostgreSQL's own snapshots. Each transaction falls into one interval, whenever it drew its
numbers. The cursor moves in the transaction that writes the Deliveries.
"""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from fleet.models import Event
from incidents.hooks import about
from incidents.hooks.models import Cursor, Delivery, Endpoint

log = structlog.get_logger("hooks")

MOST = 1_000
# Old deliveries are removed this often, so many at a time.
SWEEP_EVERY = timedelta(minutes=10)
SWEEP_MOST = 5_000
# A number may be drawn by a statement whose transaction has none of its own yet, an instant later. No more Events than
# this are written in such an instant.
SLACK = 1_000

# Transactions are numbered across the cluster, and those of other databases write no Events: what runs for long there
# holds up nothing here. One that can't be told to be there is taken to be here.
_NOW = """
    WITH elsewhere AS (
        SELECT backend_xid::text::bigint AS xid FROM pg_stat_activity
        WHERE backend_xid IS NOT NULL AND datname <> current_database()
    ), running AS (
        SELECT x::text::bigint AS xid FROM pg_snapshot_xip(pg_current_snapshot()) AS x
        WHERE x::text::bigint & 4294967295 NOT IN (SELECT xid FROM elsewhere)
    )
    SELECT coalesce((SELECT min(xid) FROM running), pg_snapshot_xmax(s)::text::bigint),
           pg_snapshot_xmax(s)::text::bigint,
           (SELECT coalesce(max(id), 0) FROM fleet_event)
    FROM pg_current_snapshot() AS s
"""
# xmin tells the lower half of a transaction's number: the upper is that of the newest, or one less.
_NEW = """
    WITH now AS (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next)
    SELECT id, xid FROM (
        SELECT id, next - ((next - event.xmin::text::bigint) & 4294967295) AS xid
        FROM fleet_event AS event, now WHERE id > %(floor)s
    ) AS recent
    WHERE xid >= %(since)s AND xid < %(until)s
    ORDER BY xid FETCH FIRST %(most)s ROWS WITH TIES
"""


def fan_out(most: int = MOST) -> int:
    """Queue what happened since the last time, `most` Events or a few more. Returns how many Deliveries it made; 0 when
    another worker is at it. Call it in a transaction of its own."""
    if not _anything(Cursor.objects.first()):
        return 0
    with transaction.atomic():
        cursor = Cursor.objects.select_for_update(skip_locked=True).first()
        if cursor is None:
            return 0
        now = _now()
        new = _new(cursor, now.until, most)
        cursor.xid = new[-1][1] + 1 if len(new) >= most else max(cursor.xid, now.until)
        if cursor.xid >= cursor.mark_xid:
            # Whatever is still to come began after the mark, and drew its numbers after it.
            cursor.floor = max(cursor.floor, cursor.mark_id - SLACK)
            cursor.mark_xid, cursor.mark_id = now.next, now.top
        cursor.save()
        _sweep(cursor)
        return _queue([id_ for id_, _xid in new])


def _anything(cursor: Cursor | None) -> bool:
    """Whether there is something to read; looked at without a lock, since most of the time there is not."""
    now = _now()
    if cursor is None:
        # What happened before there was a reader is not told.
        begin = {"xid": now.until, "floor": max(0, now.top - SLACK), "mark_xid": now.next, "mark_id": now.top}
        Cursor.objects.get_or_create(pk=1, defaults=begin)
        return False
    if now.next < cursor.xid:
        # Transactions count from anew: the database was restored into another cluster.
        log.warning("restored", why="the cursor's transaction is still to come: reading goes on from now")
        Cursor.objects.filter(pk=cursor.pk).update(xid=now.until, mark_xid=now.next)
        return False
    return bool(_new(cursor, now.until, 1))


@dataclass(frozen=True)
class _Now:
    """One moment: the oldest transaction here that is not over, the next one to begin, the highest Event there is."""

    until: int
    next: int
    top: int


def _now() -> _Now:
    with connection.cursor() as sql:
        sql.execute(_NOW)
        return _Now(*sql.fetchone())


def _new(cursor: Cursor, until: int, most: int) -> list[tuple[int, int]]:
    """Ids of Events with their transactions, oldest transaction first, and none of it in part."""
    with connection.cursor() as sql:
        sql.execute(_NEW, {"floor": cursor.floor, "since": cursor.xid, "until": until, "most": most})
        return sql.fetchall()


def _queue(ids: list[int]) -> int:
    endpoints = list(Endpoint.objects.filter(active=True).defer("secret"))
    if not ids or not endpoints:
        return 0
    events = sorted(Event.objects.in_bulk(ids).values(), key=lambda event: event.pk)
    whose = about.resources(events) if any(endpoint.limited for endpoint in endpoints) else {}
    wanted = [
        Delivery(endpoint=endpoint, event=event, subject=event.subject)
        for event in events
        for endpoint in endpoints
        if wants(endpoint, event, whose)
    ]
    return len(Delivery.objects.bulk_create(wanted, ignore_conflicts=True))


def wants(endpoint: Endpoint, event: Event, whose: about.About) -> bool:
    """Whether the endpoint is to hear of it."""
    moved = bool(event.target) and event.target != event.source
    if (
        (endpoint.kinds and event.kind not in endpoint.kinds)
        or (endpoint.verbs and event.verb not in endpoint.verbs)
        or (endpoint.moves_only and not moved)
    ):
        return False
    if not endpoint.limited:
        return True
    resource = whose.get(event.pk)
    return resource is not None and (
        resource.pk == endpoint.resource_id or resource.customer_id == endpoint.customer_id
    )


def _sweep(cursor: Cursor) -> None:
    """Remove deliveries that are over and old."""
    due = Cursor.objects.filter(pk=cursor.pk, swept_at__lt=Now() - SWEEP_EVERY)
    if due.update(swept_at=Now()):
        old = Delivery.objects.exclude(state=Delivery.QUEUED).filter(
            created_at__lt=Now() - timedelta(days=settings.KEEP_DELIVERIES_DAYS)
        )
        Delivery.objects.filter(pk__in=old.values("pk")[:SWEEP_MOST]).delete()
