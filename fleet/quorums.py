"""What a beat of a leader tells of the standbys that its commits wait for: from the record on its resource and what the
look found, the next step (succession/quorum.py decides, this reads and writes its words)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fleet import policy
from fleet.states import AVAILABLE
from fleet.succession import lsn
from fleet.succession.quorum import Apply, Record, Standby, Write, next_step
from fleet.succession.seen import Seen, Stream


@dataclass(frozen=True)
class Known:
    """A leader's record as its resource has it, and the standbys that belong to it: the name under which each streams,
    and its state; the preferred first."""

    record: Mapping[str, Any]
    standbys: Sequence[tuple[str, str]]
    wanted: int


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


def remember(before: str | None, found: Sequence[Stream] | None, now: float) -> str:
    """When each standby was last seen streaming (epoch, s): `name=epoch …`."""
    seen = dict(word.split("=") for word in (before or "").split())
    seen |= {one.name: f"{now:.3f}" for one in found or () if one.streaming}
    return " ".join(f"{name}={at}" for name, at in sorted(seen.items()))


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
    last = dict(word.split("=") for word in streamed.split())
    step = next_step(
        record(known.record),
        seen,
        [_standby(name, standing, found, last, at, now) for name, standing in known.standbys],
        known.wanted,
        policy.SYNC_PATIENCE_S,
    )
    was = {"quorum_was": json.dumps(known.record, sort_keys=True), "quorum_why": step.why}
    if isinstance(step, Write):
        return was | {"quorum_step": "record", "quorum_record": json.dumps(kept(step.record))}
    return was | {"quorum_step": "apply" if isinstance(step, Apply) else "nothing"}


def _standby(
    name: str, state: str, found: Sequence[Stream] | None, last: Mapping[str, str], at: int | None, now: float
) -> Standby:
    now_there = next((one for one in found or () if one.name == name and one.streaming), None)
    away = 0.0 if now_there else now - float(last[name]) if name in last else None
    late = lsn.ahead(at, now_there.flushed) if now_there else None
    near = None if late is None else late <= policy.SWITCH_LAG_BYTES
    return Standby(name, away, near and state == AVAILABLE)
