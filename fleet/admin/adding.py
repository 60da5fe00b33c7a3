"""Adding a server or a resource: a form whose answer is a wish (fleet/intents.py). No model is saved here."""

import secrets
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from fleet import askers, intents, names
from fleet.admin.forms import Known
from fleet.askers import Asker
from fleet.choices import Unknown
from fleet.models import Customer, Plan, Resource, Server
from fleet.models.member import valid_name
from fleet.roles import ASK

Text, Number, Choice = UnfoldAdminTextInputWidget, UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget


class Typed(AutocompleteSelect):
    """Finds by typing. A value that can't be an id is left out: Django would ask the database for it, and fail."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        return super().optgroups(name, [one for one in value if not one or _is_id(one)], attr)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


class KnownMajor(forms.TypedChoiceField):
    """As Known, where there are servers that tell their versions; else one of those that are offered here."""

    def valid_value(self, value: str) -> bool:
        return Server.objects.exclude(pg={}).exists() or super().valid_value(value)


class AddForm(forms.Form):
    """What adding anything needs. `nonce` makes a form that was sent twice add one thing."""

    name = forms.CharField(max_length=63, validators=[valid_name], widget=Text)
    reason = forms.CharField(
        max_length=1000, required=False, widget=Text, help_text="The reason is kept with the event."
    )
    nonce = forms.CharField(max_length=32, required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None):
        super().__init__(data, initial={"nonce": secrets.token_hex(8)})

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if name and (holder := names.holder(name)) and not self._sent_before(holder):
            raise ValidationError(f"There is a {holder.KIND} of this name already. Choose another.")
        return name

    def _sent_before(self, holder: Any) -> bool:
        """Whether the name is taken by what this very form added when it was sent first."""
        key = self.key(self.data.get("nonce", ""))
        return key is not None and intents.Intent.objects.filter(key=key, subject=holder.pk).exists()

    @staticmethod
    def key(nonce: str) -> str | None:
        return f"admin/add/{nonce}" if nonce else None

    def given(self, actor: Asker) -> dict[str, Any]:
        """What was typed, as fleet/intents.py takes it."""
        typed = {name: value for name, value in self.cleaned_data.items() if name != "nonce"}
        return typed | {"actor": actor, "key": self.key(self.cleaned_data["nonce"])}


class ServerForm(AddForm):
    provider = Known(widget=Choice)
    zone = forms.SlugField(max_length=32, initial="a", widget=Text)
    disk_mb = forms.IntegerField(min_value=1_024, max_value=2**31 - 1, initial=20_480, widget=Number, label="Disk (MB)")
    capacity = forms.IntegerField(
        min_value=1, max_value=500, initial=4, widget=Number, help_text=Server._meta.get_field("capacity").help_text
    )
    field_order = ("name", "provider", "zone", "disk_mb", "capacity", "reason")

    def __init__(self, data: Any = None):
        super().__init__(data)
        self.fields["provider"].choices = [(name, name) for name in settings.PROVIDERS]  # type: ignore[attr-defined]

    def wish(self, actor: Asker) -> Server:
        return intents.create_server(**self.given(actor))


class ResourceForm(AddForm):
    customer = forms.ModelChoiceField(
        Customer.objects.all(), widget=Typed(Resource._meta.get_field("customer"), admin.site)
    )
    plan = Known(widget=Choice)
    zone = forms.SlugField(max_length=32, required=False, widget=Text, help_text="Preferred zone (optional).")
    major = KnownMajor(coerce=int, choices=[(17, "17"), (18, "18")], widget=Choice, label="PostgreSQL")
    field_order = ("name", "customer", "plan", "zone", "major", "reason")

    def __init__(self, data: Any = None):
        super().__init__(data)
        self.fields["name"].required = False
        self.fields["name"].help_text = "Leave empty for a generated name."
        offered = Plan.objects.filter(offered=True).values_list("name", flat=True)
        self.fields["plan"].choices = [(name, name) for name in offered]  # type: ignore[attr-defined]

    def wish(self, actor: Asker) -> Resource:
        given = self.given(actor)
        return intents.create_resource(**given)


class AddsByAsking:
    """An admin whose "add" is `add_form`, for who may ask."""

    add_form: ClassVar[type[ServerForm] | type[ResourceForm]]
    admin_site: admin.AdminSite
    opts: Any

    def has_add_permission(self, request: Any) -> bool:
        return not askers.missing(askers.of_login(request.user), ASK)

    def add_view(self, request: HttpRequest, _form_url: str = "", _extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.add_form(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                made = form.wish(askers.of_login(request.user))
            except intents.AskError as error:
                field = error.field if isinstance(error, Unknown) and error.field in form.fields else None
                form.add_error(field, str(error))
            else:
                messages.success(request, f"Creation of {made.name} requested. Progress is under Events.")
                return HttpResponseRedirect(reverse(f"admin:fleet_{self.opts.model_name}_change", args=[made.pk]))
        context = self.admin_site.each_context(request) | {
            "title": f"Add {self.opts.verbose_name}",
            "opts": self.opts,
            "form": form,
            "media": form.media,
        }
        return TemplateResponse(request, "admin/fleet/add.html", context, status=422 if form.errors else 200)
