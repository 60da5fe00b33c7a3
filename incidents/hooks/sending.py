"""The beat that sends: deliveries that are due, side by side to many endpoints and one at a time to each.

Anything but a 2xx is tried again, twice as late each time, until it is given up; meanwhile it holds up what comes later
of the same subject, and nothing else. An endpoint from which nothing comes back is left alone for longer and longer,
so that it costs one attempt now and then however much waits for it. It is not switched off for that: what happened
meanwhile would be lost without a word, and nothing is saved. Only a receiver that says 410 Gone itself is.
"""

import random
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Least, Now

from fleet.transports import lanes
from fleet.transports.post import Answer, post
from incidents.hooks import payload
from incidents.hooks.models import Attempt, Delivery, Endpoint
from incidents.notices.base import LONGEST_WAIT_S, SLOWED_S, plain
from incidents.notices.webhook import signature

log = structlog.get_logger("hooks")

# One request, one round of them, and how many side by side.
TIMEOUT_S, BUDGET_S, THREADS = 5.0, 3.0, 8
LEASE_S = 30
FIRST_WAIT_S, MOST_WAIT_S = 2.0, 600.0
# How long an endpoint from which nothing comes back is left alone at most (s).
MOST_QUIET_S = 300.0
MANY = 1_000
GONE, SLOW_DOWN = 410, 429


@dataclass(frozen=True)
class Parcel:
    """What a thread needs to send. `error` says why it can't be."""

    delivery: Delivery
    url: str = ""
    secret: str = ""
    body: bytes = b""
    error: str = ""

    @property
    def lane(self) -> uuid.UUID:
        return self.delivery.endpoint_id


def send_due(budget_s: float = BUDGET_S) -> int:
    """Send what is due. Takes at most the budget and one request's time-out. Returns how many requests were made."""
    return lanes.run(_claim, send, finish, THREADS, budget_s)


def _claim(busy: set[uuid.UUID]) -> Parcel | None:
    """The next delivery that is due and nobody else's, to an endpoint that is not busy."""
    now = clock()
    earlier = Delivery.objects.filter(
        state=Delivery.QUEUED,
        endpoint=OuterRef("endpoint"),
        subject=OuterRef("subject"),
        event__lt=OuterRef("event"),
    )
    with transaction.atomic():
        delivery = (
            Delivery.objects.filter(
                Q(leased_until=None) | Q(leased_until__lte=now),
                Q(endpoint__quiet_until=None) | Q(endpoint__quiet_until__lte=now),
                state=Delivery.QUEUED,
                next_at__lte=now,
                endpoint__active=True,
            )
            .exclude(endpoint__in=busy)
            .exclude(Exists(earlier))
            .order_by("next_at", "event_id")
            .select_for_update(skip_locked=True, of=("self",))
            .first()
        )
        if delivery is None:
            return None
        delivery.lease, delivery.leased_until = uuid.uuid4(), now + timedelta(seconds=LEASE_S)
        delivery.attempts += 1
        delivery.tried_at = now
        delivery.save(update_fields=["lease", "leased_until", "attempts", "tried_at"])
    return parcel(delivery)


def parcel(delivery: Delivery) -> Parcel:
    try:
        endpoint = delivery.endpoint
    except ImproperlyConfigured:
        return Parcel(delivery, error="the endpoint's secret can't be decrypted: its key is missing")
    return Parcel(delivery, endpoint.url, endpoint.secret, payload.body(delivery, endpoint.limited))


def send(parcel: Parcel) -> Answer:
    """One request; touches no database."""
    if parcel.error:
        return Answer(None, parcel.error)
    id_, timestamp = str(parcel.delivery.pk), str(int(time.time()))
    try:
        signed = signature(parcel.secret, id_, timestamp, parcel.body)
    except ValueError as error:
        return Answer(None, plain(str(error), parcel.secret))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "herdsite",
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": signed,
    }
    return post(parcel.url, parcel.body, headers, TIMEOUT_S)


def finish(parcel: Parcel, answer: Answer) -> None:
    """Write down what came of it, unless the endpoint was deleted meanwhile."""
    try:
        _finish(parcel, answer)
    except IntegrityError:
        log.info("endpoint deleted", delivery=str(parcel.delivery.pk))


def _finish(parcel: Parcel, answer: Answer) -> None:
    """Write down what came of it. Taken is taken even if our lease is over; anything else of a lost lease only shows in
    the log."""
    now, delivery = clock(), parcel.delivery
    text = plain(answer.text, parcel.secret, parcel.url)
    told = {"status": answer.status, "answer": text, "lease": None, "leased_until": None}
    ours = Delivery.objects.filter(pk=delivery.pk, state=Delivery.QUEUED)
    with transaction.atomic():
        Attempt.objects.create(delivery=delivery, at=now, status=answer.status, answer=text, took_ms=answer.took_ms)
        if answer.taken:
            ours.update(state=Delivery.SENT, sent_at=now, **told)
        else:
            over = now > delivery.queued_at + timedelta(hours=settings.HOOKS_GIVE_UP_H) or answer.status == GONE
            wait = timedelta(seconds=wait_s(delivery.attempts))
            state = Delivery.FAILED if over else Delivery.QUEUED
            ours.filter(lease=delivery.lease).update(state=state, next_at=now + wait, **told)
        _mind(delivery.endpoint_id, answer, text, now)
    log.info(
        "delivered" if answer.taken else "not delivered",
        delivery=str(delivery.pk),
        status=answer.status,
        attempt=delivery.attempts,
        ms=round(answer.took_ms),
    )


def _mind(endpoint: uuid.UUID, answer: Answer, text: str, now: datetime) -> None:
    """What the answer says about the endpoint itself."""
    row = Endpoint.objects.filter(pk=endpoint)
    if answer.taken:
        row.exclude(silences=0, quiet_until=None, problem="").update(silences=0, quiet_until=None, problem="")
    elif answer.status == GONE:
        row.update(active=False, problem=f"{now:%Y-%m-%d %H:%M} the receiver says that it is gone (410)")
    elif answer.status == SLOW_DOWN:
        row.update(quiet_until=now + timedelta(seconds=_asked_s(answer)), problem=f"429 {text}")
    elif answer.status is None:
        silences = row.values_list("silences", flat=True).first() or 0
        quiet = timedelta(seconds=min(FIRST_WAIT_S * 2 ** min(silences, 10), MOST_QUIET_S))
        row.update(silences=Least(F("silences") + 1, MANY), quiet_until=now + quiet, problem=text)
    else:
        row.update(silences=0, quiet_until=None, problem=f"{answer.status} {text}")


def _asked_s(answer: Answer) -> float:
    """How long it wants to be left alone, within reason."""
    said = answer.retry_after or ""
    return min(max(float(said) if said.isdecimal() else 0.0, SLOWED_S), LONGEST_WAIT_S)


def wait_s(attempts: int) -> float:
    """Seconds until the next attempt: doubled each time, and drawn, so that receivers don't get all at once."""
    return min(FIRST_WAIT_S * 2 ** min(attempts - 1, 20), MOST_WAIT_S) * random.uniform(1.0, 1.25)


def again(deliveries: Q) -> int:
    """Send these once more, under the same ids: those that failed, and those that arrived. Returns how many."""
    over = Delivery.objects.filter(deliveries).exclude(state=Delivery.QUEUED)
    return over.update(state=Delivery.QUEUED, queued_at=Now(), next_at=Now(), attempts=0, lease=None, leased_until=None)


def prove(endpoint: Endpoint) -> Delivery:
    """Queue a message that says nothing, to see whether it arrives."""
    return Delivery.objects.create(endpoint=endpoint, subject=uuid.uuid4())


def clock() -> datetime:
    """The database's time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
