"""Every state that a thing can be in, and every move between two states. Pure data.

The models take their transitions from here (models/member.py), the LIFE tables may name no other (rules.check), the
pages take labels and colours from here, and `manage.py tables` prints it.
"""

from dataclasses import dataclass

CREATING, AVAILABLE, UNCERTAIN, DOWN = "creating", "available", "uncertain", "down"
STOPPED, FENCED, MAINTENANCE, CHANGING_OVER = "stopped", "fenced", "maintenance", "changing_over"
RETIRING, DESTROYING, DESTROYED = "retiring", "destroying", "destroyed"
TRIGGERED, RESOLVING, WAITING, NEEDS_HUMAN, RESOLVED = "triggered", "resolving", "waiting", "needs_human", "resolved"
OPEN, CLOSED, EXPIRED = "open", "closed", "expired"


@dataclass(frozen=True)
class State:
    """A state as people see it. `colour` is one of good, doubt, bad, busy, quiet."""

    name: str
    label: str
    colour: str


@dataclass(frozen=True)
class Move:
    """A transition: from any of `sources` to `target`."""

    name: str
    sources: tuple[str, ...]
    target: str
    label: str


STATES = {
    state.name: state
    for state in (
        State(CREATING, "Creating", "busy"),
        State(AVAILABLE, "Available", "good"),
        State(UNCERTAIN, "Uncertain", "doubt"),
        State(DOWN, "Down", "bad"),
        State(STOPPED, "Stopped", "quiet"),
        State(FENCED, "Fenced", "bad"),
        State(MAINTENANCE, "Maintenance", "quiet"),
        State(CHANGING_OVER, "Changing over", "busy"),
        State(RETIRING, "Retiring", "busy"),
        State(DESTROYING, "Destroying", "busy"),
        State(DESTROYED, "Destroyed", "quiet"),
        State(TRIGGERED, "Triggered", "bad"),
        State(RESOLVING, "Resolving", "busy"),
        State(WAITING, "Waiting", "doubt"),
        State(NEEDS_HUMAN, "Needs a person", "bad"),
        State(RESOLVED, "Resolved", "good"),
        State(OPEN, "Open", "good"),
        State(CLOSED, "Closed", "quiet"),
        State(EXPIRED, "Expired", "quiet"),
    )
}

# What a person may destroy: everything that is not on its way out already.
_ALIVE = (CREATING, AVAILABLE, UNCERTAIN, DOWN)
_DOUBT = (
    Move("come_up", (CREATING,), AVAILABLE, "came up"),
    Move("doubt", (AVAILABLE,), UNCERTAIN, "is in doubt"),
    Move("come_back", (UNCERTAIN, DOWN), AVAILABLE, "came back"),
    Move("go_down", (UNCERTAIN,), DOWN, "is down"),
)
_END = Move("bury", (DESTROYING,), DESTROYED, "is gone")

MOVES: dict[str, tuple[Move, ...]] = {
    "server": (
        *_DOUBT,
        Move("retire", (AVAILABLE, UNCERTAIN, DOWN), RETIRING, "retires"),
        Move("destroy", (*_ALIVE, RETIRING), DESTROYING, "is being destroyed"),
        _END,
    ),
    "instance": (
        *_DOUBT,
        Move("stop", (AVAILABLE, UNCERTAIN, DOWN), STOPPED, "was stopped"),
        Move("start", (STOPPED,), DOWN, "is to run again"),
        Move("fence", (AVAILABLE, UNCERTAIN, DOWN, STOPPED), FENCED, "was fenced"),
        Move("destroy", (*_ALIVE, STOPPED, FENCED), DESTROYING, "is being destroyed"),
        _END,
    ),
    "resource": (
        *_DOUBT,
        Move("enter_maintenance", (AVAILABLE, UNCERTAIN, DOWN), MAINTENANCE, "is in maintenance"),
        Move("leave_maintenance", (MAINTENANCE,), DOWN, "is to serve again"),
        Move("change_over", (AVAILABLE, UNCERTAIN, DOWN), CHANGING_OVER, "changes over"),
        Move("finish_changeover", (CHANGING_OVER,), AVAILABLE, "changed over"),
        Move("destroy", (*_ALIVE, MAINTENANCE), DESTROYING, "is being destroyed"),
        _END,
    ),
    "incident": (
        Move("begin", (TRIGGERED, WAITING, NEEDS_HUMAN), RESOLVING, "is being worked on"),
        Move("wait", (TRIGGERED, RESOLVING), WAITING, "waits"),
        Move("escalate", (TRIGGERED, RESOLVING, WAITING), NEEDS_HUMAN, "needs a person"),
        Move("resolve", (TRIGGERED, RESOLVING, WAITING, NEEDS_HUMAN), RESOLVED, "is resolved"),
    ),
    "timeline": (
        Move("close", (OPEN,), CLOSED, "was closed"),
        Move("expire", (CLOSED,), EXPIRED, "expired"),
    ),
}


def states_of(kind: str) -> tuple[str, ...]:
    """The states that a thing of this kind can be in, in the order in which its moves name them."""
    found = dict.fromkeys(name for move in MOVES[kind] for name in (*move.sources, move.target))
    return tuple(found)


def move(kind: str, name: str) -> Move:
    """The move of that name; KeyError when that kind has none."""
    for candidate in MOVES[kind]:
        if candidate.name == name:
            return candidate
    raise KeyError(f"{kind} has no move {name!r}")
