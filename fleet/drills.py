"""Restore drills: when a timeline is due for one, what it is compared with, and what came of it.

A restore that was never tried is a hope. A share of the herd is drilled each night, everything at least once a week.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fleet import policy

Counted = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Said:
    """What a drill printed: seconds until it led, the newest commit that it had (None when it saw none), bytes, and of
    each table its file, its changes so far, and its rows."""

    restored_s: float
    newest: datetime | None
    bytes: int
    rows: Counted


def is_due(last: Mapping[str, object], born: datetime, now: datetime, draw: float) -> bool:
    """Whether it is time. `last` is Resource.drilled; `draw` (0 to 1, the same each time) spreads a herd over the
    nights. A drill that failed is tried again sooner, by day too."""
    at = datetime.fromisoformat(str(last["at"])) if last.get("at") else born
    since = (now - at).total_seconds()
    if last.get("good") is False:
        return since > policy.DRILL_AGAIN_S
    night = now.hour in policy.DRILL_HOURS
    return since > policy.DRILL_EVERY_S or (night and since > policy.DRILL_EVERY_S * (0.3 + 0.5 * draw))


def said(log: str) -> Said:
    """From a drill's log. ValueError when that is not what it is."""
    lines = [line.partition("=") for line in log.splitlines()]
    words = {name: value for name, _is, value in lines if name != "rows"}
    newest = words.get("newest")
    return Said(
        float(words["restored_s"]),
        datetime.fromtimestamp(float(newest), UTC) if newest else None,
        int(words["bytes"]),
        counted(value for name, _is, value in lines if name == "rows"),
    )


def counted(rows: Iterable[str]) -> dict[str, list[int]]:
    """Rows as scratch.ROWS prints them: table → its file, rows inserted and deleted so far, rows."""
    return {name: numbers for name, *numbers in (json.loads(row) for row in rows if row)}


def wrong(recorded: Counted, restored: Counted, now: Counted) -> str:
    """What the restored tables lack: "" when they hold what was recorded with the base backup, give or take what its
    leader has inserted and deleted since. What was dropped, emptied or rewritten since can't be compared."""
    found = []
    for name, (file, changes, rows) in recorded.items():
        if name not in now or now[name][0] != file or now[name][1] < changes:
            continue
        if name not in restored:
            found.append(f"{name} is not there")
        elif abs(restored[name][2] - rows) > now[name][1] - changes:
            found.append(f"{name} has {restored[name][2]} rows; it had {rows}, and changed by {now[name][1] - changes}")
    return "; ".join(found)


def compared(recorded: Counted, now: Counted) -> int:
    """How many tables could be."""
    return sum(name in now and now[name][0] == file for name, (file, *_rest) in recorded.items())


def under_way(attrs: Mapping[str, str | None]) -> dict[str, str]:
    """The drill that a timeline's attributes tell of: job, server, backup; {} when there is none."""
    found: dict[str, str] = json.loads(attrs.get("drill") or "{}")
    return found
