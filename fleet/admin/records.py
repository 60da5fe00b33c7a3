"""Everything of the fleet that is on no ring. Plans and customers may be edited; the rest is only to be read."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from fleet import askers, withdrawals
from fleet.admin.base import BySubject, KindFilter, ReadOnly, Undeletable
from fleet.choices import AskError
from fleet.models import Credential, Customer, Event, Intent, Plan, Worker
from fleet.roles import ASK


@admin.register(Plan)
class PlanAdmin(Undeletable):
    list_display = (
        "name",
        "label",
        "tier",
        "memory_mb",
        "disk_mb",
        "connections",
        "beat_s",
        "doubt_s",
        "high_availability",
        "offered",
    )
    list_filter = ("tier", "high_availability", "offered")
    search_fields = ("name", "label")

    def get_readonly_fields(self, _request: Any, obj: Any = None) -> tuple[str, ...]:
        """Its name is its key: another name would be another plan."""
        return ("name",) if obj else ()


@admin.register(Customer)
class CustomerAdmin(Undeletable):
    list_display = ("name", "email", "created_at")
    search_fields = ("name", "email")
    date_hierarchy = "created_at"


@admin.register(Credential)
class CredentialAdmin(ReadOnly):
    """Whose and what for. The secret is neither shown nor read."""

    list_display = ("role", "purpose", "resource", "instance", "created_at")
    list_filter = ("purpose",)
    list_select_related = ("resource", "instance")
    search_fields = ("role", "resource__name", "instance__name")
    fields = ("role", "purpose", "resource", "instance", "created_at")

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).defer("secret")


@admin.register(Intent)
class IntentAdmin(ReadOnly):
    actions: ClassVar[list[str]] = ["cancel"]
    list_display = ("asked_at", "name", "verb", "shown_state", "actor", "reason", "answer")
    list_display_links = ("asked_at", "name")
    list_filter = ("state", KindFilter)
    search_fields = ("name", "actor", "reason")
    date_hierarchy = "asked_at"
    show_full_result_count = False
    fields = (
        ("kind", "name"),
        ("verb", "params"),
        ("actor", "reason"),
        ("state", "asked_at", "answered_at"),
        "answer",
        ("parent", "key"),
    )

    @display(
        description="State",
        ordering="state",
        label={Intent.OPEN: "info", Intent.DONE: "success", Intent.REFUSED: "danger", Intent.CANCELLED: "default"},
    )
    def shown_state(self, intent: Intent) -> tuple[str, str]:
        return intent.state, intent.get_state_display()

    def has_ask_permission(self, request: Any) -> bool:
        return not askers.missing(askers.of_login(request.user), ASK)

    @admin.action(description="Cancel", permissions=["ask"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Intent]) -> None:
        for intent in queryset:
            try:
                withdrawals.cancel(intent, askers.of_login(request.user))
                messages.success(request, f"Cancelled: {intent}.")
            except AskError as error:
                messages.error(request, str(error))


@admin.register(Event)
class EventAdmin(BySubject):
    list_display = ("at", "kind", "name", "verb", "row", "why", "source", "target", "actor")
    list_display_links = ("at", "name")
    list_filter = (KindFilter, ("target", admin.EmptyFieldListFilter))
    fields = (
        ("at", "actor"),
        ("kind", "name", "generation"),
        ("verb", "source", "target"),
        ("row", "why"),
        "facts",
        "evidence",
    )


@admin.register(Worker)
class WorkerAdmin(ReadOnly):
    list_display = ("name", "queue", "started_at", "seen_at", "beats", "beats_per_s", "errors", "rss_mb")
    list_filter = ("queue",)
    search_fields = ("name",)
