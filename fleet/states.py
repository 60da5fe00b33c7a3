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
STARTED, UPLOADING, VERIFYING, KEPT, FAILED = "started", "uploading", "verifying", "kept", "failed"
DETACHED, ATTACHING, ATTACHED = "detached", "attaching", "attached"
PLANNED, WAITING_FOR_WINDOW, PREPARING, FENCING = "planned", "waiting_for_window", "preparing", "fencing"
PROMOTING, REPOINTING, DONE, CANCELLED = "promoting", "repointing", "done", "cancelled"

# Nothing comes after these: what is in one has left its ring.
ENDS = (DESTROYED, EXPIRED, FAILED, DONE, CANCELLED)


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
        State(STARTED, "Started", "busy"),
        State(UPLOADING, "Uploading", "busy"),
        State(VERIFYING, "Verifying", "busy"),
        State(KEPT, "Kept", "good"),
        State(FAILED, "Failed", "bad"),
        State(DETACHED, "Detached", "bad"),
        State(ATTACHING, "Attaching", "busy"),
        State(ATTACHED, "Attached", "good"),
        State(PLANNED, "Planned", "busy"),
        State(WAITING_FOR_WINDOW, "Waiting for its window", "quiet"),
        State(PREPARING, "Preparing", "busy"),
        State(FENCING, "Fencing", "busy"),
        State(PROMOTING, "Promoting", "busy"),
        State(REPOINTING, "Repointing", "busy"),
        State(DONE, "Done", "good"),
        State(CANCELLED, "Cancelled", "quiet"),
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
        _DOUBT[0],
        Move("doubt", (AVAILABLE, RETIRING), UNCERTAIN, "is in doubt"),
        *_DOUBT[2:],
        Move("retire", (AVAILABLE,), RETIRING, "retires"),
        Move("keep", (RETIRING,), AVAILABLE, "stays in service"),
        Move("destroy", (*_ALIVE, RETIRING), DESTROYING, "is being destroyed"),
        _END,
    ),
    "instance": (
        *_DOUBT,
        Move("go_down_early", (CREATING,), DOWN, "went down before it was available"),
        Move("stop", (AVAILABLE, UNCERTAIN, DOWN), STOPPED, "was stopped"),
        Move("start", (STOPPED,), DOWN, "is being started"),
        Move("fence", (AVAILABLE, UNCERTAIN, DOWN, STOPPED), FENCED, "was fenced"),
        Move("rejoin", (AVAILABLE, UNCERTAIN, DOWN, STOPPED, FENCED), CREATING, "is being rebuilt as a standby"),
        Move("destroy", (*_ALIVE, STOPPED, FENCED), DESTROYING, "is being destroyed"),
        _END,
    ),
    "resource": (
        *_DOUBT,
        Move("enter_maintenance", (AVAILABLE, UNCERTAIN, DOWN), MAINTENANCE, "is in maintenance"),
        Move("leave_maintenance", (MAINTENANCE,), DOWN, "leaves maintenance"),
        Move("change_over", (AVAILABLE, UNCERTAIN, DOWN), CHANGING_OVER, "changes over"),
        Move("finish_changeover", (CHANGING_OVER,), AVAILABLE, "changed over"),
        Move("abandon_changeover", (CHANGING_OVER,), DOWN, "could not change over"),
        Move("destroy", (*_ALIVE, MAINTENANCE, CHANGING_OVER), DESTROYING, "is being destroyed"),
        _END,
        Move("undelete", (DESTROYED,), CREATING, "is being brought back"),
    ),
    "incident": (
        Move("begin", (TRIGGERED, WAITING, NEEDS_HUMAN), RESOLVING, "is being worked on"),
        Move("wait", (TRIGGERED, RESOLVING), WAITING, "waits"),
        Move("escalate", (TRIGGERED, RESOLVING, WAITING), NEEDS_HUMAN, "needs a person"),
        Move("resolve", (TRIGGERED, RESOLVING, WAITING, NEEDS_HUMAN), RESOLVED, "is resolved"),
    ),
    "timeline": (
        Move("close", (OPEN,), CLOSED, "was closed"),
        Move("reopen", (CLOSED,), OPEN, "is written again"),
        Move("expire", (CLOSED,), EXPIRED, "expired"),
    ),
    "backup": (
        Move("upload", (STARTED,), UPLOADING, "is being taken"),
        Move("verify", (UPLOADING,), VERIFYING, "is being verified"),
        Move("keep", (VERIFYING,), KEPT, "is kept"),
        Move("fail", (STARTED, UPLOADING, VERIFYING), FAILED, "failed"),
        Move("expire", (KEPT,), EXPIRED, "expired"),
    ),
    "address": (
        Move("attach", (DETACHED,), ATTACHING, "is being attached"),
        Move("arrive", (ATTACHING,), ATTACHED, "is attached"),
        Move("detach", (ATTACHING, ATTACHED), DETACHED, "is detached"),
        Move("destroy", (DETACHED, ATTACHING, ATTACHED), DESTROYING, "is being released"),
        _END,
    ),
    "changeover": (
        Move("wait", (PLANNED,), WAITING_FOR_WINDOW, "waits for its window"),
        Move("prepare", (PLANNED, WAITING_FOR_WINDOW), PREPARING, "prepares"),
        Move("fence", (PREPARING,), FENCING, "fences the old leader"),
        Move("promote", (FENCING,), PROMOTING, "promotes the new leader"),
        Move("repoint", (PROMOTING,), REPOINTING, "points clients and standbys to the new leader"),
        Move("finish", (REPOINTING,), DONE, "is done"),
        Move("give_up", (PREPARING, FENCING, PROMOTING), NEEDS_HUMAN, "needs a person"),
        Move(
            "cancel",
            (PLANNED, WAITING_FOR_WINDOW, PREPARING, FENCING, PROMOTING, NEEDS_HUMAN),
            CANCELLED,
            "was cancelled",
        ),
        Move("retry", (NEEDS_HUMAN,), PREPARING, "is tried again"),
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
