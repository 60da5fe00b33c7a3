"""What a platform tells us by itself: the webhooks that we subscribed to, signed with the secret of each add-on.

They come twice, late and in any order, so that they are hints: the next beat asks the platform how the add-on is
called and whose it is. Two things are taken from the message, since no call of ours would tell them: whom to write to,
and that an add-on was destroyed there, after which nothing is said about it any more.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_datetime
from django.views.decorators.csrf import csrf_exempt

from fleet.addon import life, steps
from fleet.addon.http import Refusal, body, raw, speaks_json
from fleet.addon.models import Addon

log = structlog.get_logger("addon")

SIGNATURE = "Heroku-Webhook-Hmac-SHA256"
ADDON, APP, DESTROY = "addon", "app", "destroy"


@csrf_exempt
@speaks_json
def webhook(request: HttpRequest, id: str) -> HttpResponse:
    """204 for whatever is signed with the add-on's secret, also where nothing comes of it; 403 for what is not, 410
    where the add-on has ended, 400 for what can't be read."""
    if request.method != "POST":
        response = Refusal(405, "method_not_allowed", "Use POST here.").response()
        response["Allow"] = "POST"
        return response
    addon = _addon(id)
    if addon and addon.ended_at:
        raise Refusal(410, "gone", "This database has been destroyed.")
    secret = addon.webhook_secret if addon else ""
    if not signed(raw(request), request.headers.get(SIGNATURE, ""), secret) or addon is None:
        raise Refusal(403, "forbidden", "The signature does not match this endpoint's secret.")
    hear(addon, body(request))
    return HttpResponse(status=204)


def signed(sent: bytes, signature: str, secret: str) -> bool:
    """Whether that is the base64 of the body's HMAC-SHA256. By an empty secret nothing is."""
    wanted = base64.b64encode(hmac.new(secret.encode(), sent, hashlib.sha256).digest())
    return hmac.compare_digest(wanted, signature.strip().encode(errors="replace")) and bool(secret)


def hear(addon: Addon, message: Mapping[str, Any]) -> None:
    """Take the platform's word on the add-on, or on its app."""
    about, action, data = (message.get(name) for name in ("resource", "action", "data"))
    if about not in (ADDON, APP) or not isinstance(data, dict):
        return
    log.info("heard", addon=str(addon), about=about, action=str(action)[:40])
    mine = Addon.objects.filter(pk=addon.pk, ended_at=None)
    if about == ADDON and action == DESTROY:
        if data.get("id") == str(addon.uuid):
            _destroyed(addon)
        return
    mine.update(informed_at=None)
    # Who is left alone for a while after a failure stays so.
    mine.filter(tries=0).update(due_at=Now())
    if about == APP and addon.app_id and data.get("id") == addon.app_id:
        _owned(addon, data.get("owner"), _moment(message))


def _destroyed(addon: Addon) -> None:
    """As if it had answered that there is no such add-on. The database stays until it is deprovisioned."""
    with transaction.atomic():
        held = Addon.objects.select_for_update().filter(pk=addon.pk, ended_at=None).first()
        if held and life.GONE not in held.declined:
            held.declined, held.problem = [*held.declined, life.GONE], "the platform says that it destroyed the add-on"
            held.save(update_fields=["declined", "problem"])


def _owned(addon: Addon, owner: Any, at: datetime | None) -> None:
    """Another owner to write to, if this is the newest word on it."""
    email = owner.get("email") if isinstance(owner, dict) else None
    if at is None or not isinstance(email, str):
        return
    try:
        validate_email(email)
    except ValidationError:
        return
    with transaction.atomic():
        held = Addon.objects.select_for_update(of=("self",)).select_related("resource__customer").get(pk=addon.pk)
        if held.heard_at is None or held.heard_at < at:
            steps.write_to(held, held.resource.customer, email)
            Addon.objects.filter(pk=held.pk).update(owner_email=email, heard_at=at)


def _moment(message: Mapping[str, Any]) -> datetime | None:
    said = message.get("published_at") or message.get("created_at")
    try:
        at = parse_datetime(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return at if at and at.tzinfo else None


def _addon(id: str) -> Addon | None:
    try:
        return Addon.objects.filter(resource=UUID(id)).first()
    except ValueError:
        return None
