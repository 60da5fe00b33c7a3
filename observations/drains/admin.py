"""Drains in the admin: where each database's lines go, what waits, and what the receiver said last. A URL is written
and never shown, since it may hold a password."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db.models import Count
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from fleet.admin.base import ReadOnly
from fleet.transports import outward
from observations.drains.models import Drain, Line, Meter


def _written_only(label: str, help_text: str) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget({"autocomplete": "off"})
    return forms.CharField(label=label, required=False, max_length=1000, widget=widget, help_text=help_text)


class DrainForm(forms.ModelForm):
    url = _written_only("URL", "https://… Leave empty to keep it.")
    token = _written_only("Token", "A customer's drain is known by d.<uuid>. Leave empty to keep it.")

    class Meta:
        model = Drain
        fields = ("resource", "kind", "url", "token", "active")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.initial.update(url="", token="")

    def clean_url(self) -> str:
        url = self.cleaned_data["url"] or self.instance.url
        URLValidator(["https"], message="Give the whole URL; it begins with https://.")(url)
        try:
            outward.judge(url)
        except outward.NotAllowed as error:
            raise ValidationError(str(error)) from error
        return url

    def clean_token(self) -> str:
        return self.cleaned_data["token"] or self.instance.token

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("kind") == Drain.DRAIN and not cleaned.get("token"):
            raise ValidationError({"token": "A customer's drain needs its token: d.<uuid>."})
        return cleaned


@admin.register(Drain)
class DrainAdmin(ModelAdmin):
    form = DrainForm
    list_display = ("resource", "kind", "to", "shown_state", "waiting", "sent", "dropped", "status", "problem")
    list_filter = ("active", "kind")
    list_select_related = ("resource",)
    search_fields = ("resource__name",)
    autocomplete_fields = ("resource",)
    readonly_fields = ("sent", "dropped", "status", "problem", "next_at", "rotated_at", "created_at")
    fields = (
        *(("resource", "kind", "active"), "url", "token", ("sent", "dropped"), ("status", "problem")),
        ("next_at", "rotated_at", "created_at"),
    )

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).annotate(waiting=Count("lines"))

    @admin.display(description="To")
    def to(self, drain: Drain) -> str:
        return drain.place

    @admin.display(description="Waiting", ordering="waiting")
    def waiting(self, drain: Any) -> int:
        return drain.waiting

    @display(description="State", label={"active": "success", "rotated": "warning", "off": "default"})
    def shown_state(self, drain: Drain) -> tuple[str, str]:
        if not drain.active:
            return "off", "Off"
        return ("rotated", "Waits for a token") if drain.rotated_at else ("active", "Active")


@admin.register(Line)
class LineAdmin(ReadOnly):
    list_display = ("at", "drain", "text", "framed")
    list_select_related = ("drain__resource",)
    search_fields = ("drain__resource__name",)


@admin.register(Meter)
class MeterAdmin(ReadOnly):
    list_display = ("resource", "due_at", "told_at")
    list_select_related = ("resource",)
    search_fields = ("resource__name",)
