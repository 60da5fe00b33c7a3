"""What was felt of one thing, in the order of time: every look, or the last one of each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import FloatField, QuerySet
from django.db.models.functions import Cast, Extract, Floor

from observations.models import Observation


@dataclass(frozen=True)
class Range:
    """Looks at `subject` from `since` to before `until` (None: no bound); with a `step` (s), the last of each."""

    subject: UUID
    since: datetime | None = None
    until: datetime | None = None
    step: int | None = None


def looks(wanted: Range, after: tuple[datetime, int] | None = None) -> QuerySet[Observation]:
    """Oldest first; with `after`, the (at, id) of a look, only those beyond it, or beyond its step."""
    found = Observation.objects.filter(subject=wanted.subject)
    if wanted.since:
        found = found.filter(at__gte=wanted.since)
    if wanted.until:
        found = found.filter(at__lt=wanted.until)
    if wanted.step is None:
        if after:
            at, id = after
            found = found.filter(at__gte=at).exclude(at=at, id__lte=id)
        return found.order_by("at", "id")
    found = found.annotate(n=_step(wanted.step))
    if after:
        at, _id = after
        found = found.filter(at__gt=at, n__gt=at.timestamp() // wanted.step)
    return found.order_by("n", "-at", "-id").distinct("n")


def narrowed(attrs: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Only those of these names, if any are named."""
    return {name: value for name, value in attrs.items() if name in names} if names else attrs


def _step(seconds: int) -> Floor:
    """Which step since 1970 a look is in."""
    return Floor(Cast(Extract("at", "epoch"), FloatField()) / float(seconds))
