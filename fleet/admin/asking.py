"""Actions that ask: a page in between wants the reason, what else the verb takes, and for what is grave the thing's
name as well."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from fleet.admin import verbs
from fleet.intents import AskError
from fleet.models import Member

# Asking the whole herd at once is more often a slip than a wish.
MOST = 50


_WIDGETS: tuple[tuple[type[forms.Field], type[forms.Widget]], ...] = (
    (forms.BooleanField, UnfoldBooleanWidget),
    (forms.ChoiceField, UnfoldAdminSelectWidget),
    (forms.IntegerField, UnfoldAdminIntegerFieldWidget),
    (forms.CharField, UnfoldAdminTextInputWidget),
)


def form_for(verb: str, data: Any) -> verbs.AskForm:
    """The verb's form as the admin looks."""
    form = verbs.AskForm(verb, data)
    for field in form.fields.values():
        if not field.widget.is_hidden:
            widget = next(widget for kind, widget in _WIDGETS if isinstance(field, kind))
            attrs, choices = field.widget.attrs, getattr(field, "choices", ())
            field.widget = widget(attrs)
            field.widget.is_required = field.required
            if choices:
                field.choices = choices  # type: ignore[attr-defined]
    return form


def actions_for(kind: str) -> list[Callable[..., HttpResponse | None]]:
    """One admin action for each verb that this kind knows."""
    return [_action(verb, meaning) for verb, meaning in verbs.words(kind).items()]


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
    most = 1 if verb in verbs.GRAVE else MOST
    if len(members) > most:
        admin.message_user(request, f"Choose {most} at most to {verb} at a time.", messages.ERROR)
        return None
    form = form_for(verb, request.POST if "asked" in request.POST else None)
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
        "destructive": verb in verbs.GRAVE,
        "members": [(member, refused.get(member.name, "")) for member in members],
        "form": form,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/fleet/ask.html", context)


def _ask_all(request: HttpRequest, members: list[Member], verb: str, given: dict[str, Any]) -> dict[str, str]:
    """Ask each; why not, by name, of those that can't be asked."""
    refused = {}
    for member in members:
        key = f"admin/{member.pk}/{verb}/{given['nonce']}" if given["nonce"] else None
        try:
            verbs.ask(member, verb, given, request.user.get_username(), key)
        except AskError as error:
            refused[member.name] = str(error)
    return refused
