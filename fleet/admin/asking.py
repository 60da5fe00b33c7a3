"""Actions that ask: a page in between wants the reason, and for what destroys the thing's name as well."""

import secrets
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextInputWidget

from fleet.intents import DESTRUCTIVE, VERBS, AskError, ask
from fleet.models import Member

# Asking the whole herd at once is more often a slip than a wish.
MOST = 50


class AskForm(forms.Form):
    """`nonce` makes a page that was sent twice ask once. What is missing is said by fleet/intents.py, for all alike."""

    reason = forms.CharField(
        max_length=1000, required=False, widget=UnfoldAdminTextInputWidget, help_text="It is kept with the story."
    )
    confirm = forms.CharField(
        max_length=63, required=False, widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}), label="Type its name"
    )
    nonce = forms.CharField(max_length=32, required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, verb: str):
        super().__init__(data, initial={"nonce": secrets.token_hex(8)})
        if verb not in DESTRUCTIVE:
            del self.fields["confirm"]


def actions_for(kind: str) -> list[Callable[..., HttpResponse | None]]:
    """One admin action for each verb that this kind knows."""
    return [_action(verb, meaning) for verb, meaning in VERBS[kind].items()]


def _action(verb: str, meaning: str) -> Callable[..., HttpResponse | None]:
    def action(admin: Any, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return _asked(admin, request, queryset, verb, meaning)

    action.__name__ = f"ask_{verb}"
    action.short_description = f"Ask to {verb}"  # type: ignore[attr-defined]
    action.allowed_permissions = ("ask",)  # type: ignore[attr-defined]
    return action


def _asked(admin: Any, request: HttpRequest, queryset: Any, verb: str, meaning: str) -> HttpResponse | None:
    """The page in between; None, which leads back to the list, when all is asked or nothing can be."""
    members = list(queryset.order_by("name")[: MOST + 1])
    most = 1 if verb in DESTRUCTIVE else MOST
    if len(members) > most:
        admin.message_user(request, f"Choose {most} at most to {verb} at a time.", messages.ERROR)
        return None
    form = AskForm(request.POST if "asked" in request.POST else None, verb)
    refused: dict[str, str] = {}
    if form.is_valid():
        refused = _ask_all(request, members, verb, form.cleaned_data)
        done = [member.name for member in members if member.name not in refused]
        if done:
            admin.message_user(request, f"Asked to {verb}: {', '.join(done)}.", messages.SUCCESS)
        if not refused:
            return None
        members = [member for member in members if member.name in refused]
    whom = members[0].name if len(members) == 1 else f"{len(members)} {admin.opts.verbose_name_plural}"
    context = admin.admin_site.each_context(request) | {
        "title": f"{verb.capitalize()} {whom}",
        "opts": admin.opts,
        "verb": verb,
        "meaning": meaning,
        "destructive": verb in DESTRUCTIVE,
        "members": [(member, refused.get(member.name, "")) for member in members],
        "form": form,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/fleet/ask.html", context)


def _ask_all(request: HttpRequest, members: list[Member], verb: str, given: dict[str, str]) -> dict[str, str]:
    """Ask each; why not, by name, of those that can't be asked."""
    refused = {}
    for member in members:
        key = f"admin/{member.pk}/{verb}/{given['nonce']}" if given["nonce"] else None
        try:
            ask(
                member,
                verb,
                actor=request.user.get_username(),
                reason=given["reason"],
                confirm=given.get("confirm", ""),
                key=key,
            )
        except AskError as error:
            refused[member.name] = str(error)
    return refused
