"""How a changeover begins: one row, in one transaction. The database lets no second one be open for the same resource;
a failover takes the place of one that would keep it from its work. A planned one leaves its resource to its own beats,
protected as ever, until all that it needs is there.
"""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from fleet import epochs, ledger, lifecycle, locking, names, ring
from fleet.lifecycle import Because
from fleet.models import Changeover, Instance, Intent, Plan, Resource
from fleet.states import (
    AVAILABLE,
    CANCELLED,
    CHANGING_OVER,
    DESTROYED,
    DESTROYING,
    DONE,
    DOWN,
    FENCING,
    NEEDS_HUMAN,
    PLANNED,
    PREPARING,
    PROMOTING,
    REPOINTING,
    UNCERTAIN,
    WAITING_FOR_WINDOW,
)
from fleet.succession.loss import UNKNOWN, AcceptLoss

# A changeover that waits or prepares leaves its resource as it is until then.
MOVABLE = (AVAILABLE, UNCERTAIN, DOWN, CHANGING_OVER)
# Nothing was done to the old leader yet.
EARLY = (PLANNED, WAITING_FOR_WINDOW, PREPARING)
# The mark `rest` of one to a copy, while what its old leader had not archived is being archived by hand.
UNDER_WAY = "under way"
SUPERSEDED = "Superseded by a failover: ask again afterwards"
# While one is open that is so, the record of what its leader's commits wait for stays as it is: a proof may rest on it.
FREEZING = (
    Q(state__in=(FENCING, PROMOTING))
    | Q(state=PREPARING, reason=Changeover.FAILOVER)
    | (Q(state=NEEDS_HUMAN) & ~Q(proof={}))
)


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
    instead_of: Changeover | None = None,
) -> Changeover:
    """Begin to move the resource's leadership, `instead_of` one that can't go on or of whatever a failover supersedes.
    Raises Busy when that is under way already, and CantMove."""
    if resource.state not in MOVABLE:
        raise CantMove(f"{resource.name} is {resource.look.label.lower()}: it can't change over now.")
    if resource.instance_id is None or not resource.own_instance:
        raise CantMove(f"{resource.name} is a follower and has no leadership to move.")
    if target is None and (why := obstacle(resource, reason, wanted)):
        raise CantMove(why)
    try:
        with transaction.atomic():
            fresh = locking.lock_one(Resource, resource.pk)
            if reason == Changeover.FAILOVER:
                _supersede(fresh, because, force, by_itself="case" in (marks or {}), instead_of=instead_of)
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
            if target is not None:
                epochs.bear(target.pk, changeover.epoch)
            lifecycle.story(changeover, f"asked for a {reason}", because, target=changeover.state)
            if reason == Changeover.FAILOVER and not_before is None:
                enter(fresh, because)
    except IntegrityError as error:
        raise Busy(f"{resource.name} is changing over already: {open_of(resource)}") from error
    ring.nudge(Changeover.KIND, [changeover.pk])
    return changeover


def obstacle(resource: Resource, reason: str, wanted: str = "") -> str:
    """Why nobody could take over, or not the one that is wanted: a follower's own database has no other place. "" when
    somebody may; what builds a leader of its own needs nobody."""
    if reason not in (Changeover.FAILOVER, Changeover.SWITCHOVER):
        return ""
    if resource.follows_id is not None:
        return f"{resource.name} follows {resource.follows}: it has no leadership to move."
    standbys = sorted(resource.standbys.exclude(state__in=(DESTROYING, DESTROYED)).values_list("name", flat=True))
    if not standbys:
        return f"{resource.name} has no standby: its plan {resource.plan} has no {reason}. Move it to one that has."
    if wanted and (other := Resource.objects.filter(instance__name=wanted, follows=resource).first()):
        return (
            f"{wanted} is the instance of the follower {other}: promote or destroy {other} first, or "
            f"name a standby of {resource.name}: {', '.join(standbys)}."
        )
    return ""


def _supersede(
    resource: Resource, because: Because, force: bool, by_itself: bool, instead_of: Changeover | None
) -> None:
    """End what is open and gives way. Its asker is told; what it stopped or fenced is its instance's table's to start
    again (instance row 318), unless the failover leads on."""
    open_ = locking.lock(Changeover.objects.filter(resource=resource).exclude(state__in=(DONE, CANCELLED)))
    other = next(iter(open_), None)
    if other is None or not (other == instead_of or _gives_way(other, resource, force, by_itself)):
        return
    ledger.supersede(other, SUPERSEDED)
    # Where the new leader leads by our records and serves nobody any more, what is left of it is nobody's to do.
    lifecycle.move(other, "finish" if other.state == REPOINTING else "cancel", Because(None, SUPERSEDED, because.actor))
    asked = Intent.objects.filter(pk=other.marks.get("intent"))
    lifecycle.answer(asked, Intent.REFUSED, SUPERSEDED)


def _gives_way(other: Changeover, resource: Resource, force: bool, by_itself: bool) -> bool:
    """Whether a failover may take its place: always, unless it is on its way past the fence to a leader that lives, or
    is itself a failover that was not asked for with less weight."""
    outranked = force or (not by_itself and "case" in other.marks)
    if handed_over(other, resource):
        return force or other.state == NEEDS_HUMAN or (other.target is not None and other.target.state == DOWN)
    if other.state in EARLY or other.state == NEEDS_HUMAN:
        return other.planned or outranked or (other.state == NEEDS_HUMAN and not by_itself)
    return other.state == FENCING and not other.proof and outranked


def handed_over(changeover: Changeover, resource: Resource) -> bool:
    """Whether its target leads by our records."""
    return changeover.target_id is not None and changeover.target_id == resource.instance_id


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
        raise ValueError(f"{text!r} is not a loss that can be accepted: give a number of bytes, or unknown")
    return int(text)
