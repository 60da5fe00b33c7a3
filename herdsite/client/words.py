"""How values read to people: sizes, times, states. Text from elsewhere loses what could move a terminal's cursor."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

NOTHING = "-"
_UNITS = ("kB", "MB", "GB", "TB")
_AGO = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def plain(text: str) -> str:
    """On one line, without control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def size(count: int | None) -> str:
    """Bytes in the largest unit that leaves a whole number before the point."""
    if count is None:
        return NOTHING
    value, unit = float(count), "B"
    for larger in _UNITS:
        if value < 1_024:
            break
        value, unit = value / 1_024, larger
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"


def time(text: str | None) -> str:
    """An ISO 8601 time, in UTC, to the minute."""
    if not text:
        return NOTHING
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return plain(text)


def label(state: str) -> str:
    return plain(state).replace("_", " ")


def since(text: str, now: datetime) -> str:
    """`1h` before now, as the API takes times; anything else as it is."""
    ago = _AGO.fullmatch(text)
    return (now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])).isoformat() if ago else text


def value(name: str, found: Any) -> str:
    """A field of an object of the API, by what its name says that it is."""
    if found is None or found in ("", [], {}):
        return NOTHING
    if isinstance(found, bool):
        return "yes" if found else "no"
    if name == "state":
        return label(found)
    if name.endswith(("_at", "_since", "_until")) or name in ("at", "expiry", "last_used", "deadline", "not_before"):
        return time(str(found))
    if name in ("bytes", "size_bytes"):
        return size(found)
    if isinstance(found, list):
        return ", ".join(plain(str(one)) for one in found)
    if isinstance(found, dict):
        return " ".join(f"{plain(str(key))}={plain(str(one))}" for key, one in found.items())
    return plain(str(found))
