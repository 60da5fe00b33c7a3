"""How a changeover begins: one row, and its resource in state changing_over, in one transaction. The database lets no
second one begin for the same resource."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from fleet import epochs, lifecycle, names, ring
from fleet.lifecycle import Because
from fleet.models import Changeover, Instance, Plan, Resource
from fleet.states import AVAILABLE, CANCELLED, CHANGING_OVER, DONE, DOWN, UNCERTAIN
from fleet.succession.loss import UNKNOWN, AcceptLoss

# A changeover that waits for its window leaves its resource as it is until then.
MOVABLE = (AVAILABLE, UNCERTAIN, DOWN, CHANGING_OVER)


class Busy(Exception):
    """A changeover of this resource is open already; the message names it."""


class CantMove(Exception):
    """In this state it can't change over; the message says what to do."""


def begin(
    resource: Resource,
    reason: str,
    because: Because,
    *,
    wanted: str = "",
    force: bool = False,
    accept_loss: str = "",
    not_before: datetime | None = None,
    target: Instance | None = None,
    plan: Plan | None = None,
    marks: dict[str, Any] | None = None,
) -> Changeover:
    """Begin to move the resource's leadership. Raises Busy when that is under way already, and CantMove."""
    if resource.state not in MOVABLE:
        raise CantMove(f"{resource.name} is {resource.look.label.lower()}: it can't change over now.")
    if resource.instance_id is None or not resource.own_instance:
        raise CantMove(f"{resource.name} has no leader of its own that another could follow.")
    try:
        with transaction.atomic():
            fresh = Resource.objects.select_for_update().get(pk=resource.pk)
            changeover = Changeover(
                name=names.numbered(Changeover, f"{fresh.name[:52]}-move"),
                resource=fresh,
                reason=reason,
                source_id=fresh.instance_id,
                target=target,
                wanted=wanted,
                plan=plan,
                generation=fresh.generation + 1,
                epoch=epochs.draw(fresh.pk),
                actor=because.actor,
                asked_why=because.why,
                force=force,
                accept_loss=accept_loss,
                not_before=not_before,
                marks=marks or {},
            )
            changeover.save(force_insert=True)
            lifecycle.story(changeover, f"asked for a {reason}", because, target=changeover.state)
            if not_before is None:
                enter(fresh, because)
    except IntegrityError as error:
        raise Busy(f"{resource.name} is changing over already: {open_of(resource)}") from error
    ring.nudge(Changeover.KIND, [changeover.pk])
    return changeover


def enter(resource: Resource, because: Because) -> None:
    """From now on its beats leave it to its changeover."""
    if resource.state != CHANGING_OVER:
        lifecycle.move(resource, "change_over", because)


def open_of(resource: Resource) -> Changeover | None:
    return Changeover.objects.filter(resource=resource).exclude(state__in=(DONE, CANCELLED)).first()


def accepted(text: str) -> AcceptLoss:
    """`--accept-loss` as a value: "", a number of bytes, or "unknown". ValueError for anything else."""
    if text in ("", "unknown"):
        return UNKNOWN if text else None
    if not text.isdigit():
        raise ValueError(f"{text!r} is no loss that could be accepted: say a number of bytes, or unknown")
    return int(text)
