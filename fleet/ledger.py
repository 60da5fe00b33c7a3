"""The only writer of a changeover's row while it moves: each write is one compare-and-set. It counts only while the
beat's lease holds, the changeover is in the state and of the epoch that were read, and the database is led by whom that
step needs. A worker that was held up meanwhile writes nothing, and is told so before it does anything else.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from fleet import epochs, locking
from fleet.lifecycle import LeaseLost
from fleet.models import Changeover, Instance, Resource
from fleet.states import (
    FENCING,
    NEEDS_HUMAN,
    PLANNED,
    PREPARING,
    PROMOTING,
    REPOINTING,
    VERIFYING,
    WAITING_FOR_WINDOW,
)

# Nobody acts for it yet.
HELD = (PLANNED, WAITING_FOR_WINDOW)
SOURCE, TARGET = "source_id", "target_id"
# Who leads by the record while a step may write.
LEADS = {
    PREPARING: (SOURCE,),
    FENCING: (SOURCE,),
    PROMOTING: (SOURCE, TARGET),
    REPOINTING: (TARGET,),
    VERIFYING: (TARGET,),
    NEEDS_HUMAN: (SOURCE, TARGET),
}
_COLUMNS = {"proof": "jsonb", "receipt": "jsonb", "target_id": "uuid", "timeline_id": "uuid", "epoch": "bigint"}

# When that was proven, by the clock that all workers share (epoch, s).
_PROVEN = " || jsonb_build_object('at', extract(epoch FROM clock_timestamp())::float8)"
# What rests on somebody's word (a machine is off, a standby is waited for) holds for so long (s).
WORD_HOLDS_S = 1.0


class Overtaken(LeaseLost):
    """What this worker goes by is no longer so: another has gone on, or the changeover has ended."""


def mark(changeover: Changeover, lease: UUID, name: str, **more: Any) -> None:
    """Note that a step was reached (epoch, s), with whatever the next ones have to know. Raises Overtaken."""
    write(changeover, lease, {name: time.time()} | more)


def write(
    changeover: Changeover,
    lease: UUID,
    marks: dict[str, Any] | None = None,
    *,
    finished: bool = False,
    leads: tuple[str, ...] = (),
    **values: Any,
) -> None:
    """Add to its marks and set columns (proof, receipt, target_id, timeline_id, epoch), all or nothing. `leads` is who
    has to lead by the record where that is not what its state says. Raises Overtaken."""
    sets = ["marks = member.marks || %s::jsonb"]
    params: list[Any] = [json.dumps(marks or {})]
    for name, value in values.items():
        sets.append(f"{name} = %s::{_COLUMNS[name]}" + (_PROVEN if name == "proof" else ""))
        params.append(json.dumps(value) if _COLUMNS[name] == "jsonb" else value)
    if finished:
        sets.append("finished_at = clock_timestamp()")
    led = " OR ".join(f"resource.instance_id = member.{name}" for name in leads or LEADS[changeover.state])
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE fleet_changeover AS member SET {", ".join(sets)} FROM fleet_resource AS resource
                WHERE member.id = %s AND member.lease = %s AND member.leased_until > clock_timestamp()
                  AND member.state = %s AND member.epoch = %s AND resource.id = member.resource_id AND ({led})
                RETURNING member.marks, member.proof""",
            [*params, changeover.pk, lease, changeover.state, changeover.epoch],
        )
        row = cursor.fetchone()
    if row is None:
        raise _overtaken(changeover)
    changeover.marks = json.loads(row[0])
    for name, value in values.items():
        setattr(changeover, name, value)
    if {"target_id", "epoch"} & values.keys():
        epochs.bear(changeover.target_id, changeover.epoch)
    if "proof" in values:
        changeover.proof = json.loads(row[1])


def mark_fenced(changeover: Changeover, lease: UUID, instance: Instance, name: str, **more: Any) -> None:
    """The same, and that the instance's host is about to get the fence mark of this changeover: so that the mark has an
    owner, whatever becomes of the order. Raises Overtaken."""
    with transaction.atomic():
        mark(changeover, lease, name, **more)
        Instance.objects.filter(pk=instance.pk).update(fenced_by=changeover.epoch)


def renew(changeover: Changeover, lease: UUID) -> None:
    """Draw another epoch for it, when it begins to undo what it did: its own earlier orders are too old from now on.
    Raises Overtaken, also when it is the new leader that leads already."""
    with locked(changeover, lease, leads=(SOURCE,)):
        write(changeover, lease, leads=(SOURCE,), epoch=epochs.draw(changeover.resource_id))


def note(changeover: Changeover, marks: dict[str, Any], expects: dict[str, Any], *, begin: bool = False) -> bool:
    """Add to the marks of one that waits for its time, for who has no lease of it, if its marks still have what is
    expected; with `begin` its time is now. False: it has gone on, or its old leader leads no more."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE fleet_changeover AS member SET marks = member.marks || %s::jsonb
                {", not_before = clock_timestamp()" if begin else ""} FROM fleet_resource AS resource
                WHERE member.id = %s AND member.state = ANY(%s) AND member.epoch = %s AND member.marks @> %s::jsonb
                  AND resource.id = member.resource_id AND resource.instance_id = member.source_id
                RETURNING member.marks""",
            [json.dumps(marks), changeover.pk, list(HELD), changeover.epoch, json.dumps(expects)],
        )
        row = cursor.fetchone()
    if row is not None:
        changeover.marks = json.loads(row[0])
    return row is not None


def supersede(changeover: Changeover, why: str) -> None:
    """Say on one that is about to be ended why; whoever ends it has locked it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE fleet_changeover SET marks = marks || %s::jsonb WHERE id = %s",
            [json.dumps({"why": why}), changeover.pk],
        )
    changeover.marks["why"] = why


def settle(changeover: Changeover, discarded: dict[str, Any]) -> bool:
    """Put what its old leader's host was found to hold onto its receipt, once. False: that was done before."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE fleet_changeover SET receipt = receipt || jsonb_build_object('discarded', %s::jsonb)
                WHERE id = %s AND receipt <> '{}' AND coalesce(receipt -> 'discarded', 'null') = 'null'""",
            [json.dumps(discarded), changeover.pk],
        )
        done = cursor.rowcount == 1
    if done:
        changeover.receipt["discarded"] = discarded
    return done


@contextmanager
def locked(changeover: Changeover, lease: UUID, leads: tuple[str, ...] = ()) -> Iterator[Resource]:
    """A transaction in which nobody else moves its resource; gives that as it is now. Raises Overtaken."""
    with transaction.atomic():
        resource = locking.lock_one(Resource, changeover.resource_id)
        write(changeover, lease, leads=leads)
        yield resource


def proof_holds(changeover: Changeover) -> bool:
    """Whether its proof is one that lasts (the old leader's host is fenced), or was given just now."""
    if changeover.proof["rung"] == 1:
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        return cursor.fetchone()[0] - changeover.proof.get("at", 0.0) < WORD_HOLDS_S


def may_hand_over(changeover: Changeover, resource: Resource) -> None:
    """Raises Overtaken unless the resource, which is locked, is as it was when the changeover began and nobody gives
    newer orders."""
    was = (changeover.source_id, changeover.generation - 1, changeover.epoch)
    if (resource.instance_id, resource.generation, resource.epoch) != was:
        raise _overtaken(changeover)


def _overtaken(changeover: Changeover) -> Overtaken:
    return Overtaken(f"{changeover.name} (epoch {changeover.epoch}) was continued by another worker")
