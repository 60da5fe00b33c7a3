"""What all admins of the fleet have in common: most are only for reading, and none deletes."""

from typing import Any

from django.contrib import admin
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from fleet import names
from fleet.models import MEMBERS
from fleet.states import STATES

# unfold's labels for the colours of fleet/states.py.
_LABELS = {"good": "success", "doubt": "warning", "bad": "danger", "busy": "info", "quiet": "default"}
STATE_LABELS = {name: _LABELS[state.colour] for name, state in STATES.items()}


class Undeletable(ModelAdmin):
    """Records stay: a destroyed thing keeps its row, its name and its story."""

    def has_delete_permission(self, _request: Any, _obj: Any = None) -> bool:
        return False


class ReadOnly(Undeletable):
    """To be looked at by whoever may view it."""

    compressed_fields = False

    def has_add_permission(self, _request: Any) -> bool:
        return False

    def has_change_permission(self, _request: Any, _obj: Any = None) -> bool:
        return False


class Endless(ReadOnly):
    """A table that grows for ever: pages are turned without counting it."""

    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50


class BySubject(Endless):
    """Rows that tell of a thing by its id: searched by the thing's whole name, which its table has an index for."""

    search_fields = ("subject",)
    search_help_text = "The whole name of a server, instance or resource"

    def get_search_results(self, _request: Any, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if not search_term:
            return queryset, False
        holder = names.holder(search_term.strip())
        return queryset.filter(subject=holder.pk) if holder else queryset.none(), False


class KindFilter(admin.SimpleListFilter):
    """By kind of thing, without asking the table which kinds are in it."""

    title = parameter_name = "kind"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, str]]:
        return [(kind, kind.capitalize()) for kind in MEMBERS]

    def queryset(self, _request: Any, queryset: Any) -> Any:
        return queryset.filter(kind=self.value()) if self.value() else queryset
