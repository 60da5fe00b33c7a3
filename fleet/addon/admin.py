"""Add-ons in the admin: to be looked at, and without their secrets. What a platform declined shows here."""

from typing import Any

from django.contrib import admin
from unfold.decorators import display

from fleet.addon.models import WIPED, Addon
from fleet.admin.base import ReadOnly
from fleet.states import STATES


@admin.register(Addon)
class AddonAdmin(ReadOnly):
    list_display = ("__str__", "resource", "shown_state", "app_name", "generation", "told_at", "ended_at", "problem")
    list_filter = ("generation", "gave_up", ("ended_at", admin.EmptyFieldListFilter))
    list_select_related = ("resource",)
    search_fields = ("name", "app_name", "app_id", "heroku_id", "uuid", "resource__name")
    date_hierarchy = "created_at"
    fields = (
        ("name", "resource", "generation"),
        ("uuid", "heroku_id", "callback_url"),
        ("app_id", "app_name", "region"),
        "options",
        ("created_at", "answered", "told_at", "leaving_at", "ended_at", "gave_up"),
        ("informed_at", "owner_email", "subscribed_at", "heard_at"),
        ("token_expires_at", "looked_at", "due_at"),
        ("declined", "problem", "tries"),
    )

    def get_queryset(self, request: Any) -> Any:
        """Secrets are neither shown nor read."""
        return super().get_queryset(request).defer(*(name for name in WIPED if name != "logs_passed_on"))

    @display(description="Database", ordering="resource__state")
    def shown_state(self, addon: Addon) -> str:
        return STATES[addon.resource.state].label
