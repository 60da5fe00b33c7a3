"""The life of a page: begun, held back while too many go out or while people sleep, let out by the first channel,
passed on when that fails, repeated until somebody acknowledges, ended with its incident. Only rows are written here,
which the outbox sends.

All of it runs under one lock, so that no page slips through between an acknowledgement and its repetition.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, QuerySet

from incidents.models import Incident, Notice, Page, Rota
from incidents.models.notices import BREAKER
from incidents.notices import channels, quiet, texts
from incidents.notices.base import CRITICAL

log = structlog.get_logger("page")

MINUTE = timedelta(seconds=60)
# What a repetition says again.
SAID = (
    "incident",
    "incident_name",
    "type",
    "severity",
    "source",
    "component",
    "summary",
    "evidence",
    "runbook",
)
_LOCK = 4_711_300


def lock() -> None:
    """For the rest of this transaction nobody else touches pages. Who locks an incident too, locks that first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def begin(said: dict[str, Any], now: datetime) -> Page:
    """Page somebody, by the fields of SAID. While the incident has a page that nobody has acknowledged, that one is
    the page; after an acknowledgement the next call is the next escalation."""
    with transaction.atomic():
        lock()
        page = _open(said["incident"]).filter(acknowledged_at=None).first()
        return page or _escalate(said, now)


def keep(now: datetime) -> None:
    """What time brings: pages come again, and those held go out as there is room."""
    snoozed = Incident.objects.filter(snoozed_until__gt=now)
    due = Page.objects.filter(ended_at=None, repeat_at__lte=now).exclude(incident__in=snoozed.values("pk"))
    held = Page.objects.filter(let_out_at=None, ended_at=None, acknowledged_at=None)
    if quiet.is_quiet(now):
        held = held.exclude(severity__in=quiet.MILD)
    breaker = _open(BREAKER)
    if not (due.exists() or held.exists() or breaker.exists()):
        return
    with transaction.atomic():
        lock()
        for page in held.order_by("created_at", "id")[: max(0, settings.PAGES_PER_MINUTE - _lately(now))]:
            _let_out(page, now)
        for page in due.order_by("repeat_at"):
            Page.objects.filter(pk=page.pk).update(repeat_at=None)
            _escalate({name: getattr(page, name) for name in SAID}, now)
        # It stays open until things are far calmer than what opened it, else it would page again and again.
        if not held.exists() and 2 * _lately(now) <= settings.PAGES_PER_MINUTE:
            _close(breaker, "herdsite", now, "")


def acknowledge(incident: uuid.UUID, by: str, now: datetime, heard: str = "") -> int:
    """Somebody has taken it on: no page of this incident comes again, and the channels that care hear of it, except
    the paging service for the page of the key `heard`, which has just told us. Returns how many pages that were."""
    with transaction.atomic():
        lock()
        pages = list(_open(incident).filter(acknowledged_at=None))
        for page in pages:
            Page.objects.filter(pk=page.pk).update(acknowledged_at=now, acknowledged_by=by[:120], repeat_at=None)
            _tell(page, Notice.ACKNOWLEDGE, f"Acknowledged by {by}: {page.summary}", heard)
    return len(pages)


def end(incident: uuid.UUID, by: str, now: datetime, heard: str = "") -> int:
    """It is over: whoever may have been told hears so. Returns how many pages ended."""
    with transaction.atomic():
        lock()
        return _close(_open(incident), by, now, heard)


def assign(key: str, who: str, now: datetime) -> None:
    """The page went to somebody else, who has yet to acknowledge it."""
    with transaction.atomic():
        lock()
        again = now + timedelta(seconds=settings.PAGE_AGAIN_S)
        Page.objects.filter(key=key, ended_at=None).update(
            assignee=who[:120], acknowledged_at=None, acknowledged_by="", repeat_at=again
        )


def pass_on(page: Page, now: datetime) -> Notice | None:
    """Tell it by the first way that this page has not gone yet; None if all have been gone."""
    gone = set(page.notices.filter(purpose=Notice.PAGE).values_list("channel", "recipient"))
    for channel, recipient in ways(page.n, now):
        if (channel, recipient) not in gone:
            subject, body = texts.page(page)
            return _put(page, Notice.PAGE, channel, recipient, subject, body)
    log.error("no way left", page=page.key)
    return None


def ways(n: int, now: datetime) -> Iterator[tuple[str, str]]:
    """How escalation `n` may go, best first: (channel, recipient) of what is configured, the log at the very end. With
    each escalation another one of those on call comes first."""
    for name in [*settings.PAGING, *(["log"] if "log" not in settings.PAGING else [])]:
        if not channels.usable(name):
            continue
        if name == "email":
            people = Rota.on_call(now)
            first = (n - 1) % len(people) if people else 0
            for person in people[first:] + people[:first]:
                yield name, person.email
        else:
            yield name, channels.place(settings.WEBHOOK_URL) if name == "webhook" else ""


def _open(incident: uuid.UUID) -> QuerySet[Page]:
    return Page.objects.filter(incident=incident, ended_at=None).order_by("-n")


def _escalate(said: dict[str, Any], now: datetime) -> Page:
    """Begin the incident's next escalation: let out if there is room, else held, which opens the breaker. A warning in
    the night is held until the morning."""
    n = (Page.objects.filter(incident=said["incident"]).aggregate(last=Max("n"))["last"] or 0) + 1
    page = Page.objects.create(**said, n=n, key=f"herdsite/incident/{said['incident']}/{n}")
    if page.severity in quiet.MILD and quiet.is_quiet(now):
        return page
    if said["incident"] == BREAKER or _lately(now) < settings.PAGES_PER_MINUTE:
        _let_out(page, now)
    elif not _open(BREAKER).exists():
        _escalate(_breaker(), now)
    return page


def _let_out(page: Page, now: datetime) -> None:
    # The breaker pages once, or it would add to what it is there to stop.
    page.let_out_at = now
    page.repeat_at = None if page.incident == BREAKER else now + timedelta(seconds=settings.PAGE_AGAIN_S)
    page.save(update_fields=["let_out_at", "repeat_at"])
    pass_on(page, now)


def _lately(now: datetime) -> int:
    """Pages let out within the last minute."""
    return Page.objects.filter(let_out_at__gt=now - MINUTE).exclude(incident=BREAKER).count()


def _breaker() -> dict[str, Any]:
    limit = settings.PAGES_PER_MINUTE
    return {
        "incident": BREAKER,
        "incident_name": "too-many-pages",
        "type": "page_storm",
        "severity": CRITICAL,
        "source": "herdsite",
        "component": "herd",
        "summary": f"More than {limit} pages in a minute: the others are held and follow at {limit} a minute",
        "runbook": "Open the portal: the incidents there are complete. Look for what they have in common first.",
    }


def _close(pages: QuerySet[Page], by: str, now: datetime, heard: str) -> int:
    closing = list(pages)
    for page in closing:
        Page.objects.filter(pk=page.pk).update(ended_at=now, ended_by=by[:120], repeat_at=None)
        _tell(page, Notice.RESOLVE, f"Over: {page.summary}", heard)
    return len(closing)


def _tell(page: Page, purpose: str, subject: str, heard: str) -> None:
    """To all who got the page, or may have: an attempt whose answer is not known may have arrived."""
    told = page.notices.filter(purpose=Notice.PAGE, attempts__gt=0).exclude(state=Notice.FAILED)
    for notice in told.order_by("created_at"):
        echo = notice.channel == "pagerduty" and page.key == heard
        if not echo and channels.carries(notice.channel, purpose):
            _put(page, purpose, notice.channel, notice.recipient, subject, subject)


def _put(page: Page, purpose: str, channel: str, recipient: str, subject: str, body: str) -> Notice:
    notice, _new = Notice.objects.get_or_create(
        key=f"{page.key}/{purpose}/{channel}/{recipient}",
        defaults={
            "thread": page.key,
            "purpose": purpose,
            "channel": channel,
            "recipient": recipient,
            "page": page,
            "incident": page.incident,
            "incident_name": page.incident_name,
            "subject": " ".join(subject.split())[:1024],
            "body": body,
        },
    )
    return notice
