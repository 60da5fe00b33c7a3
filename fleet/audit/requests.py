"""Middleware: whatever a request changes is done by the one who asks, and a refusal is on record too."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from fleet.addon import sso
from fleet.audit import record
from fleet.audit.acting import Acting, in_name_of

# The first that fits counts.
DOORS = (
    ("/api/", "API"),
    ("/admin/", "admin"),
    ("/mine", "customer's page"),
    ("/sso/", "customer's page"),
    ("/heroku/", "platform"),
    ("/hooks/", "webhook"),
    ("/", "portal"),
)
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
# What is on record when anybody gets it, and when somebody who wanted to change something does.
ALWAYS, CHANGING = (401, 403, 429), (400, 409, 412, 422, 428)


def audited(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        door = next((name for prefix, name in DOORS if request.path.startswith(prefix)), "")
        who = Acting(lambda: actor(request), address(request), door, getattr(request, "id", ""))
        with in_name_of(who):
            answer = get_response(request)
            changing = request.method not in SAFE
            if answer.status_code in ALWAYS or (changing and answer.status_code in CHANGING):
                told = {"method": request.method, "status": answer.status_code}
                record.refusal("refused", name=request.path, after=told)
        return answer

    return middleware


def actor(request: HttpRequest) -> str:
    """Who asks, as stories name them; empty where nobody has logged in."""
    if asker := getattr(request, "asker", None):
        return asker.name
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return user.get_username()
    session: Any = getattr(request, "session", None)
    if session is not None and (customer := sso.whose(session)):
        return str(customer.get("user") or f"a customer ({customer.get('platform') or 'token'})")
    return ""


def address(request: HttpRequest) -> str:
    """From where it comes. What HERDSITE_PROXIES proxies before us say is believed, and nothing that a stranger could
    have written before them."""
    passed = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    if settings.PROXIES and len(passed) >= settings.PROXIES:
        return passed[-settings.PROXIES]
    return str(request.META.get("REMOTE_ADDR") or "")
