"""Actions that ask: a page in between wants the reason, what else the verb takes, and for what is grave the thing's
name as well."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from fleet import askers
from fleet.admin.forms import AskForm
from fleet.intents import AskError, Forbidden
from fleet.models import Member
from fleet.verbs import Verb, verbs_of

# Asking the whole herd at once is more often a slip than a wish.
MOST = 50


_WIDGETS: tuple[tuple[type[forms.Field], type[forms.Widget]], ...] = (
    (forms.BooleanField, UnfoldBooleanWidget),
    (forms.ChoiceField, UnfoldAdminSelectWidget),
    (forms.IntegerField, UnfoldAdminIntegerFieldWidget),
    (forms.CharField, UnfoldAdminTextInputWidget),
)


def form_for(verb: Verb, data: Any) -> AskForm:
    """The verb's form as the admin looks."""
    form = AskForm(verb, data)
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
    return [_action(verb) for verb in verbs_of(kind)]


def _action(verb: Verb) -> Callable[..., HttpResponse | None]:
    def action(admin: Any, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return _asked(admin, request, queryset, verb)

    action.__name__ = f"ask_{verb.name}"
    action.short_description = f"Ask to {verb.name}"  # type: ignore[attr-defined]
    action.allowed_permissions = ("ask",)  # type: ignore[attr-defined]
    return action


def _asked(admin: Any, request: HttpRequest, queryset: Any, verb: Verb) -> HttpResponse | None:
    """The page in between; None, which leads back to the list, when all is asked or nothing can be."""
    if why := verb.forbids(askers.of_login(request.user)):
        raise PermissionDenied(why)
    members = list(queryset.order_by("name")[: MOST + 1])
    most = 1 if verb.may_be_grave else MOST
    if len(members) > most:
        admin.message_user(request, f"Choose {most} at most to {verb.name} at a time.", messages.ERROR)
        return None
    form = form_for(verb, request.POST if "asked" in request.POST else None)
    refused: dict[str, str] = {}
    if form.is_valid():
        refused = _ask_all(request, members, form)
        done = [member.name for member in members if member.name not in refused]
        if done:
            admin.message_user(request, f"Asked to {verb.name}: {', '.join(done)}.", messages.SUCCESS)
        if not refused:
            return None
        members = [member for member in members if member.name in refused]
    whom = members[0].name if len(members) == 1 else f"{len(members)} {admin.opts.verbose_name_plural}"
    context = admin.admin_site.each_context(request) | {
        "title": f"{verb.label}: {whom}",
        "opts": admin.opts,
        "verb": verb.name,
        "label": verb.label,
        "meaning": verb.meaning,
        "destructive": verb.may_be_grave,
        "members": [(member, refused.get(member.name, ""), verb.effect(member, {})) for member in members],
        "form": form,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/fleet/ask.html", context)


def _ask_all(request: HttpRequest, members: list[Member], form: AskForm) -> dict[str, str]:
    """Ask each; why not, by name, of those that can't be asked."""
    refused = {}
    for member in members:
        try:
            form.ask(member, askers.of_login(request.user), "admin")
        except Forbidden as error:
            raise PermissionDenied(str(error)) from error
        except AskError as error:
            refused[member.name] = str(error)
    return refused
