"""How values look on the pages: moments, sizes, facts. Everything that would be arithmetic in a template.

A page never prints an age: it would be wrong a second later, and for ever on a page that stopped refreshing. It prints
the moment, and the script makes that an age which goes on counting.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.template.defaultfilters import filesizeformat

from fleet.facts import BOOL, FACTS, FLOAT, typed

UNKNOWN = "not known"
_BYTES = {"bytes": 1, "B": 1, "kB": 1024, "KB": 1024, "MB": 1024**2}


@dataclass(frozen=True)
class Moment:
    """A point in time as the pages need it: seconds since the epoch, and words in UTC."""

    epoch: str
    text: str


def moment(at: datetime | None) -> Moment | None:
    return epoch(at.timestamp()) if at else None


def epoch(seconds: float) -> Moment:
    return Moment(f"{seconds:.3f}", f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}")


def size(bytes_: str | int | None) -> str:
    """Bytes, a number or its text, in words: "7.2 MB"; nothing when they are not known."""
    text = "" if bytes_ is None else str(bytes_)
    return filesizeformat(int(text)).replace("\xa0", " ") if text.isdigit() else ""


def percent(text: str | None) -> str:
    """A share of a hundred in words: "23 %"; nothing when it is not known."""
    return f"{text} %" if text else ""


def share(text: str | None, limit: str | int | None) -> str:
    """So many of so many: "12 / 120"; nothing when the first is not known."""
    return (f"{text} / {limit}" if limit else text) if text else ""


@dataclass(frozen=True)
class Known:
    """One fact for a table of facts: its name, its value in words, and what the catalogue says that it means."""

    name: str
    value: str
    meaning: str


def known(name: str, text: str | None) -> Known:
    """An attribute of an observation in words. What the catalogue does not have is shown as it was recorded."""
    fact = FACTS.get(name)
    return Known(name, _value(name, text), fact.meaning if fact else "")


def _value(name: str, text: str | None) -> str:
    fact = FACTS.get(name)
    value = text if fact is None else typed(name, text or "")
    if text is None or value is None:
        return UNKNOWN
    if fact is None:
        return text
    if fact.type == BOOL:
        return "yes" if value else "no"
    if fact.unit in _BYTES:
        return filesizeformat(value * _BYTES[fact.unit]).replace("\xa0", " ")
    number = f"{value:.2f}".rstrip("0").rstrip(".") if fact.type == FLOAT else str(value)
    return f"{number} {fact.unit}".strip()
