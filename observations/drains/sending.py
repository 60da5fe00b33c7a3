"""The beat that sends lines: one frame at a time to each drain, the same at every attempt until it is taken.

Best effort, and bounded: a customer's drain that says no for good loses the frame, one that does not answer gets it a
few more times, ever later. A platform that says no to its own input has changed the token: the frame waits for another.
"""

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce, Least

from fleet.transports import lanes
from fleet.transports.post import Answer, post
from observations.drains import frames, tokens
from observations.drains.models import Drain, Line

log = structlog.get_logger("drains")

TIMEOUT_S, BUDGET_S, THREADS = 5.0, 3.0, 8
LEASE_S = 30
# Lines in one frame, and how often it is tried: for about ten minutes.
BATCH, MOST_ATTEMPTS = 30, 8
MANY = 1_000
FIRST_WAIT_S, MOST_WAIT_S = 2.0, 300.0
# Of the answers that say no, those that may say yes later.
LATER = (408, 429)


@dataclass(frozen=True)
class Parcel:
    """A frame on its way. `error` says why it can't be."""

    drain: Drain
    url: str = ""
    headers: frozenset[tuple[str, str]] = frozenset()
    body: bytes = b""
    error: str = ""

    @property
    def lane(self) -> uuid.UUID:
        return self.drain.pk


def send_due(budget_s: float = BUDGET_S) -> int:
    """Send what waits. Takes at most the budget and one request's time-out. Returns how many requests were made."""
    return lanes.run(_claim, send, finish, THREADS, budget_s)


def _claim(busy: set[uuid.UUID]) -> Parcel | None:
    """The next drain that has lines, is due, and is nobody else's."""
    now, lease = clock(), uuid.uuid4()
    with transaction.atomic():
        pk = (
            Drain.objects.filter(
                Q(leased_until=None) | Q(leased_until__lte=now),
                Exists(Line.objects.filter(drain=OuterRef("pk"))),
                active=True,
                next_at__lte=now,
            )
            .exclude(pk__in=busy)
            .order_by("next_at")
            .select_for_update(skip_locked=True)
            .values_list("pk", flat=True)
            .first()
        )
        if pk is None:
            return None
        until, attempt = now + timedelta(seconds=LEASE_S), Least(F("attempts") + 1, MANY)
        Drain.objects.filter(pk=pk).update(lease=lease, leased_until=until, attempts=attempt)
    return _parcel(pk, lease)


def _parcel(pk: uuid.UUID, lease: uuid.UUID) -> Parcel:
    """The frame that is on its way, or a new one."""
    try:
        drain = Drain.objects.get(pk=pk)
    except ImproperlyConfigured:
        return Parcel(Drain(pk=pk, lease=lease), error="the URL can't be decrypted: the key is missing")
    if drain.rotated_at:
        # Where there is no other, the old one is tried again: it may have been the platform's mistake.
        tokens.renew(drain)
    with transaction.atomic():
        if drain.frame is None:
            drain.frame, drain.attempts = uuid.uuid4(), 1
            drain.save(update_fields=["frame", "attempts"])
            waiting = drain.lines.filter(framed=False).values_list("pk", flat=True)[:BATCH]
            Line.objects.filter(pk__in=list(waiting)).update(framed=True)
        lines = list(drain.lines.filter(framed=True).values_list("at", "text"))
    app = frames.input_token(drain.url) if drain.kind == Drain.INPUT else frames.APP
    token = drain.token if drain.kind == Drain.DRAIN else ""
    headers = frames.headers(drain.url, len(lines), str(drain.frame), token)
    return Parcel(drain, drain.url, frozenset(headers.items()), frames.body(lines, app))


def send(parcel: Parcel) -> Answer:
    """One request; touches no database."""
    if parcel.error:
        return Answer(None, parcel.error)
    return post(parcel.url, parcel.body, dict(parcel.headers), TIMEOUT_S)


def finish(parcel: Parcel, answer: Answer) -> None:
    """Write down what came of it, unless our lease was lost and another worker sends the same frame."""
    drain, now = parcel.drain, clock()
    refused = answer.status is not None and 400 <= answer.status < 500 and answer.status not in LATER
    with transaction.atomic():
        ours = Drain.objects.filter(pk=drain.pk, lease=drain.lease)
        if not ours.select_for_update().values_list("pk").exists():
            return
        told = {"lease": None, "leased_until": None, "status": answer.status, "problem": _problem(answer)}
        wait = {"next_at": now + timedelta(seconds=wait_s(drain.attempts))}
        if answer.taken:
            gone = _forget(drain)
            ours.update(**told, frame=None, attempts=0, rotated_at=None, sent=F("sent") + gone)
        elif refused and drain.kind == Drain.INPUT:
            ours.update(**told, **wait, rotated_at=Coalesce("rotated_at", now))
        elif refused or drain.attempts >= MOST_ATTEMPTS:
            gone = _forget(drain)
            ours.update(**told, **wait, frame=None, attempts=0, dropped=F("dropped") + gone)
        else:
            ours.update(**told, **wait)
    if not answer.taken:
        log.warning("not drained", drain=str(drain.pk), status=answer.status, attempt=drain.attempts)


def _problem(answer: Answer) -> str:
    """What may be shown. An answer's body is the receiver's affair: it may hold what was sent."""
    return "" if answer.taken else f"{answer.status}" if answer.status else answer.text


def _forget(drain: Drain) -> int:
    gone, _by_model = drain.lines.filter(framed=True).delete()
    return gone


def wait_s(attempts: int) -> float:
    """Seconds until the next attempt: doubled each time, and drawn."""
    return min(FIRST_WAIT_S * 2 ** min(max(attempts, 1) - 1, 20), MOST_WAIT_S) * random.uniform(1.0, 1.25)


def clock() -> datetime:
    """The database's time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
