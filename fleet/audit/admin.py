"""The record in the admin, to be read, and on each thing's page."""

import json
from typing import Any

from django.contrib import admin

from fleet.admin.base import BySubject, KindFilter
from fleet.admin.story import SECTIONS, Section, when
from fleet.audit.models import Entry
from fleet.models import Member

SHOWN = 30


@admin.register(Entry)
class EntryAdmin(BySubject):
    """Searched by a thing's whole name, or by who did it."""

    list_display = ("at", "actor", "address", "door", "action", "kind", "name", "reason")
    list_filter = (KindFilter,)
    date_hierarchy = None
    search_help_text = "The whole name of a server, instance or resource, or a login"

    def get_search_results(self, request: Any, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if search_term and (by := queryset.filter(actor=search_term.strip())).exists():
            return by, False
        return super().get_search_results(request, queryset, search_term)


def audit(member: Member) -> Section | None:
    """Lists what people did to the thing."""
    found = Entry.objects.filter(subject=str(member.pk))[:SHOWN]
    rows = [
        (when(e.at), e.actor or "nobody", e.address or "—", e.door, e.action, e.reason, _told(e.before), _told(e.after))
        for e in found
    ]
    headers = ("When", "Who", "From", "By way of", "What", "Reason", "Before", "After")
    return Section("Audit", headers, rows) if rows else None


def _told(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False)[:300] if values else "—"


SECTIONS.append(audit)
