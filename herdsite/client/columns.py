"""The lists that there are, and which fields of their objects a table shows. Everything else is in `--json`."""

from typing import Any

from herdsite.client.words import NOTHING, value

MEMBER = ("name", "state", "state_since")
COLUMNS: dict[str, tuple[str, ...]] = {
    "resources": ("name", "state", "plan", "zone", "size_bytes", "connections", "customer", "follows", "created_at"),
    "instances": ("name", "state", "role", "server", "zone", "plan", "major", "state_since"),
    "servers": ("name", "state", "provider", "zone", "address", "capacity", "state_since"),
    "incidents": ("name", "state", "severity", "subject.name", "created_at", "acknowledged_by", "problem"),
    "timelines": ("name", "state", "resource", "major", "parent", "forked_at", "created_at"),
    "backups": ("name", "state", "method", "resource", "bytes", "began_at", "ended_at", "keep_until"),
    "changeovers": ("name", "state", "reason", "resource", "source", "target", "created_at", "finished_at"),
    "addresses": ("name", "state", "resource", "endpoint", "port", "target"),
    "customers": ("name", "email", "created_at"),
    "plans": ("name", "label", "tier", "memory_mb", "disk_mb", "connections", "high_availability", "offered"),
    "credentials": ("id", "purpose", "role", "resource", "instance", "created_at"),
    "intents": ("id", "state", "verb", "name", "actor", "asked_at", "answer"),
    "events": ("at", "name", "verb", "source", "target", "row", "why", "actor"),
    "notices": ("id", "state", "purpose", "channel", "recipient", "subject", "created_at"),
    "rings": ("kind", "queue", "members", "due", "leased", "late_s", "age_s"),
    "workers": ("name", "queue", "started_at", "seen_at", "beats", "errors", "beats_per_s"),
}
COLUMNS["followers"] = COLUMNS["forks"] = COLUMNS["resources"]
TITLES = {"size_bytes": "size", "subject.name": "about", "created_at": "created", "state_since": "since"}
# Which of them come all at once.
WHOLE = ("rings", "workers")


def titles(kind: str) -> list[str]:
    return [TITLES.get(name, name.removesuffix("_at").replace("_", " ")) for name in COLUMNS[kind]]


def cells(kind: str, found: dict[str, Any]) -> list[str]:
    return [_cell(name, found) for name in COLUMNS[kind]]


def name_of(kind: str, found: dict[str, Any]) -> str:
    """By what it is asked for again."""
    first = COLUMNS[kind][0]
    return str(found[first if first in ("name", "kind") else "id"])


def _cell(path: str, found: Any) -> str:
    *outer, name = path.split(".")
    for one in outer:
        found = (found or {}).get(one)
    return value(name, found.get(name)) if found else NOTHING
