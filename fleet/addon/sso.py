"""Single sign-on: a platform sends its customer's browser with a token, and the browser gets a session for that one
database. The token is a hash over our id, a salt that only the platform and we know, and the time."""

import base64
import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from fleet.addon.http import Refusal, speaks_json
from fleet.addon.models import Addon
from fleet.states import DESTROYED, DESTROYING

log = structlog.get_logger("addon")

# How old a token may be, and how much the platform's clock may be ahead of ours (s).
OLDEST_S, AHEAD_S = 300, 60
# How long a session lives (s), and under which name it keeps whose it is.
SESSION_S, SESSION = 8 * 3600, "mine"
NAV_COOKIE = "heroku-nav-data"
# What a cookie's value may be made of; anything else would have to be quoted, and would not be verbatim.
_VERBATIM = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,4000}")


@dataclass(frozen=True)
class Pass:
    """What a browser brings: our id of the resource, the token, and the time as it was written."""

    id: str
    token: str
    timestamp: str


def token(id: str, salt: str, timestamp: str) -> str:
    """The token for an id at a time (seconds since 1970, as the platform writes it)."""
    return hashlib.sha1(f"{id}:{salt}:{timestamp}".encode(errors="replace")).hexdigest()


def valid(one: Pass, salt: str, now: float) -> bool:
    """Whether the token is right, neither old nor from the future. Without a salt none is."""
    wanted, given = token(one.id, salt, one.timestamp), one.token.encode(errors="replace")
    right = hmac.compare_digest(wanted.encode(), given)
    if not (right and salt) or not re.fullmatch(r"[0-9]{1,12}", one.timestamp):
        return False
    return -AHEAD_S <= now - int(one.timestamp) <= OLDEST_S


@csrf_exempt
@speaks_json
def login(request: HttpRequest) -> HttpResponse:
    """The form that the platform has the browser post; either pair of names."""
    if request.method != "POST":
        response = Refusal(405, "method_not_allowed", "Use POST here.").response()
        response["Allow"] = "POST"
        return response
    return _answered(request, _passes(request.POST), request.POST)


def enter(request: HttpRequest, id: str) -> HttpResponse:
    """The first generation: our id is in the address."""
    # The token must be for the database in the address, whatever else the parameters say.
    passes = [Pass(id, one.token, one.timestamp) for one in _passes(request.GET, id)]
    return _answered(request, passes, request.GET)


def _passes(sent: QueryDict, id: str = "") -> list[Pass]:
    timestamp = sent.get("timestamp", "")
    pairs = (("resource_id", "resource_token"), ("id", "token"))
    return [Pass(sent.get(name, id), sent.get(key, ""), timestamp) for name, key in pairs if key in sent]


def _answered(request: HttpRequest, passes: list[Pass], sent: QueryDict) -> HttpResponse:
    """A person sees this answer, whatever it is."""
    try:
        return _let_in(request, passes, sent)
    except Refusal as refusal:
        return render(request, "mine/refused.html", {"refusal": refusal}, status=refusal.status)


def _let_in(request: HttpRequest, passes: list[Pass], sent: QueryDict) -> HttpResponse:
    known = [one for one in passes if valid(one, settings.ADDON_SSO_SALT, time.time())]
    if not known:
        raise Refusal(403, "forbidden", "This sign-on is not valid, or has expired. Please go back and try again.")
    addon = _addon(known[0].id)
    # A session of anybody else's, an operator's even, ends here.
    request.session.flush()
    request.session[SESSION] = {"resource": str(addon.resource_id), "platform": True, "app": sent.get("app", "")[:200]}
    request.session.set_expiry(SESSION_S)
    log.info("signed on", addon=str(addon), resource=addon.resource.name)
    response = HttpResponseRedirect(reverse("mine", args=[addon.resource_id]))
    nav = sent.get("nav-data", "")
    if _VERBATIM.fullmatch(nav):
        response.set_cookie(NAV_COOKIE, nav, path="/", secure=settings.SESSION_COOKIE_SECURE, samesite="Lax")
        response.cookies[NAV_COOKIE].set(NAV_COOKIE, nav, nav)
    response["Cache-Control"] = "no-store"
    return response


def _addon(id: str) -> Addon:
    try:
        found = (
            Addon.objects.select_related("resource").filter(resource=UUID(id), ended_at=None, leaving_at=None).first()
        )
    except ValueError:
        found = None
    if found is None or found.resource.state in (DESTROYING, DESTROYED):
        raise Refusal(404, "not_found", "There is no such database.")
    return found


def whose(session: Any) -> dict[str, Any] | None:
    """What the session of a customer holds: {"resource": id, "platform": …, "app": …}; None for any other session."""
    held = session.get(SESSION)
    return held if isinstance(held, dict) else None


def navigation(cookie: str) -> dict[str, str]:
    """What the platform's header shall show, from its nav-data (base64 of a JSON object); {} where it can't be read."""
    try:
        said = json.loads(base64.b64decode(cookie + "=" * (-len(cookie) % 4)))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    return {name: value[:200] for name in ("appname", "addon") if isinstance(value := said.get(name), str)}
