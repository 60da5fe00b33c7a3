"""The only writer of states. A move and its Event are one transaction, and nothing outside the database happens in it.

Who is next to a thing that moved is nudged after the commit: its next beat is due at once and sees the move.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Now

from fleet import epochs, locking, policy, ring
from fleet.models import Changeover, Event, Instance, Intent, Member, Resource
from fleet.states import AVAILABLE, CANCELLED, DESTROYING, ENDS

_OF_A_RESOURCE = ("address", "changeover", "backup")
# Moves whose moment has a column of its own: what comes of the thing later writes over `state_since`.
_STAMPED = {"close": "closed_at", "finish": "finished_at"}
# What somebody asked for and has when a move was taken.
_ANSWERS = {"come_up": ("create", "rebuild")}

log = structlog.get_logger("move")


class LeaseLost(Exception):
    """The beat belongs to another worker now; what this one decided is dropped."""


@dataclass(frozen=True)
class Because:
    """Why something is done: the row of the table, its reason, who, and what was known."""

    row: int | None
    why: str
    actor: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)


def move(
    member: Member,
    name: str,
    because: Because,
    lease: uuid.UUID | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> Event:
    """Take the transition `name`. With a lease, only if the beat is still ours, and only if it is still `wanted`, which
    is asked right before Intents are answered (LeaseLost otherwise); raises TransitionNotAllowed or
    ConcurrentTransition when the state is another by now."""
    began = time.monotonic()
    with transaction.atomic():
        if isinstance(member, Changeover) and name == "cancel":
            # Its epoch is drawn from its resource, whose row comes first (fleet/locking.py).
            locking.lock_one(Resource, member.resource_id)
        mine = type(member)._default_manager.filter(pk=member.pk, lease=lease)
        if lease and not locking.lock(mine.values_list("pk", flat=True)):
            raise LeaseLost(f"{member.name}: the lease ran out before {name}")
        source = member.state
        getattr(member, name)()
        target = member.state
        member.state_since, member.queue = Now(), policy.queue(target)
        member.tries, member.problem = 0, ""
        fields = ["state", "state_since", "queue", "tries", "problem", "attrs"]
        if stamped := _STAMPED.get(name):
            setattr(member, stamped, Now())
            fields.append(stamped)
        member.save(update_fields=fields)
        event = story(member, name, because, source, target)
        if isinstance(member, Changeover) and target == CANCELLED:
            # What it told a host and is still under way is older than whatever that host is told next.
            epochs.draw(member.resource_id)
        if not wanted():
            raise LeaseLost(f"{member.name}: the request was cancelled before {name}")
        if verbs := _ANSWERS.get(name):
            answer(_open(member).filter(verb__in=verbs), Intent.DONE, because.why)
        if target == DESTROYING:
            answer(_open(member).exclude(verb="destroy"), Intent.CANCELLED, "being destroyed")
        if target in ENDS:
            answer(_open(member), Intent.DONE, because.why)
        transaction.on_commit(lambda: _after(member, source, target, name, because, began))
    return event


def story(member: Member, verb: str, because: Because, source: str = "", target: str = "") -> Event:
    """Add one Event to the thing's story."""
    return Event.objects.create(
        kind=member.KIND,
        subject=member.pk,
        name=member.name,
        verb=verb,
        row=because.row,
        why=because.why,
        source=source,
        target=target,
        actor=because.actor,
        generation=getattr(member, "generation", None),
        facts=dict(because.facts),
        evidence=dict(because.evidence),
    )


def answer(intents: Any, state: str, text: str) -> int:
    """Close intents (a queryset) with an answer; closed ones stay as they are."""
    return intents.filter(state=Intent.OPEN).update(state=state, answer=text, answered_at=Now())


def _open(member: Member) -> Any:
    return Intent.objects.filter(subject=member.pk, state=Intent.OPEN)


def _after(member: Member, source: str, target: str, name: str, because: Because, began: float) -> None:
    log.info(
        name,
        kind=member.KIND,
        subject=member.name,
        row=because.row,
        source=source,
        target=target,
        why=because.why,
        actor=because.actor,
        ms=round((time.monotonic() - began) * 1000, 1),
    )
    nudge_neighbours(member)


def nudge_neighbours(member: Member) -> None:
    """What is on it and what it is on look again at once."""
    if member.KIND in _OF_A_RESOURCE and getattr(member, "resource_id", None):
        ring.nudge("resource", [member.resource_id])  # type: ignore[attr-defined]
    if member.KIND == "server":
        ring.nudge("instance", Instance.objects.filter(server=member.pk).values_list("pk", flat=True))
    if member.KIND == "instance":
        ring.nudge("resource", Resource.objects.filter(instance=member.pk).values_list("pk", flat=True))
        if upstream := getattr(member, "upstream_id", None):
            # Its leader may wait for its word, or is to wait for it from now on.
            ring.nudge("instance", [upstream])
        # Whether the server is to blame is asked of the server, and not of what was known of it a moment ago.
        ring.nudge("server", [member.server_id], afresh=member.state != AVAILABLE)  # type: ignore[attr-defined]
    if member.KIND == "resource" and getattr(member, "instance_id", None):
        ring.nudge("instance", [member.instance_id])  # type: ignore[attr-defined]
