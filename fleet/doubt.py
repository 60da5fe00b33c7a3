"""Evidence: who looked, by which wire, and since when nobody has seen the thing well. Pure.

The evidence lies on the row as JSON and is frozen into the Event of the decision. A good look ends the doubt and
wipes it; a bad one adds its vantage. What nobody could look at adds nothing: silence of ours is not evidence. Nor is
time in which nobody listened: the doubt's beginning moves on by what passes between two looks too far apart.

    {"since": epoch, "sql": {vantage: {"at": epoch, "why": text}}, "ssh": {…}}
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

Evidence = dict[str, Any]

# Which fact answers for which wire, and where its reason stands.
WIRES = (("sql", "service_available", "service_why"), ("ssh", "ssh", "ssh_why"))
# How many vantages a wire remembers. Workers come and go while a thing stays dead for weeks.
REMEMBERED = 8
# The wire whose good answer proves a thing of this kind well.
PROOF = {"server": "ssh", "instance": "sql", "resource": "sql", "timeline": "ssh", "backup": "ssh"}


def weigh(
    kind: str, evidence: Evidence, look: Mapping[str, Any], vantage: str, now: float, heard_s: float = math.inf
) -> Evidence:
    """The evidence after one more look. `look` has facts by name (True, False or None), `now` is epoch seconds;
    `heard_s` is how far two looks may lie apart for the time between them to count."""
    if kind not in PROOF:
        return {}
    proof = next(fact for wire, fact, _why in WIRES if wire == PROOF[kind])
    if look.get(proof) is True:
        return {}
    fresh = dict(evidence)
    if look.get(proof) is False:
        unheard_s = max(0.0, now - _last(evidence, now) - heard_s)
        fresh["since"] = min(now, fresh.get("since", now) + unheard_s)
    for wire, fact, why in WIRES:
        if look.get(fact) is False:
            before = {place: said for place, said in fresh.get(wire, {}).items() if place != vantage}
            kept = sorted(before.items(), key=lambda item: item[1]["at"])[-(REMEMBERED - 1) :]
            fresh[wire] = dict(kept) | {vantage: {"at": now, "why": str(look.get(why) or "")[:200]}}
        elif look.get(fact) is True:
            fresh.pop(wire, None)
    return fresh


def witnesses(evidence: Evidence) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Whoever got nothing: the wire, the vantage, and what came back."""
    for wire, _fact, _why in WIRES:
        for vantage, word in sorted(evidence.get(wire, {}).items()):
            yield wire, vantage, word


def _last(evidence: Evidence, now: float) -> float:
    """When somebody last looked in vain (epoch, s)."""
    return max((word["at"] for _wire, _vantage, word in witnesses(evidence)), default=evidence.get("since", now))


def facts(evidence: Evidence, now: float, places: int = 1) -> dict[str, Any]:
    """What the tables may know of the doubt: how long, and how many vantages on each wire got nothing. Where workers
    look from several `places`, it is places that count: the processes of one share its network."""

    def count(wire: str) -> int:
        vantages = evidence.get(wire, ())
        return len({vantage.rsplit("/", 1)[0] for vantage in vantages}) if places > 1 else len(vantages)

    return {
        "doubt_s": max(0.0, now - evidence["since"]) if "since" in evidence else 0.0,
        "sql_vantages": count("sql"),
        "ssh_vantages": count("ssh"),
    }
