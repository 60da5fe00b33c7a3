"""What the rest of herdsite says here: page somebody, it is over, tell the customer. Nothing is sent from these: they
write rows, in the caller's transaction, so that a move of an incident and its page are one thing or nothing."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from fleet import tenants
from fleet.models import Customer, Instance, Resource
from fleet.plans import STARTER
from fleet.states import DESTROYED
from incidents.models.notices import Hook, Notice, Page
from incidents.notices import channels, pages, texts
from incidents.notices.base import CRITICAL, ERROR, INFO, SUMMARY_LENGTH, WARNING
from incidents.notices.outbox import clock

OPENED, ASKED, TRIED, FIXED, PLANNED = "opened", "asked", "tried", "fixed", "planned"
NEVER, HOLD, SEND = "never", "hold", "send"
SUSPENDED = "suspended"
# What herdsite has done to a database is told, however soon it is over.
DONE_TO_IT = ("lock_table_taken", SUSPENDED)
SEVERITIES = {"page": CRITICAL, "warn": WARNING, "info": INFO}


class About(Protocol):
    """What is asked of an incident here. `customer` is whom it troubles, if it is one."""

    @property
    def id(self) -> uuid.UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def subject_kind(self) -> str: ...
    @property
    def subject_name(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def customer(self) -> Customer | None: ...


@dataclass(frozen=True)
class Standing:
    """How an incident's pages stand: who took it on and who holds it (empty: nobody), and by whom the last page was
    ended (empty: one is open still, or there was none)."""

    pages: int
    acknowledged_by: str
    assignee: str
    ended_by: str


def page(incident: About, evidence: dict[str, Any], runbook: str) -> Page:
    """Call a person. While nobody has acknowledged the incident's last page, that one is returned and none added;
    after an acknowledgement it is the next escalation. `evidence` is plain JSON."""
    said = {
        "incident": incident.id,
        "incident_name": incident.name,
        "type": incident.type,
        "severity": _severity(incident),
        "source": incident.subject_name,
        "component": incident.subject_kind,
        "summary": " ".join(incident.summary.split())[:SUMMARY_LENGTH],
        "evidence": evidence,
        "runbook": runbook,
    }
    return pages.begin(said, clock())


def acknowledged(incident: About, by: str = "herdsite") -> int:
    """Somebody has taken it on here: paging services hear of it, and no page comes again. Returns how many pages."""
    return pages.acknowledge(incident.id, by, clock())


def ended(incident: About, by: str = "herdsite") -> int:
    """The incident is over, and with it all its pages. Returns how many were open."""
    return pages.end(incident.id, by, clock())


def standing(incident_id: uuid.UUID) -> Standing:
    """What has become of an incident's pages, also by what the paging service told us."""
    found = list(Page.objects.filter(incident=incident_id).order_by("-n"))
    if not found:
        return Standing(0, "", "", "")
    open_ = [page for page in found if page.ended_at is None]
    return Standing(len(found), found[0].acknowledged_by, found[0].assignee, "" if open_ else found[0].ended_by)


def tell_customer(incident: About, moment: str, at: datetime | None = None) -> list[Notice]:
    """Draft what the customer hears at that moment (opened, asked, tried, fixed, planned; `at` is when planned work
    begins), once for each way to the customer; it waits for approval or goes out as settings.NOTICES says. Only who has
    heard of a problem hears that it is over, and drafts that are overtaken by that are withdrawn."""
    customer, policy = incident.customer, _policy(moment)
    if customer is None:
        return []
    with transaction.atomic():
        before = Notice.objects.filter(purpose=Notice.CUSTOMER, incident=incident.id, customer=customer)
        if moment == FIXED:
            unsent = before.exclude(moment=FIXED).filter(state__in=(Notice.HELD, Notice.QUEUED), attempts=0)
            if incident.type in DONE_TO_IT:
                unsent = unsent.none()
            unsent.update(state=Notice.CANCELLED, decided_by="herdsite")
            if not before.exclude(moment=FIXED).exclude(state__in=(Notice.CANCELLED, Notice.FAILED)).exists():
                return []
        if policy == NEVER:
            return []
        problem = incident.type.replace("_", " ")
        subject, body = texts.customer(
            incident.type,
            moment,
            customer=customer,
            name=_known_as(incident, customer),
            problem=problem,
            at=at or _suspended_until(incident),
        )
        thread = f"herdsite/incident/{incident.id}/customer/{customer.pk}"
        state = Notice.HELD if policy == HOLD else Notice.QUEUED
        return [
            Notice.objects.get_or_create(
                key=f"{thread}/{moment}/{channel}",
                defaults={
                    "thread": thread,
                    "purpose": Notice.CUSTOMER,
                    "moment": moment,
                    "channel": channel,
                    "recipient": recipient,
                    "incident": incident.id,
                    "incident_name": incident.name,
                    "customer": customer,
                    "subject": " ".join(subject.split()),
                    "body": body,
                    "state": state,
                },
            )[0]
            for channel, recipient in _ways_to(customer)
        ]


def approve(notices: Iterable[uuid.UUID], by: str) -> int:
    """Let held drafts go out. Returns how many there were."""
    held = Notice.objects.filter(pk__in=list(notices), state=Notice.HELD)
    return held.update(state=Notice.QUEUED, decided_by=by, next_at=clock())


def withdraw(notices: Iterable[uuid.UUID], by: str) -> int:
    """Drop held drafts; they stay on record. Returns how many there were."""
    held = Notice.objects.filter(pk__in=list(notices), state=Notice.HELD)
    return held.update(state=Notice.CANCELLED, decided_by=by)


def _ways_to(customer: Customer) -> list[tuple[str, str]]:
    ways = [("email", customer.email)] if customer.email else []
    hook = Hook.objects.filter(customer=customer).first()
    return [*ways, ("webhook", channels.place(hook.url))] if hook else ways


def _known_as(incident: About, customer: Customer) -> str:
    """What the customer calls it: the database, whatever of ours beneath it the trouble is with."""
    if incident.subject_kind == Instance.KIND:
        theirs = Resource.objects.filter(instance__name=incident.subject_name, customer=customer).exclude(
            state=DESTROYED
        )
        return ", ".join(theirs.order_by("name").values_list("name", flat=True)) or incident.subject_name
    return incident.subject_name


def _suspended_until(incident: About) -> datetime | None:
    """The end of the database's suspension, if the incident is about one."""
    if incident.type != SUSPENDED:
        return None
    return tenants.until(Resource.objects.get(name=incident.subject_name).attrs)


def _policy(moment: str) -> str:
    policy = settings.NOTICES.get(moment)
    if policy not in (NEVER, HOLD, SEND):
        raise ImproperlyConfigured(f"HERDSITE_NOTICES: {moment} must be never, hold or send, and it is {policy!r}.")
    return policy


def _severity(incident: About) -> str:
    """By what the alarm says, and by tier: what wakes people for production is one step less for a starter."""
    severity = SEVERITIES.get(incident.severity, ERROR)
    return ERROR if severity == CRITICAL and _is_starter(incident) else severity


def _is_starter(incident: About) -> bool:
    if incident.subject_kind != Resource.KIND:
        return False
    return Resource.objects.filter(name=incident.subject_name, plan__tier=STARTER).exists()
