"""`/things/NAME`: one thing, and the forms by which an operator asks something of it.

They write an Intent, no more. What is refused is said where it was asked, with all that was typed still there.
"""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from fleet import names
from fleet.admin import verbs
from fleet.intents import AskError
from fleet.models import Backup, Member
from fleet.states import KEPT
from herdsite.portal.access import ASK, operators_only
from herdsite.portal.live import database_now, live
from herdsite.portal.thing import describe


class VerbForm(forms.Form):
    verb = forms.CharField(max_length=32)


@dataclass(frozen=True)
class Offer:
    """One verb with the form that it wants; `open` when it was just refused."""

    verb: str
    meaning: str
    form: verbs.AskForm
    grave: bool
    open: bool


@operators_only
@require_http_methods(["GET", "HEAD", "POST"])
def thing(request: HttpRequest, name: str) -> HttpResponse:
    try:
        member = names.find(name.replace("\0", ""))
    except names.NotFound as error:
        return render(request, "portal/not_found.html", {"problem": str(error)}, status=404)
    refused, sent = "", None
    if request.method == "POST":
        if not request.user.has_perm(ASK):
            raise PermissionDenied("You may look, but not ask: that takes the permission to add intents.")
        sent = verbs.AskForm(request.POST.get("verb", ""), request.POST)
        refused = _ask(request, member, sent)
        if not refused:
            return redirect(request.path)
    now = database_now()
    around = {"ask": _offer(request, member, sent), "refused": refused, "typed": request.POST}
    return live(request, "thing", describe(member, now), now, around, status=422 if refused else 200)


def _ask(request: HttpRequest, member: Member, form: verbs.AskForm) -> str:
    """Write the Intent; the reason why not, if not."""
    named = VerbForm(request.POST)
    wrong = {**named.errors, **form.errors}
    if wrong:
        return " ".join(f"{field}: {' '.join(map(str, errors))}" for field, errors in wrong.items())
    verb, nonce = named.cleaned_data["verb"], form.cleaned_data["nonce"]
    key = f"portal/{member.pk}/{verb}/{nonce}" if nonce else None
    try:
        made = verbs.ask(member, verb, form.cleaned_data, request.user.get_username(), key)
    except AskError as error:
        return str(error)
    said = f"Asked {member.name} to {verb}. The next beat reads it; what comes of it is in the story."
    messages.success(request, said if made.pk == member.pk else f"Asked for {made.name}: {verb} of {member.name}.")
    return ""


def _offer(request: HttpRequest, member: Member, sent: verbs.AskForm | None) -> dict[str, Any] | None:
    """The verbs that can be asked: those that want a reason at most in one form (`verbs`), the others each in its own
    (`offers`). None for who may not, and where nothing is left."""
    fetched = isinstance(member, Backup) and member.method == Backup.LOGICAL and member.state == KEPT
    known = verbs.offered(member)
    if not request.user.has_perm(ASK) or not (known or fetched):
        return None
    meanings, typed = verbs.words(member.KIND), request.POST.get("verb", "")
    plain = [(verb, meanings[verb]) for verb in known if verb not in verbs.TAKES]
    own = [_one(verb, meanings[verb], sent if verb == typed else None) for verb in known if verb in verbs.TAKES]
    nonce = verbs.AskForm("").initial["nonce"]
    return {"verbs": plain, "offers": sorted(own, key=lambda one: one.grave), "nonce": nonce, "fetched": fetched}


def _one(verb: str, meaning: str, sent: verbs.AskForm | None) -> Offer:
    form = verbs.AskForm(verb, sent.data if sent else None, auto_id=f"ask-{verb}-%s")
    return Offer(verb, meaning, form, verb in verbs.GRAVE, sent is not None)
