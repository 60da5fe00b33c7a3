"""The beat that sends: one row at a time, claimed by a lease, tried once, and written down with the channel's answer.

A message goes out until it is accepted. Refused is final. What may work later waits, twice as long each time and never
in step with others; a page that does not get through goes on by the next channel meanwhile. A worker that dies loses
its lease, and the next one sends again, under the same id.
"""

import random
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When

from incidents.models.notices import Notice, Page
from incidents.notices import changes, channels, pages, texts
from incidents.notices.base import ACCEPTED, INFO, LATER, REFUSED, Delivery, Message

log = structlog.get_logger("outbox")

# Longer than any channel may take for one message (s).
LEASE_S = 90
# A page goes on by another channel after this many attempts, or at once when refused or told to slow down.
PATIENCE = 3
LONGEST_WAIT_S = 300.0
GIVE_UP_AFTER = timedelta(days=3)

PAGING = (Notice.PAGE, Notice.ACKNOWLEDGE, Notice.RESOLVE, Notice.TEST)


def channel_failed(channel: str, why: str) -> None:
    """What is done at once when a channel can't bring a message to people; ourselves.py makes an incident of it."""
    log.error("channel failed", channel=channel, why=why)


def clock() -> datetime:
    """The database's time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def send_due(n: int = 20, now: datetime | None = None, failed: Callable[[str, str], None] = channel_failed) -> int:
    """One beat: let pages out and repeat them, then send at most `n` messages that are due, those to people on call
    first. A channel that did not answer is left alone for the rest of the beat. `failed(channel, why)` is called once
    for each message for people on call that does not get through. Returns how many were accepted."""
    now, began = now or clock(), time.monotonic()
    pages.keep(now)
    changes.tell(now)
    _withdraw_overtaken(now)
    accepted, silent = 0, set[str]()
    for _ in range(n):
        at = now + timedelta(seconds=time.monotonic() - began)
        notice = claim(at, silent)
        if notice is None:
            break
        delivery = _deliver(notice)
        at = now + timedelta(seconds=time.monotonic() - began)
        if finish(notice, delivery, at) and notice.purpose in PAGING:
            failed(notice.channel, delivery.answer)
        accepted += delivery.outcome == ACCEPTED
        if delivery.outcome == LATER:
            silent.add(notice.channel)
    return accepted


def claim(at: datetime, silent: Iterable[str] = ()) -> Notice | None:
    """Take the next message that is due and nobody else's, except by the `silent` channels. It counts as tried from
    now on, whatever becomes of us."""
    before = Notice.objects.filter(
        state=Notice.QUEUED,
        thread=OuterRef("thread"),
        channel=OuterRef("channel"),
        recipient=OuterRef("recipient"),
        created_at__lt=OuterRef("created_at"),
    )
    people_first = Case(When(purpose__in=PAGING, then=Value(0)), default=Value(1))
    with transaction.atomic():
        notice = (
            _free(at)
            .filter(next_at__lte=at)
            .exclude(channel__in=silent)
            .exclude(Exists(before))
            .order_by(people_first, "next_at")
            .select_for_update(skip_locked=True)
            .first()
        )
        if notice is not None:
            notice.lease, notice.leased_until = uuid.uuid4(), at + timedelta(seconds=LEASE_S)
            notice.attempts += 1
            notice.tried_at = at
            notice.save(update_fields=["lease", "leased_until", "attempts", "tried_at"])
    return notice


def finish(notice: Notice, delivery: Delivery, at: datetime) -> bool:
    """Write down what came of it. Returns whether this message is failing from now on, which is told once. What was
    accepted is accepted even if our lease is over; any other result of a lost lease is dropped."""
    ours = Notice.objects.filter(pk=notice.pk, state=Notice.QUEUED)
    if delivery.outcome == ACCEPTED:
        ours.update(state=Notice.SENT, sent_at=at, answer=delivery.answer, lease=None, leased_until=None)
        log.info("sent", channel=notice.channel, purpose=notice.purpose, key=notice.key)
        return False
    final = delivery.outcome == REFUSED or notice.purpose == Notice.TEST or at > notice.created_at + GIVE_UP_AFTER
    failing = final or delivery.wait_s is not None or notice.attempts >= PATIENCE
    with transaction.atomic():
        written = ours.filter(lease=notice.lease).update(
            state=Notice.FAILED if final else Notice.QUEUED,
            next_at=at + timedelta(seconds=wait_s(notice.attempts, delivery)),
            answer=delivery.answer,
            lease=None,
            leased_until=None,
            passed_on=notice.passed_on or failing,
        )
        news = bool(written) and failing and not notice.passed_on
        if news and notice.purpose == Notice.PAGE:
            page = notice.page
            if page is not None and page.ended_at is None and page.acknowledged_at is None:
                pages.pass_on(page, at)
    log.warning("not sent", channel=notice.channel, key=notice.key, attempt=notice.attempts, why=delivery.answer)
    return news


def wait_s(attempts: int, delivery: Delivery) -> float:
    """Seconds until the next attempt: doubled each time, never less than what the channel asked for, and drawn."""
    return max(min(2.0 ** min(attempts, 10), LONGEST_WAIT_S), delivery.wait_s or 0.0) * random.uniform(1.0, 1.5)


def prove(channel: str, recipient: str) -> Notice:
    """Send a test by that channel now, once; the row that comes back says what became of it."""
    at, id = clock(), uuid.uuid4()
    notice = Notice.objects.create(
        id=id,
        key=f"herdsite/test/{id}",
        thread=f"herdsite/test/{id}",
        purpose=Notice.TEST,
        channel=channel,
        recipient=recipient,
        subject="A test page from herdsite",
        body="Test message by `manage.py page --test`. If you read this, pages reach you by this channel.\n",
        attempts=1,
        tried_at=at,
        lease=uuid.uuid4(),
        leased_until=at + timedelta(seconds=LEASE_S),
    )
    finish(notice, _deliver(notice), clock())
    notice.refresh_from_db()
    return notice


def failing() -> dict[str, str]:
    """The channels of settings.PAGING whose last message for people on call did not get through, and why."""
    found = {}
    for channel in settings.PAGING:
        tried = Notice.objects.filter(channel=channel, purpose__in=PAGING, tried_at__isnull=False)
        last = tried.order_by("-tried_at").first()
        if last and last.passed_on and last.state != Notice.SENT:
            found[channel] = last.answer
    return found


def _free(at: datetime) -> QuerySet[Notice]:
    return Notice.objects.filter(Q(leased_until=None) | Q(leased_until__lte=at), state=Notice.QUEUED)


def _withdraw_overtaken(at: datetime) -> None:
    """A page that is over, that somebody has taken on, or that has come again meanwhile need not get through."""
    newer = Page.objects.filter(
        incident=OuterRef("page__incident"), n__gt=OuterRef("page__n"), let_out_at__isnull=False
    )
    over = Q(page__ended_at__isnull=False) | Q(page__acknowledged_at__isnull=False) | Exists(newer)
    overtaken = Notice.objects.filter(over, purpose=Notice.PAGE, state=Notice.QUEUED)
    _free(at).filter(pk__in=overtaken.values("pk")).update(state=Notice.CANCELLED)


def _deliver(notice: Notice) -> Delivery:
    notifier = channels.notifier_for(notice) if notice.channel in channels.known() else None
    if notifier is None:
        return Delivery(REFUSED, f"not configured: set {channels.NEEDS.get(notice.channel, notice.channel)}")
    if notice.purpose not in notifier.actions:
        return Delivery(REFUSED, f"{notice.channel} does not carry this kind of message")
    try:
        return notifier.send(message(notice))
    except Exception as error:
        log.error("channel raised", channel=notice.channel, error=type(error).__name__)
        return Delivery(LATER, f"{type(error).__name__} in herdsite")


def message(notice: Notice) -> Message:
    """What a channel gets of a row; a page's with all that is known about it."""
    page = notice.page
    details = (
        {}
        if page is None
        else {
            "type": page.type,
            "component": page.component,
            "group": page.source,
            "incident": str(page.incident),
            "incident_name": page.incident_name,
            "escalation": page.n,
            "evidence": page.evidence,
            "runbook": page.runbook,
            "url": texts.link(page),
        }
    )
    if notice.customer is not None:
        details |= {"customer": notice.customer.name, "moment": notice.moment, "incident": str(notice.incident)}
    return Message(
        id=str(notice.pk),
        action=notice.purpose,
        thread=notice.thread,
        recipient=notice.recipient,
        subject=notice.subject,
        body=notice.body,
        at=notice.created_at,
        severity=page.severity if page else INFO,
        source=page.source if page else "herdsite",
        details=details,
    )
