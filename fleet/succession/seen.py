"""One look at a leader, and what it proves of the standbys that a commit waits for."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stream:
    """One row of pg_stat_replication on the leader. `flushed` is a position in the WAL."""

    name: str
    streaming: bool
    sync_state: str
    sync_priority: int
    flushed: int | None


@dataclass(frozen=True)
class Seen:
    """One look at the leader, over a new connection. `sure`: it answered, as a leader, and nobody doubts it. `settled`:
    the checkpointer rests (waits for work or for time) and so has heard of the last reload; before it has, commits
    need not wait for anybody. None is not known."""

    sure: bool | None
    setting: str | None = None
    serial: int | None = None
    settled: bool | None = None
    lsn: int | None = None
    streams: Sequence[Stream] | None = None


def setting(names: Sequence[str]) -> str:
    """The text of synchronous_standby_names that requires every one of `names`; empty when nobody is required.
    ValueError for a name that PostgreSQL would cut short, alter, or take for another's."""
    for name in names:
        if not (name.isascii() and name.isprintable() and 0 < len(name) <= 63) or name == "*":
            raise ValueError(f"{name!r} can't name a standby: 1 to 63 printable ASCII characters, and not *")
    if len({name.lower() for name in names}) < len(names):
        raise ValueError(f"a standby is named twice in {', '.join(names)}: case makes no difference")
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    return f"FIRST {len(names)} ({quoted})" if names else ""


def unheard(names: Sequence[str], seen: Seen) -> str:
    """Who on the leader may not have heard yet that `names` are required; or "". A process that releases commits by an
    older setting shows older priorities (quorum.wish sees to that)."""
    if seen.settled is not True:
        return "the leader's checkpointer may not have heard of the setting yet"
    if seen.streams is None:
        return "which standbys stream from the leader is not known"
    if late := [s.name for s in seen.streams if s.sync_priority != (names.index(s.name) + 1 if s.name in names else 0)]:
        return f"the connection of {', '.join(late)} may not have heard of the setting yet"
    return ""


def behind(names: Sequence[str], seen: Seen, lsn: int | None) -> str:
    """Who of `names` has not confirmed the WAL up to `lsn`; or ""."""
    if seen.streams is None or lsn is None:
        return "the WAL positions of the leader and its standbys are not known"
    for name in names:
        rows = [stream for stream in seen.streams if stream.name == name]
        if len(rows) != 1:
            return f"{name} streams {len(rows)} times, not once"
        if not rows[0].streaming or rows[0].sync_state != "sync":
            return f"{name} does not stream as a synchronous standby yet"
        flushed = rows[0].flushed
        if flushed is None or flushed < lsn:
            return f"{name} has not confirmed all that the leader had written"
    return ""
