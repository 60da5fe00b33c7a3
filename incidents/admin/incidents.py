"""Incidents in the admin: lists to filter and search, the whole story on each page, and the hands that people lay on
them. What is written here is read by beats; the page itself touches nothing but herdsite's own database."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from fleet import askers
from fleet.admin.base import STATE_LABELS, ReadOnly
from fleet.admin.story import Section
from fleet.roles import MANAGE
from incidents import desk, moving, story
from incidents.hands import HANDS, PERMISSION, lay
from incidents.models import BrakeRelease, Incident, Journal, PlaybookPolicy
from incidents.notices import desk as notices
from incidents.resolvers import RESOLVERS

SNOOZE_MINUTES = 60


def _hand(
    name: str, words: str, verb: str, asked: Callable[[HttpRequest], dict[str, Any]] = lambda _request: {}
) -> Any:
    """An action that lays one of HANDS on each of the chosen, and says why where it can't."""

    def action(self: Any, request: HttpRequest, queryset: Any) -> None:
        done = 0
        for incident in queryset:
            try:
                lay(HANDS[verb], incident, asked(request), request.user.get_username(), notices)
                done += 1
            except desk.DeskError as error:
                self.message_user(request, f"{incident.name}: {error}", messages.ERROR)
        if done:
            self.message_user(request, f"{words}: {done}.", messages.SUCCESS)

    action.__name__ = name
    action.short_description = words  # type: ignore[attr-defined]
    action.allowed_permissions = ("handle",)  # type: ignore[attr-defined]
    return action


ACTIONS = [
    _hand("acknowledge", "Acknowledge", "ack"),
    _hand("assign_me", "Assign to me", "assign", lambda request: {"to": request.user}),
    _hand("snooze", "Snooze for an hour", "snooze", lambda _request: {"minutes": SNOOZE_MINUTES}),
    _hand("retry", "Try its playbooks again", "retry"),
    _hand("resolve", "Resolve", "resolve", lambda _request: {"reason": "said in the admin"}),
]


def told(incident: Incident) -> list[Section]:
    """Its story and its runbook, as the pages of the fleet show theirs."""
    lines = [
        (f"{timezone.localtime(line.at):%Y-%m-%d %H:%M:%S}", line.what, line.where, line.text, line.actor)
        for line in story.of(incident)
    ]
    playbook = RESOLVERS.get(incident.resolver)
    runbook = playbook.runbook if playbook else moving.runbook(incident)
    children = [(child.name, child.look.label) for child in incident.children.all()]
    sections = [
        Section("Story", ("When", "What", "Playbook", "Text", "By"), lines),
        Section("Runbook", ("",), [(line,) for line in runbook.splitlines() if line]),
    ]
    return [*sections, Section("Under it", ("Incident", "State"), children)] if children else sections


@admin.register(Incident)
class IncidentAdmin(ReadOnly):
    actions = ACTIONS
    change_form_outer_after_template = "admin/fleet/story.html"
    list_display = ("created_at", "name", "shown_state", "severity", "cause", "resolver", "assigned_to", "problem")
    list_display_links = ("created_at", "name")
    list_filter = ("state", "severity", "type", "subject_kind")
    list_select_related = ("cause",)
    search_fields = ("name", "subject_name")
    list_per_page = 50
    show_full_result_count = False
    fieldsets = (
        (
            None,
            {"fields": (("name", "state", "state_since"), ("type", "severity", "cause"), ("opened_by", "evidence"))},
        ),
        (
            "Playbook",
            {"fields": (("resolver", "resolver_version", "step"), ("tried", "attempts", "wait_until"), "problem")},
        ),
        (
            "People",
            {"fields": (("acknowledged_by", "acknowledged_at"), ("assigned_to", "snoozed_until"), "escalations")},
        ),
        ("The ring", {"classes": ("collapse",), "fields": (("due_at", "leased_until", "vantage"), ("row", "why"))}),
    )

    @display(description="State", ordering="state", label=STATE_LABELS)
    def shown_state(self, incident: Incident) -> tuple[str, str]:
        return incident.look.name, incident.look.label

    def has_handle_permission(self, request: Any) -> bool:
        return request.user.has_perm(PERMISSION)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        incident = self.get_object(request, object_id) if self.has_view_permission(request) else None
        more = {"sections": told(incident) if incident else []}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | more)


@admin.register(Journal)
class JournalAdmin(ReadOnly):
    list_display = ("at", "incident", "outcome", "resolver", "step", "note", "actor")
    list_filter = ("outcome", "resolver")
    list_select_related = ("incident",)
    search_fields = ("incident__name", "note")
    show_full_result_count = False


@admin.register(PlaybookPolicy)
class PlaybookPolicyAdmin(ModelAdmin):
    """A word that is taken back leaves what is said of more. Whoever manages the herd says it."""

    list_display = ("resolver", "plan", "resource", "mode")

    def may(self, request: Any, _obj: Any = None) -> bool:
        return not askers.missing(askers.of_login(request.user), MANAGE)

    has_add_permission = has_change_permission = has_delete_permission = may
    has_view_permission = has_module_permission = may
    list_filter = ("mode", "resolver")
    autocomplete_fields = ("resource",)


@admin.register(BrakeRelease)
class BrakeReleaseAdmin(ReadOnly):
    list_display = ("at", "scope", "until", "actor", "reason")
