"""Observations in the admin: the recent ones, of one thing or of all, and the last of a thing on its own page.

The table grows by hundreds of rows a second and is partitioned by day, so nothing here counts it or reads far back.
"""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.utils import timezone
from unfold.views import ChangeList

from fleet.admin.base import BySubject, KindFilter
from fleet.admin.story import SECTIONS, Section, when
from fleet.models import MEMBERS, Member
from observations.models import Observation

RECENT = timedelta(hours=24)
LOOKS = 20


def text_of(attrs: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {'unknown' if text is None else text}" for name, text in sorted(attrs.items()))


def last_looks(member: Member) -> Section | None:
    """A thing's last observations, for its page in the admin of the fleet."""
    found = Observation.objects.filter(subject=member.pk, at__gt=timezone.now() - RECENT)[:LOOKS]
    rows = [(when(look.at), look.vantage, f"{look.took_ms:.1f} ms", text_of(look.attrs)) for look in found]
    return Section("Last observations", ("When", "From", "Took", "Observed"), rows) if rows else None


SECTIONS.append(last_looks)


class ByMoment(ChangeList):
    """Links that hold the moment as well: it is the first half of the table's key."""

    result_list: Any

    def get_results(self, request: Any) -> None:
        """The page's rows, each with its subject's name."""
        super().get_results(request)
        looks: list[Any] = list(self.result_list)
        ids = {look.subject for look in looks}
        names = {
            pk: name
            for model in MEMBERS.values()
            for pk, name in model.objects.filter(pk__in=ids).values_list("pk", "name")
        }
        self.result_list = looks
        for look in looks:
            look.name = names.get(look.subject, "")

    def url_for_result(self, result: Observation) -> str:
        return f"{quote(f'{result.at.isoformat()}~{result.pk}')}/change/"


@admin.register(Observation)
class ObservationAdmin(BySubject):
    list_display = ("at", "named", "kind", "vantage", "took_ms", "felt")
    list_filter = (KindFilter,)
    fields = ("at", "kind", "subject", "vantage", "took_ms", "attrs")

    @admin.display(description="Subject")
    def named(self, look: Any) -> str:
        return look.name

    @admin.display(description="Observed")
    def felt(self, look: Observation) -> str:
        return text_of(look.attrs)

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).filter(at__gt=timezone.now() - RECENT)

    def get_changelist(self, _request: Any, **_kwargs: Any) -> type[ChangeList]:
        return ByMoment

    def get_object(self, _request: Any, object_id: str, _from_field: str | None = None) -> Observation | None:
        at, _, pk = object_id.partition("~")
        try:
            return Observation.objects.filter(at=datetime.fromisoformat(at), pk=int(pk)).first()
        except ValueError:
            return None
