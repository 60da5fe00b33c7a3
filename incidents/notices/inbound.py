"""What the paging service tells us (webhooks v3): acknowledged, resolved, reassigned, by the key of a page. It is a
page like any other of the web: it writes to our own database and to nothing else."""

import hashlib
import hmac
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_datetime
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from fleet import outside
from incidents import desk as people
from incidents.models import Incident, Page
from incidents.notices import desk, pages
from incidents.notices.outbox import clock

log = structlog.get_logger("inbound")

ACKNOWLEDGED, RESOLVED, REASSIGNED = "incident.acknowledged", "incident.resolved", "incident.reassigned"
HEARD = (ACKNOWLEDGED, RESOLVED, REASSIGNED)


@csrf_exempt
@require_POST
def pagerduty(request: HttpRequest) -> HttpResponse:
    """202 for whatever is signed by one of settings.PAGERDUTY_SECRETS, also when it is not about us; 403 for what is
    not signed, 400 for what can't be read."""
    if not signed(request.body, request.headers.get("X-PagerDuty-Signature", ""), settings.PAGERDUTY_SECRETS):
        return HttpResponse("not signed by a secret that is known here", status=403, content_type="text/plain")
    try:
        event = outside.read_json(request.body)["event"]
        kind, key = event["event_type"], (event.get("data") or {}).get("incident_key")
        at = parse_datetime(event["occurred_at"])
        by = _who(event, kind)
    except (ValueError, KeyError, TypeError, AttributeError):
        return HttpResponse("not an event", status=400, content_type="text/plain")
    if kind in HEARD and isinstance(key, str) and at is not None and at.tzinfo is not None:
        hear(kind, key, by, at)
    return HttpResponse(status=202)


def signed(body: bytes, header: str, secrets: list[str]) -> bool:
    """Whether one of the signatures in the header is that of the body by one of the secrets. Each
    comparison takes constant time."""
    given = [part.strip().encode() for part in header.split(",")]
    wanted = [f"v1={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}".encode() for secret in secrets]
    return any(hmac.compare_digest(one, other) for one in given for other in wanted)


def hear(kind: str, key: str, by: str, at: datetime) -> bool:
    """Take the word of the paging service on the page of that key, for the page and for its incident. Returns whether
    that changed anything: webhooks come twice and in any order, and what is not newer than the last word does not."""
    with transaction.atomic():
        incident = (
            Incident.objects.select_for_update().filter(pk__in=Page.objects.filter(key=key).values("incident")).first()
        )
        pages.lock()
        newer = Page.objects.filter(key=key, ended_at=None).exclude(heard_at__gte=at)
        if not newer.update(heard_at=at):
            return False
        page, now = Page.objects.get(key=key), clock()
        if kind == ACKNOWLEDGED:
            pages.acknowledge(page.incident, by, now, heard=key)
        elif kind == RESOLVED:
            pages.end(page.incident, by, now, heard=key)
        else:
            pages.assign(key, by, now)
        if incident is not None and incident.is_open:
            _lay_hands_on(incident, kind, by)
    log.info(kind, page=key, by=by)
    return True


def _lay_hands_on(incident: Incident, kind: str, by: str) -> None:
    """As if it had been done here. The pages know already, so that they tell nobody a second time."""
    if kind == ACKNOWLEDGED:
        people.acknowledge(incident, by, desk)
    elif kind == RESOLVED:
        people.resolve(incident, by, "resolved in the paging service", desk)
    else:
        people.assign(incident, by, "the paging service")


def _who(event: dict[str, Any], kind: str) -> str:
    """Who did it, or who has it now."""
    if kind == REASSIGNED:
        names = [person["summary"] for person in event["data"].get("assignees") or []]
        return ", ".join(names) or "nobody"
    return (event.get("agent") or {}).get("summary") or "PagerDuty"
