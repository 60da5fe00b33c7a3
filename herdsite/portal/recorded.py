"""The newest entries of the audit record about a thing, as its page shows them."""

import json
from dataclasses import dataclass
from typing import Any

from fleet.audit.models import Entry
from herdsite.portal.shown import Moment, moment

SHOWN = 20
# A value longer than this is cut off here, and whole in the record.
LONGEST = 120


@dataclass(frozen=True)
class Recorded:
    """One entry. `changes` are the columns that it changed, each with the value before and after as JSON; of what is
    new there are none."""

    at: Moment | None
    actor: str
    address: str
    door: str
    action: str
    name: str
    reason: str
    changes: tuple[tuple[str, str, str], ...]


def recorded(subject: Any, name: str = "") -> tuple[Recorded, ...]:
    """The last entries about the thing of that id, the newest first; with `name` those about an incident of the thing
    alone."""
    found = Entry.objects.filter(subject=str(subject))
    return tuple(
        Recorded(
            moment(entry.at),
            entry.actor or "nobody",
            entry.address,
            entry.door,
            entry.action,
            entry.name,
            entry.reason,
            _changes(entry.before, entry.after),
        )
        for entry in (found.filter(name=name) if name else found)[:SHOWN]
    )


def _changes(before: Any, after: Any) -> tuple[tuple[str, str, str], ...]:
    if before is None:
        return ()
    was, is_now = before, after or {}
    names = sorted({*was, *is_now})
    return tuple((name, _shown(was, name), _shown(is_now, name)) for name in names)


def _shown(values: dict[str, Any], name: str) -> str:
    if name not in values:
        return "—"
    text = json.dumps(values[name], ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
