"""Times as people write them into options: a moment ("2026-11-21 10:30 +00:00"), or how long ago ("3 hours 25 minutes",
"1d 2h")."""

import re
from datetime import UTC, datetime, timedelta

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(weeks?|days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|[wdhms])(?![a-z])")
_ZONE = re.compile(r"\s+(?=[+-]\d)|\s*(UTC|Z)$", re.IGNORECASE)
LONGEST = timedelta(days=3650)


def moment(text: str) -> datetime:
    """A moment; in UTC unless it says otherwise. ValueError if it is none."""
    plain = _ZONE.sub(lambda found: "+00:00" if found[1] else "", text.strip())
    at = datetime.fromisoformat(plain)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def interval(text: str) -> timedelta:
    """A length of time. ValueError if it is none."""
    plain = text.strip().lower().replace(",", " ").replace(" and ", " ")
    found = _PART.findall(plain)
    if not found or _PART.sub("", plain).strip():
        raise ValueError(text)
    seconds = sum(float(number) * _UNITS[unit[0]] for number, unit in found)
    if seconds > LONGEST.total_seconds():
        raise ValueError(text)
    return timedelta(seconds=seconds)
