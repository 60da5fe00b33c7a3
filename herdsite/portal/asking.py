"""`/things/NAME`: one thing, and the buttons by which an operator asks something of it.

The buttons write an Intent, no more. What is refused is said where it was asked, with all that was typed still there.
"""

import secrets
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from fleet import names
from fleet.intents import DESTRUCTIVE, VERBS, AskError, ask
from fleet.models import Member
from fleet.states import DESTROYED
from herdsite.portal.access import ASK, operators_only
from herdsite.portal.live import database_now, live
from herdsite.portal.thing import describe


class AskForm(forms.Form):
    """`nonce` makes a button that was pressed twice ask once."""

    verb = forms.CharField(max_length=32)
    reason = forms.CharField(max_length=1000, required=False)
    confirm = forms.CharField(max_length=63, required=False)
    nonce = forms.CharField(max_length=32, required=False)


@operators_only
@require_http_methods(["GET", "HEAD", "POST"])
def thing(request: HttpRequest, name: str) -> HttpResponse:
    try:
        member = names.find(name.replace("\0", ""))
    except names.NotFound as error:
        return render(request, "portal/not_found.html", {"problem": str(error)}, status=404)
    refused = ""
    if request.method == "POST":
        if not request.user.has_perm(ASK):
            raise PermissionDenied("You may look, but not ask: that takes the permission to add intents.")
        refused = _ask(request, member)
        if not refused:
            return redirect(request.path)
    now = database_now()
    around = {"ask": _offer(request, member), "refused": refused, "typed": request.POST}
    return live(request, "thing", describe(member, now), now, around, status=422 if refused else 200)


def _ask(request: HttpRequest, member: Member) -> str:
    """Write the Intent; the reason why not, if not."""
    form = AskForm(request.POST)
    if not form.is_valid():
        return " ".join(f"{field}: {' '.join(map(str, errors))}" for field, errors in form.errors.items())
    asked = form.cleaned_data
    verb, nonce = asked["verb"], asked["nonce"]
    try:
        ask(
            member,
            verb,
            actor=request.user.get_username(),
            reason=asked["reason"],
            confirm=asked["confirm"],
            key=f"portal/{member.pk}/{verb}/{nonce}" if nonce else None,
        )
    except AskError as error:
        return str(error)
    messages.success(
        request, f"Asked {member.name} to {verb}. The next beat reads it; what comes of it is in the story."
    )
    return ""


def _offer(request: HttpRequest, member: Member) -> dict[str, Any] | None:
    """The verbs that can be asked, the destructive ones apart; None for who may not, and where nothing is left."""
    if member.look.name == DESTROYED or not request.user.has_perm(ASK):
        return None
    verbs = VERBS[member.KIND]
    return {
        "verbs": [(verb, meaning) for verb, meaning in verbs.items() if verb not in DESTRUCTIVE],
        "destructive": [(verb, meaning) for verb, meaning in verbs.items() if verb in DESTRUCTIVE],
        "nonce": secrets.token_hex(8),
    }
