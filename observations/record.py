"""Writing down what was felt: append-only, many looks in one COPY."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connections


@dataclass(frozen=True)
class Look:
    """What came of looking at one thing once. `good` says that the look which proves the thing well succeeded;
    `attrs` is everything felt, as text, with the reasons of what could not be; `probed` when each probe looked."""

    kind: str
    subject: UUID
    at: datetime
    took_ms: float
    good: bool
    attrs: dict[str, str | None]
    probed: dict[str, float]


def write(looks: Iterable[Look], vantage: str) -> None:
    """Append the looks. Every one is kept, also those that saw nothing."""
    with (
        connections[settings.OBSERVATIONS_DB].cursor() as cursor,
        cursor.copy("COPY observations_observation (at, kind, subject, vantage, took_ms, attrs) FROM STDIN") as copy,
    ):
        for look in looks:
            copy.write_row((look.at, look.kind, look.subject, vantage, look.took_ms, look.attrs))
