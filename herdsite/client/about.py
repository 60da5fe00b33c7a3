"""What `herd info` says of a thing. Of a database it is what `heroku pg:info` says, in that order and by those names,
and then what only operators see."""

from collections.abc import Callable
from typing import Any

from herdsite.client.errors import NO_LOGIN, NOT_FOUND, HerdError
from herdsite.client.wire import Wire, step
from herdsite.client.words import label, size, time, value

NONE = "none"
Lines = list[tuple[str, str]]
# What is long, or only of use to programs.
LEFT_OUT = ("id", "name", "kind", "facts", "evidence", "attrs", "customer_id", "journal", "system_identifier")


def resource(wire: Wire, found: dict[str, Any]) -> Lines:
    """A database."""
    name = found["name"]
    plan = _or({}, lambda: wire.get(f"plans/{step(found['plan'])}"))
    of: dict[str, Any] = {"of": name, "limit": 200}
    followers = _or([], lambda: wire.get("followers", of)["results"])
    forks = _or([], lambda: wire.get("forks", of)["results"])
    wrong = _or([], lambda: wire.get("incidents", {"subject": name, "state": "open"})["results"])
    lines = [
        ("Plan", plan.get("label") or found["plan"]),
        ("Status", label(found["state"])),
        ("Data Size", _data_size(found, plan)),
        ("Connections", f"{value('', found['connections'])}/{found['max_connections']}"),
        ("PG Version", str(found["major"])),
        ("Created", time(found["created_at"])),
        ("Region", value("", found["zone"] or found["wanted_zone"])),
        ("High availability", value("", plan.get("high_availability"))),
        ("Followers", _names(followers)),
        ("Forks", _names(forks)),
        *([("Following", found["follows"])] if found["follows"] else []),
        *([("Forked From", found["forked_from"])] if found["forked_from"] else []),
        ("Rollback", _rollback(wire, found, plan)),
        ("Maintenance window", value("", found["window"])),
        ("Customer", found["customer"]),
        ("Incidents", _names(wrong)),
    ]
    inner = [(title, found[key]) for title, key in (("Instance", "instance"), ("Server", "server")) if found[key]]
    said = [(title, found[key]) for title, key in (("Because", "why"), ("Problem", "problem")) if found[key]]
    return [*lines, *inner, *said]


def anything(found: dict[str, Any]) -> Lines:
    """Everything else, field by field."""
    lines = [(key, value(key, one)) for key, one in found.items() if key not in LEFT_OUT]
    return [(_title(key), text) for key, text in lines if text != value(key, None)]


def _title(key: str) -> str:
    return key.removesuffix("_at").replace("_", " ").capitalize()


def _data_size(found: dict[str, Any], plan: dict[str, Any]) -> str:
    held, most = found["size_bytes"], plan.get("disk_mb", 0) * 2**20
    if held is None or not most:
        return size(held)
    return f"{size(held)} / {size(most)} ({held / most:.1%})"


def _rollback(wire: Wire, found: dict[str, Any], plan: dict[str, Any]) -> str:
    """The oldest backup that is kept is as far back as it goes."""
    if plan.get("tier") == "starter":
        return "Unsupported"
    asked = {"resource": found["name"], "method": "base", "state": "kept", "ordering": "created_at", "limit": 1}
    kept = _or([], lambda: wire.get("backups", asked)["results"])
    return f"earliest from {time(kept[0]['ended_at'] or kept[0]['created_at'])}" if kept else "no backup yet"


def _names(found: list[dict[str, Any]]) -> str:
    return ", ".join(one["name"] for one in found) or NONE


def _or(otherwise: Any, ask: Callable[[], Any]) -> Any:
    """What was asked for; `otherwise` where this login isn't shown it."""
    try:
        return ask()
    except HerdError as error:
        if error.code not in (NOT_FOUND, NO_LOGIN):
            raise
        return otherwise
