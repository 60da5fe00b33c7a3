"""What a beat of a leader tells of the standbys that its commits wait for: from the record on its resource and what the
look found, the next step (succession/quorum.py decides, this reads and writes its words)."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fleet import policy
from fleet.states import AVAILABLE, DESTROYING, DOWN, FENCED, STOPPED
from fleet.succession import lsn
from fleet.succession.quorum import Apply, Record, Standby, Write, next_step
from fleet.succession.seen import Seen, Stream

# A standby in one of these states confirms nothing any more, unless its leader sees that it does.
GONE = (DOWN, STOPPED, FENCED, DESTROYING)


@dataclass(frozen=True)
class Known:
    """A leader's record as its resource has it, and the standbys that belong to it: the name under which each streams,
    and its state; the preferred first. `unfit` are the names of those that could not lead: what they confirm is kept,
    and no failover could use it."""

    record: Mapping[str, Any]
    standbys: Sequence[tuple[str, str]]
    wanted: int
    unfit: frozenset[str] = frozenset()


def record(kept: Mapping[str, Any]) -> Record:
    """The record, from its JSON."""
    values = {name: kept[name] for name in ("says", "serial", "shown", "since_lsn") if name in kept}
    return Record(tuple(kept.get("required", ())), **values)


def kept(of: Record) -> dict[str, Any]:
    """Its JSON."""
    return asdict(of) | {"required": list(of.required)}


def streams(text: str | None) -> list[Stream] | None:
    """The rows of the probe's `streams`; None when they are not known."""
    if text is None:
        return None
    rows = [row.split(":") for row in text.split(",") if row]
    return [
        Stream(name, streaming == "true", sync_state, int(priority), lsn.known(flushed or None))
        for name, streaming, sync_state, priority, flushed in rows
    ]


def remember(before: str | None, found: Sequence[Stream] | None, at: int | None, now: float) -> str:
    """When each standby was last seen to keep up (epoch, s), and up to where it had confirmed the WAL then:
    `name=epoch@lsn …`. `at` is where the leader's WAL is. One that streams keeps up when it has confirmed all of that,
    or more than at the look before: the host of one that confirms nothing any more may be frozen."""
    kept = _remembered(before)
    for stream in (one for one in found or () if one.streaming):
        last = kept.get(stream.name)
        if last is None or at is None or stream.flushed is None or stream.flushed >= at or stream.flushed != last[1]:
            kept[stream.name] = (f"{now:.3f}", stream.flushed)
    return " ".join(
        f"{name}={since}@{'' if flushed is None else lsn.text(flushed)}"
        for name, (since, flushed) in sorted(kept.items())
    )


def _remembered(text: str | None) -> dict[str, tuple[str, int | None]]:
    words = (word.partition("=") for word in (text or "").split())
    values = ((name, value.partition("@")) for name, _, value in words)
    return {name: (since, lsn.known(flushed or None)) for name, (since, _, flushed) in values}


def facts(known: Known, look: Mapping[str, Any], state: str, streamed: str, now: float) -> dict[str, Any]:
    """`quorum_step` (record, apply or nothing), with `quorum_was` and `quorum_record`: the record that the step was
    thought from, and the one to be written, as JSON."""
    found = streams(look["streams"])
    at = lsn.known(look["sync_lsn"])
    seen = Seen(
        sure=look["service_available"] is True and look["in_recovery"] is False and state == AVAILABLE,
        setting=look["sync_setting"],
        serial=look["sync_serial"],
        settled=look["sync_settled"],
        lsn=at,
        streams=found,
    )
    step = next_step(
        record(known.record),
        seen,
        [
            replace(standby(name, standing, found, streamed, at, now), unfit=name in known.unfit)
            for name, standing in known.standbys
        ],
        known.wanted,
        policy.SYNC_PATIENCE_S,
    )
    was = {"quorum_was": json.dumps(known.record, sort_keys=True), "quorum_why": step.why}
    if isinstance(step, Write):
        return was | {"quorum_step": "record", "quorum_record": json.dumps(kept(step.record))}
    return was | {"quorum_step": "apply" if isinstance(step, Apply) else "nothing"}


def standby(
    name: str,
    state: str,
    found: Sequence[Stream] | None,
    streamed: str,
    at: int | None,
    now: float,
) -> Standby:
    """One of those that belong to the leader, by what `remember` has kept (`streamed`) and by the look at `now`."""
    last = _remembered(streamed)
    now_there = next((one for one in found or () if one.name == name and one.streaming), None)
    since = last[name][0] if name in last else None
    away = None if since is None else 0.0 if now_there and since == f"{now:.3f}" else now - float(since)
    if away and state in GONE:
        # Its death is a verdict of its own: there is nothing to be patient about.
        away = math.inf
    late = lsn.ahead(at, now_there.flushed) if now_there else None
    near = None if late is None else late <= policy.SWITCH_LAG_BYTES
    return Standby(name, away, near and state == AVAILABLE)
