"""Small worlds for the LIFE tables: one thing, what is so around it, and what becomes of it when its table acts.

Everything goes well in them: jobs succeed, machines start, and a person asks for what the tables leave to people.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fleet.facts import Facts
from fleet.rules import DO, GO, Rule, think
from fleet.states import AVAILABLE, CREATING, DESTROYING, DOWN, MAINTENANCE, RETIRING, STOPPED, UNCERTAIN, move
from fleet.think import LIFE

SERVING = (AVAILABLE, UNCERTAIN, DOWN)
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass
class World:
    """One thing and what is known of it. `beat` thinks once and does what the row says."""

    kind: str
    state: str
    known: dict[str, Any]
    rows: list[int] = field(default_factory=list)

    def beat(self) -> Rule:
        """Time passes, a person looks, the table decides, and the world follows."""
        PASSING[self.kind](self)
        wish = WISHES[self.kind](self)
        if not self.known.get("asked") or (wish == "retry" and self.state == DESTROYING):
            self.ask(wish)
        rule = think(LIFE[self.kind], self.state, Facts(NOW, self.known))
        self.rows.append(rule.row)
        if rule.then.kind == GO:
            self.state = move(self.kind, rule.then.name).target
            self.known |= {"job": "none", "tries": 0}
        elif rule.then.kind == DO:
            EFFECTS[self.kind][rule.then.name](self)
        return rule

    def ask(self, verb: str | None) -> None:
        """Each asking has a job of its own; trying again is about the one that failed."""
        self.known |= {"asked": verb, "handed": "none"}
        if verb not in (None, "retry", "destroy"):
            self.known["job"] = "none"


def _set(**facts: Any) -> Callable[[World], None]:
    return lambda world: world.known.update(facts)


def _begin(what: str) -> Callable[[World], None]:
    def effect(world: World) -> None:
        world.known |= {"job": "running", "doing": what, "tries": (world.known.get("tries") or 0) + 1}
        if world.known["asked"] == "retry":
            world.known["asked"] = None

    return effect


_ANSWERED = _set(asked=None, job="none", handed="none")

EFFECTS: dict[str, dict[str, Callable[[World], None]]] = {
    "server": {
        "create_machine": _set(machine="pending"),
        "start_machine": _set(machine="pending"),
        "destroy_machine": _set(machine="absent", ssh=False),
        "introduce": _set(host_key=True),
        "retire": _set(asked=None, retires=True),
        "keep": _set(asked=None, retires=False),
        "fulfil": _ANSWERED,
        "refuse": _ANSWERED,
    },
    "instance": {
        **{verb: _begin("start") for verb in ("build", "rebuild", "restart", "start")},
        **{verb: _begin("destroy") for verb in ("destroy", "destroy_again")},
        "stop": _begin("stop"),
        "fence": _set(postmaster=False, service_available=False),
        "unfence": _set(stray_mark=False, postmaster=True, service_available=True),
        "promote": _set(in_recovery=False),
        "rejoined": _set(outdated=False),
        "configure": _set(configured=True, quorum_step="nothing"),
        "record_quorum": _set(quorum_step="nothing"),
        "fulfil": _ANSWERED,
        "refuse": _ANSWERED,
    },
    "resource": {
        "place": _set(placed=True, instance_state="creating"),
        "create_database": _set(service_available=True),
        "drop_database": _set(dropped=True, service_available=False),
        "hand_down": _set(handed="open"),
        "change_over": _set(moved="done"),
        "refuse_move": _ANSWERED,
        "resize_in_place": _ANSWERED,
        "add_standby": _set(standbys_missing=0),
        "drop_standby": _set(standbys_idle=0),
        "reserve_address": _set(address_missing=False),
        "unfollow": _ANSWERED,
        "believe": _ANSWERED,
        "rotate": _ANSWERED,
        "lift": _set(suspended=False, suspension_s=None, asked=None, service_available=True),
        "backup": _ANSWERED,
        "fulfil": _ANSWERED,
        "refuse": _ANSWERED,
    },
}

# What a finished job leaves behind.
_DONE: dict[str, dict[str, Any]] = {
    "start": {"postmaster": True, "data_dir": True, "service_available": True},
    "stop": {"postmaster": False, "service_available": False},
    "destroy": {"postmaster": False, "data_dir": False, "service_available": False},
}


def _server_passes(world: World) -> None:
    known = world.known
    if known.get("machine") is None:
        known["machine"] = "absent"
    elif known["machine"] == "pending" or (known["machine"] != "running" and world.state in SERVING):
        known["machine"] = "running"
    elif known.get("machine") == "running" and known.get("host_key"):
        known["ssh"] = True


def _instance_passes(world: World) -> None:
    known = world.known
    known["ssh"] = True
    known.setdefault("members", 0)
    if known.get("job") == "running":
        known |= _DONE[known.get("doing", "start")] | {"job": "done"}
    elif known.get("job") is None:
        known["job"] = "none"
    if world.state == CREATING and known["job"] == "done":
        known |= _DONE["start"]
    if world.state == DESTROYING and known["job"] == "done":
        known |= _DONE["destroy"]
    if world.state == UNCERTAIN:
        known["service_available"] = True


def _resource_passes(world: World) -> None:
    known = world.known
    if known.get("placed") is None:
        known["placed"] = known.get("instance_state") is not None
    if known["placed"] and known.get("service_available") is None:
        known["service_available"] = False
    if known.get("instance_state") in (None, "creating", "uncertain", "down") and known["placed"]:
        known["instance_state"] = "available"
    if known.get("handed") == "open":
        known |= {"handed": "done"} | _HANDED[known["asked"]]
    if world.state not in (CREATING, DESTROYING, MAINTENANCE) and known.get("instance_state") == "available":
        known["service_available"] = True


_HANDED: dict[str, dict[str, Any]] = {
    "restart": {"instance_state": "available"},
    "start": {"instance_state": "available"},
    "stop": {"instance_state": "stopped", "service_available": False},
    "destroy": {"instance_state": "destroyed", "service_available": False},
}
PASSING = {"server": _server_passes, "instance": _instance_passes, "resource": _resource_passes}


def _server_wish(world: World) -> str | None:
    return "destroy" if world.state == RETIRING else None


def _instance_wish(world: World) -> str | None:
    if world.known["job"] in ("failed", "lost") and world.state in (CREATING, DESTROYING):
        return "retry"
    return {STOPPED: "start", DOWN: "start", "fenced": "destroy"}.get(world.state)


def _resource_wish(world: World) -> str | None:
    return {MAINTENANCE: "start", DESTROYING: "destroy"}.get(world.state)


WISHES = {"server": _server_wish, "instance": _instance_wish, "resource": _resource_wish}
