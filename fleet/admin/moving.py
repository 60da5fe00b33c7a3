"""Timelines, backups, changeovers and addresses: read here, asked as servers and resources are."""

from typing import Any

from django.contrib import admin
from unfold.decorators import display

from fleet.admin.asking import actions_for
from fleet.admin.members import RING, MemberAdmin
from fleet.models import Address, Backup, Changeover, Timeline


@admin.register(Timeline)
class TimelineAdmin(MemberAdmin):
    actions = actions_for("timeline")
    list_display = ("name", "shown_state", "resource", "parent", "forked_lsn", "forked_at", "felt_at", "problem")
    list_filter = ("state", "archive", "plan")
    list_select_related = ("resource", "parent")
    search_fields = ("name", "system_identifier", "resource__name")
    fieldsets = (
        (None, {"fields": (("name", "state", "state_since"), ("resource", "plan"), "attrs")}),
        ("Where it began", {"fields": (("parent", "forked_lsn", "forked_at"), ("timeline_id", "system_identifier"))}),
        ("The archive", {"fields": (("archive", "place", "major"), ("closed_at", "keep_until"))}),
        RING,
    )


@admin.register(Backup)
class BackupAdmin(MemberAdmin):
    list_display = (
        "name",
        "shown_state",
        "method",
        "resource",
        "timeline",
        "bytes",
        "ended_at",
        "keep_until",
        "problem",
    )
    list_filter = ("state", "method")
    list_select_related = ("resource", "timeline")
    search_fields = ("name", "resource__name", "timeline__name")
    fieldsets = (
        (None, {"fields": (("name", "state", "state_since"), ("method", "resource", "timeline", "instance"), "attrs")}),
        (
            "Present state",
            {"fields": (("label", "bytes"), ("began_at", "ended_at", "keep_until"), ("first_wal", "last_wal"))},
        ),
        RING,
    )


@admin.register(Changeover)
class ChangeoverAdmin(MemberAdmin):
    actions = actions_for("changeover")
    list_display = (
        "name",
        "shown_state",
        "resource",
        "reason",
        "source",
        "target",
        "actor",
        "created_at",
        "finished_at",
    )
    list_filter = ("state", "reason", "force")
    list_select_related = ("resource", "source", "target")
    search_fields = ("name", "resource__name", "actor")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "state", "state_since"),
                    ("resource", "reason", "generation"),
                    ("actor", "asked_why"),
                )
            },
        ),
        (
            "From and to",
            {"fields": (("source", "target", "wanted"), ("plan", "timeline"), ("not_before", "finished_at"))},
        ),
        ("Result", {"fields": (("force", "accept_loss"), "proof", "receipt", "marks")}),
        RING,
    )


@admin.register(Address)
class AddressAdmin(MemberAdmin):
    actions = actions_for("address")
    list_display = ("name", "shown_state", "shown_endpoint", "resource", "target", "provider", "felt_at", "problem")
    list_filter = ("state", "provider")
    list_select_related = ("resource",)
    search_fields = ("name", "endpoint", "resource__name")
    fieldsets = (
        (None, {"fields": (("name", "state", "state_since"), ("resource", "provider"), "attrs")}),
        ("The endpoint", {"fields": (("endpoint", "port"), "target")}),
        RING,
    )

    @display(description="Endpoint", ordering="endpoint")
    def shown_endpoint(self, address: Any) -> str:
        return f"{address.endpoint}:{address.port}" if address.endpoint else ""
