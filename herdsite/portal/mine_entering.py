"""`/mine/token`: how a customer whom no platform signs on gets in: with a token of the API that is bound to that
customer. The session is worth what the token is: it ends when that is revoked or expires."""

from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from fleet.addon import sso
from fleet.api.logins import Caller, Tokens, asker_of
from fleet.api.models import Token

WRONG = "This token belongs to no customer, or has expired."


@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest) -> HttpResponse:
    """A form, and what it leads to."""
    if request.method != "POST":
        return _form(request)
    asker = _asker(request, request.POST.get("token", "").strip())
    if asker is None or asker.customer is None or asker.token is None:
        return _form(request, WRONG, 403)
    request.session.flush()
    held = {"platform": False, "customer": str(asker.customer.pk), "scopes": sorted(asker.scopes)}
    request.session[sso.SESSION] = held | {"token": str(asker.token.pk)}
    request.session.set_expiry(sso.SESSION_S)
    return redirect("all-mine")


def usable(held: dict[str, Any]) -> bool:
    """Whether the token of a session still counts."""
    lives = Q(expiry=None) | Q(expiry__gt=Now())
    tokens = Token.objects.filter(lives, pk=held.get("token"), revoked_at=None, user__is_active=True)
    return tokens.filter(customer=held.get("customer")).exists()


def _asker(request: HttpRequest, token: str) -> Caller | None:
    """Who asks with that token, as the API knows it; None where it knows nobody."""
    asked = Request(request)
    try:
        asked.user, asked.auth = Tokens().authenticate_credentials(token.encode())
    except APIException:
        return None
    return asker_of(asked)


def _form(request: HttpRequest, wrong: str = "", status: int = 200) -> HttpResponse:
    response = render(request, "mine/enter.html", {"wrong": wrong}, status=status)
    response["Cache-Control"] = "no-store"
    return response
