"""Single sign-on: a platform sends its customer's browser with a token, and the browser gets a session for that one
database. A token is a hash over an id, a salt that only the platform and we know, and the time; there are three kinds
of them, and any of them opens."""

import base64
import hashlib
import hmac
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

from fleet import outside
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
    """What a browser brings: an id, the token that is made of it, and the time as it was written.

    `column` is whose id it is, as the field of Addon that holds it: ours is the resource's, the platform's own is the
    uuid of its provision request. `user` is who signs on, "id:email", where the token says that too.
    """

    id: str
    token: str
    timestamp: str
    column: str = "resource"
    user: str = ""


def token(id: str, salt: str, timestamp: str) -> str:
    """The token for an id at a time (seconds since 1970, as the platform writes it)."""
    return hashlib.sha1(f"{id}:{salt}:{timestamp}".encode(errors="replace")).hexdigest()


def user_token(id: str, salt: str, timestamp: str, user: str) -> str:
    """The token for an id at a time that also tells who signs on; `user` is "id:email"."""
    return hashlib.sha256(f"{id}:{salt}:{timestamp}:{user}".encode(errors="replace")).hexdigest()


def valid(one: Pass, salt: str, now: float) -> bool:
    """Whether the token is right, neither old nor from the future. Without a salt none is."""
    user = (one.user,) if one.user else ()
    wanted = (user_token if user else token)(one.id, salt, one.timestamp, *user)
    right = hmac.compare_digest(wanted.encode(), one.token.encode(errors="replace"))
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
    """The first generation: our id is in the address, and no other database is opened there."""
    return _answered(request, _passes(request.GET, id), request.GET, id)


def _passes(sent: QueryDict, id: str = "") -> list[Pass]:
    """All that the browser brings, the one that says most first. `id` is that of the address."""
    timestamp, user = sent.get("timestamp", ""), f"{sent.get('user_id', '')}:{sent.get('email', '')}"
    theirs = sent.get("resource_id", "")
    brought = (
        ("user_scoped_resource_token", theirs, "uuid", user),
        ("resource_token", theirs, "uuid", ""),
        ("token", id or sent.get("id", ""), "resource", ""),
    )
    return [
        Pass(whose, sent.get(key, ""), timestamp, column, who) for key, whose, column, who in brought if key in sent
    ]


def _answered(request: HttpRequest, passes: list[Pass], sent: QueryDict, only: str = "") -> HttpResponse:
    """A person sees this answer, whatever it is. `only` is the one database that may be opened, by our id."""
    try:
        return _let_in(request, passes, sent, only)
    except Refusal as refusal:
        return render(request, "mine/refused.html", {"refusal": refusal}, status=refusal.status)


def _let_in(request: HttpRequest, passes: list[Pass], sent: QueryDict, only: str) -> HttpResponse:
    known = [one for one in passes if valid(one, settings.ADDON_SSO_SALT, time.time())]
    if not known:
        raise Refusal(403, "forbidden", "This sign-on is not valid, or has expired. Please go back and try again.")
    opened = ((found, one.user) for one in known if (found := _addon(one)))
    fitting = ((found, user) for found, user in opened if not only or found.resource_id == _uuid(only))
    addon, user = next(fitting, (None, ""))
    if addon is None:
        raise Refusal(404, "not_found", "There is no such database.")
    # A session of anybody else's, an operator's even, ends here.
    request.session.flush()
    request.session[SESSION] = {
        "resource": str(addon.resource_id),
        "platform": True,
        "app": sent.get("app", "")[:200],
        "user": user.partition(":")[2][:200],
    }
    request.session.set_expiry(SESSION_S)
    log.info("signed on", addon=str(addon), resource=addon.resource.name)
    response = HttpResponseRedirect(reverse("mine", args=[addon.resource_id]))
    nav = sent.get("nav-data", "")
    if _VERBATIM.fullmatch(nav):
        response.set_cookie(NAV_COOKIE, nav, path="/", secure=settings.SESSION_COOKIE_SECURE, samesite="Lax")
        response.cookies[NAV_COOKIE].set(NAV_COOKIE, nav, nav)
    response["Cache-Control"] = "no-store"
    return response


def _addon(brought: Pass) -> Addon | None:
    """The living add-on of that id; None where there is none."""
    if (id := _uuid(brought.id)) is None:
        return None
    living = Addon.objects.select_related("resource").filter(ended_at=None, leaving_at=None)
    return living.filter(**{brought.column: id}).exclude(resource__state__in=(DESTROYING, DESTROYED)).first()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def whose(session: Any) -> dict[str, Any] | None:
    """What the session of a customer holds: {"resource": id, "platform": …, "app": …, "user": e-mail or ""}; None for
    any other session."""
    held = session.get(SESSION)
    return held if isinstance(held, dict) else None


def navigation(cookie: str) -> dict[str, str]:
    """What the platform's header shall show, from its nav-data (base64 of a JSON object); {} where it can't be read."""
    try:
        said = outside.read_json(base64.b64decode(cookie + "=" * (-len(cookie) % 4)))
    except ValueError:
        return {}
    if not isinstance(said, dict):
        return {}
    return {name: value[:200] for name in ("appname", "addon") if isinstance(value := said.get(name), str)}
