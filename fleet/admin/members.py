"""Servers, instances and resources: lists to search, pages that tell their story, and actions that ask."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from fleet import askers
from fleet.admin.adding import AddsByAsking, ResourceForm, ServerForm
from fleet.admin.asking import actions_for
from fleet.admin.base import STATE_LABELS, ReadOnly
from fleet.admin.story import sections
from fleet.models import Instance, Member, Resource, Server
from fleet.roles import ASK, READ

RING = (
    "The ring",
    {
        "classes": ("collapse",),
        "fields": (
            ("queue", "due_at", "leased_until"),
            ("vantage", "felt_at", "seen_at"),
            ("row", "tries"),
            "why",
            "problem",
        ),
    },
)


class MemberAdmin(ReadOnly):
    """What the kinds on the rings have in common."""

    list_filter_submit = False
    list_per_page = 50
    show_full_result_count = False
    change_form_outer_after_template = "admin/fleet/story.html"

    @display(description="State", ordering="state", label=STATE_LABELS)
    def shown_state(self, member: Member) -> tuple[str, str]:
        return member.look.name, member.look.label

    def has_view_permission(self, request: Any, _obj: Any = None) -> bool:
        return not askers.missing(askers.of_login(request.user), READ)

    def has_module_permission(self, request: Any) -> bool:
        return self.has_view_permission(request)

    def has_ask_permission(self, request: Any) -> bool:
        return not askers.missing(askers.of_login(request.user), ASK)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        member = self.get_object(request, object_id) if self.has_view_permission(request) else None
        told = {"sections": sections(member) if member else [], "in_portal": True}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | told)


@admin.register(Server)
class ServerAdmin(AddsByAsking, MemberAdmin):
    add_form = ServerForm
    actions = actions_for("server")
    list_display = ("name", "shown_state", "provider", "zone", "address", "capacity", "felt_at", "problem")
    list_filter = ("state", "provider", "zone")
    search_fields = ("name", "address")
    fieldsets = (
        (None, {"fields": (("name", "state", "state_since"), ("provider", "zone"), ("disk_mb", "capacity"), "attrs")}),
        (
            "The host",
            {
                "classes": ("collapse",),
                "fields": (("address", "ssh_port", "ssh_user"), "host_key", ("home", "bind"), "pg"),
            },
        ),
        RING,
    )


@admin.register(Instance)
class InstanceAdmin(MemberAdmin):
    actions = actions_for("instance")
    list_display = ("name", "shown_state", "role", "server", "plan", "major", "port", "felt_at", "problem")
    list_filter = ("state", "role", "outdated", "plan", "server__zone")
    list_select_related = ("server", "plan")
    search_fields = ("name", "server__name")
    fieldsets = (
        (None, {"fields": (("name", "state", "state_since"), ("role", "server", "port"), "attrs")}),
        ("Replication", {"fields": (("standby_for", "upstream", "outdated"), ("timeline", "generation"))}),
        ("PostgreSQL", {"fields": (("major", "plan"),)}),
        RING,
    )


@admin.register(Resource)
class ResourceAdmin(AddsByAsking, MemberAdmin):
    add_form = ResourceForm
    actions = actions_for("resource")
    list_display = ("name", "shown_state", "customer", "plan", "instance", "felt_at", "problem")
    list_filter = ("state", "plan", "instance__server__zone")
    list_select_related = ("customer", "plan", "instance")
    search_fields = ("name", "dbname", "customer__name")
    fieldsets = (
        (None, {"fields": (("name", "state", "state_since"), ("customer", "plan"), "attrs")}),
        ("The database", {"fields": (("instance", "zone"), ("major", "dbname", "generation"))}),
        ("Family", {"fields": (("follows", "forked_from"), ("quorum", "drilled"), "window")}),
        RING,
    )
