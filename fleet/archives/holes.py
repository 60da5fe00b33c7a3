"""What an archive misses, and what can't be gone back to because of it. Pure.

A hole matters to whoever has to read WAL across it. A base backup that begins behind it needs nothing of what is
missing, so a hole is an alarm only until there is such a backup; the moments in it stay lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fleet.archives.base import ARCHIVE_TIMEOUT_S, Kept


@dataclass(frozen=True)
class Hole:
    """Segments that are not there, `last` the newest of them. `since` is when the one before them was archived; None
    when that is not known."""

    name: str
    last: str
    since: datetime | None


def holes(facts: Mapping[str, str | None]) -> list[Hole]:
    """All that a look found missing, oldest first, from its facts archive_missing and archive_missing_since."""
    names = [name for name in (facts.get("archive_missing") or "").split(",") if name]
    times = (facts.get("archive_missing_since") or "").split(",") + [""] * len(names)
    return [
        Hole(name, _last(name), datetime.fromtimestamp(float(at), UTC) if at else None)
        for name, at in zip(names, times, strict=False)
    ]


def told(found: Sequence[Hole]) -> str:
    """The reverse, for one attribute: NAME@EPOCH, with commas between."""
    return ",".join(f"{hole.name}@{hole.since.timestamp():.0f}" if hole.since else f"{hole.name}@" for hole in found)


def known(text: str | None) -> list[Hole]:
    """Holes from what `told` made of them."""
    words = [word.partition("@") for word in (text or "").split(",") if word]
    return holes(
        {
            "archive_missing": ",".join(name for name, _at, _time in words),
            "archive_missing_since": ",".join(time for _name, _at, time in words),
        }
    )


def unhealed(found: Sequence[Hole], kept: Sequence[Kept]) -> list[Hole]:
    """Those that no base backup has been begun behind."""
    first = max((one.first_wal[8:] for one in kept), default="")
    return [hole for hole in found if not hole.last or hole.last[8:] >= first]


def crossed(found: Sequence[Hole], first_wal: str, moment: datetime | None) -> Hole | None:
    """The hole that stands between the WAL from `first_wal` on and `moment` (None: its end), if there is one. What was
    written in the last minute before the hole may have come to lie in it."""
    margin = timedelta(seconds=ARCHIVE_TIMEOUT_S)
    for hole in found:
        behind = not hole.last or hole.last[8:] >= first_wal[8:]
        if behind and (moment is None or hole.since is None or moment > hole.since - margin):
            return hole
    return None


def _last(name: str) -> str:
    """Nothing for a history file: without it, none of its timeline can be read."""
    return "" if name.endswith(".history") else name.rpartition("-")[2]
