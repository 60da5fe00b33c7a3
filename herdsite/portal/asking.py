"""`/things/NAME`: one thing, and the forms by which an operator asks something of it.

They write an Intent, no more. What is refused is said where it was asked, with all that was typed still there; what
can't be asked now is shown with the reason why.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from fleet import askers, intents, names, withdrawals
from fleet.admin.forms import AskForm
from fleet.askers import Asker
from fleet.intake import JUST_NOW
from fleet.intents import AskError, Forbidden
from fleet.models import Backup, Intent, Member
from fleet.roles import ASK, SECRETS
from fleet.states import KEPT
from fleet.verbs import Verb, verbs_of
from herdsite.portal.access import operators_only
from herdsite.portal.live import database_now, live
from herdsite.portal.shown import Moment, moment
from herdsite.portal.thing import describe


@dataclass(frozen=True)
class Asking:
    """Who asked for the same, and has it not yet or only just."""

    actor: str
    at: Moment | None
    state: str


@dataclass(frozen=True)
class Offer:
    """One verb: `no` is why it can't be asked now ("" where it can), `effect` what it would do. One that takes more
    than a reason has a `form` of its own, `open` when it was just refused."""

    verb: Verb
    no: str
    effect: str
    asked: Asking | None
    form: AskForm | None
    open: bool = False


@operators_only
@require_http_methods(["GET", "HEAD", "POST"])
def thing(request: HttpRequest, name: str) -> HttpResponse:
    try:
        member = names.find(name.replace("\0", ""))
    except names.NotFound as error:
        return render(request, "portal/not_found.html", {"problem": str(error)}, status=404)
    by, refused, sent = askers.of_login(request.user), "", None
    if request.method == "POST":
        if why := askers.missing(by, ASK):
            raise PermissionDenied(why)
        try:
            if "intent" in request.POST:
                messages.success(request, cancel(member, request.POST["intent"], by))
                return redirect(request.path)
            sent = AskForm(intents.row(member.KIND, request.POST.get("verb", "")), request.POST)
            made = _ask(member, sent, by)
        except Forbidden as error:
            raise PermissionDenied(str(error)) from error
        except AskError as error:
            refused = str(error)
        else:
            messages.success(request, _said(member, sent.verb, made))
            return redirect(request.path)
    now = database_now()
    around = {"ask": _offers(member, sent, by), "refused": refused, "typed": request.POST}
    return live(request, "thing", describe(member, now), now, around, status=422 if refused else 200)


def cancel(member: Member, key: str, by: Asker) -> str:
    """Take back what was asked of it; what came of that. Raises AskError."""
    intent = next((one for one in Intent.objects.filter(subject=member.pk) if str(one.pk) == key), None)
    if intent is None:
        raise AskError(f"Nothing of that id was asked of {member.name}.")
    open_ = withdrawals.cancel(intent, by).state == Intent.OPEN
    return f"{intent}: the changeover was asked to cancel." if open_ else f"{intent} is cancelled."


def _ask(member: Member, form: AskForm, by: Asker) -> Intent:
    """Write the Intent. Raises AskError."""
    if form.errors:
        raise AskError(" ".join(f"{field}: {' '.join(map(str, errors))}" for field, errors in form.errors.items()))
    return form.ask(member, by, "portal")


def _said(member: Member, verb: Verb, made: Intent) -> str:
    if made.subject == member.pk:
        return f"{verb.label} of {member.name} requested (next check within seconds). Progress is under Asked for."
    return f"{made.name} requested: {verb.name} of {member.name}."


def _offers(member: Member, sent: AskForm | None, by: Asker) -> dict[str, Any] | None:
    """Those that want a reason at most in one form (`plain`), the others each in its own (`own`), and what can't be
    asked now (`not_now`). None for who may not, and where nothing is left."""
    fetched = isinstance(member, Backup) and member.method == Backup.LOGICAL and member.state == KEPT
    if askers.missing(by, ASK):
        return None
    lately = Q(state=Intent.OPEN) | Q(state=Intent.DONE, asked_at__gt=Now() - JUST_NOW)
    asked = {one.verb: one for one in Intent.objects.filter(lately, subject=member.pk).order_by("asked_at")}
    offers = [_offer(member, verb, sent, by, asked.get(verb.name)) for verb in verbs_of(member.KIND)]
    known = [offer for offer in offers if not offer.no or offer.open]
    fetching = fetched and not askers.missing(by, SECRETS)
    if not known and not fetched:
        return None
    own = [offer for offer in known if offer.form]
    return {
        "plain": [offer for offer in known if not offer.form],
        "own": sorted(own, key=lambda offer: offer.verb.may_be_grave),
        "not_now": [offer for offer in offers if offer not in known],
        "nonce": own[0].form.initial["nonce"]
        if own and own[0].form
        else AskForm(offers[0].verb).initial["nonce"]
        if offers
        else "",
        "asked": any(offer.asked for offer in known),
        "fetched": fetching,
        "unfetched": askers.missing(by, SECRETS) if fetched else "",
    }


def _offer(member: Member, verb: Verb, sent: AskForm | None, by: Asker, asked: Intent | None) -> Offer:
    refused = sent is not None and sent.verb == verb
    same = Asking(asked.actor, moment(asked.asked_at), asked.get_state_display().lower()) if asked else None
    no = verb.forbids(by) or verb.obstacle(member)
    form = None
    if verb.params or verb.may_be_grave:
        form = AskForm(verb, sent.data if sent and refused else None, auto_id=f"ask-{verb.name}-%s")
    return Offer(verb, no, verb.effect(member, {}), same, form, refused and form is not None)
