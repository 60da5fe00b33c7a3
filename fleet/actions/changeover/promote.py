"""Promote, lead everybody there, and see that a customer can write. What our own records say changes in one
transaction, once the old leader is proven silent; everything after that converges to it."""

import time
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from fleet import archiving, ledger, lifecycle, quorums, ring, streams, subjects, upgrading
from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError
from fleet.actions.changeover import upgrade
from fleet.actions.changeover.fence import prove_again
from fleet.models import Address, Changeover, Instance, Intent, Resource, Timeline
from fleet.postgres import control
from fleet.postgres.statements import statement
from fleet.providers.base import ProviderError
from fleet.states import DESTROYED, DESTROYING
from fleet.succession import lsn, quorum, receipt
from fleet.succession.choosing import FIT
from fleet.succession.ladder import Proof
from fleet.succession.loss import Look, recalled
from fleet.transports.base import TransportError

# Whose beat it is, and whose action.
LEASES = ("lease", "leased_until", "acting", "acting_until")


def promote(changeover: Changeover, acting: Acting) -> str:
    _hand_over(changeover, acting)
    target = Instance.objects.select_related("server", "timeline", "upstream").get(pk=changeover.target_id)
    shell, subject = hosts.orders(target, acting, changeover.epoch)
    if changeover.reason == Changeover.UPGRADE:
        said = control.lead(shell, subject, streams.files(target, subject), timeout=9.0)
    else:
        said = control.promote(shell, subject, changeover.generation, timeout=9.0)
    with suppress(ActionError):
        # Customers wait for this and for nothing else; what fails here is the next step's to do.
        _lead(changeover, target, acting)
    fork = said.get("forked_lsn", "")
    # What was restored noted already where it parted. What this promotion began has its word, whoever looked before.
    began = Changeover.objects.values_list("timeline", flat=True).get(pk=changeover.pk)
    line = Timeline.objects.filter(pk=target.timeline_id).filter(Q(forked_at=None) | Q(pk=began))
    line.update(timeline_id=int(said["timeline_id"]), forked_lsn=fork, forked_at=Now())
    target.refresh_from_db()
    ring.nudge(Instance.KIND, [target.pk])
    kept = _receipt(changeover, target, fork)
    ledger.write(changeover, acting.lease, {"promoted": time.time()}, receipt=kept)
    return f"{target.name} leads, from {fork or 'where the archive ended'}"


def _hand_over(changeover: Changeover, acting: Acting) -> None:
    """Our records: who leads, who stands by, whose history it is now. Done once, all or nothing, and only by who still
    has the changeover, while what proves the old leader silent holds."""
    if changeover.resource.instance_id == changeover.source_id and not ledger.proof_holds(changeover):
        prove_again(changeover, acting)
    with ledger.locked(changeover, acting.lease) as resource:
        if resource.instance_id == changeover.target_id:
            return
        ledger.may_hand_over(changeover, resource)
        if not ledger.proof_holds(changeover):
            raise ActionError(f"What proves that {changeover.source} is silent has to be looked at again.")
        target = Instance.objects.select_for_update().get(pk=changeover.target_id)
        source = Instance.objects.select_for_update().get(pk=changeover.source_id)
        if target.state not in FIT:
            raise ActionError(f"{target.name} is {target.state} by now: it can't lead.")
        if target.role == Instance.STANDBY:
            target.major = upgrading.major_of(changeover) or target.major
            target.timeline = _timeline(changeover, source, target)
            ledger.write(changeover, acting.lease, timeline_id=target.timeline.pk)
        target.role, target.upstream, target.standby_for = Instance.LEADER, None, None
        target.generation = changeover.generation
        # Beats that are under way think of a standby and a leader that were: one could have the new leader copied anew,
        # or start the old one. They are dropped.
        fresh = ["role", "upstream", "standby_for", "generation", "timeline", *LEASES]
        for name in LEASES:
            setattr(target, name, None)
            setattr(source, name, None)
        target.save(update_fields=[*fresh, "major"])
        # Nothing follows another version: whoever has the old one is let go once the new one serves.
        upgraded = target.major != source.major
        source.role, source.upstream, source.outdated = Instance.STANDBY, None if upgraded else target, True
        source.standby_for, source.generation, source.timeline = resource, changeover.generation, target.timeline
        source.save(update_fields=[*fresh, "outdated"])
        others = Instance.objects.filter(upstream=source).exclude(pk=target.pk)
        moved = list(others.exclude(state__in=(DESTROYING, DESTROYED)).values_list("pk", flat=True))
        if upgraded:
            others.update(upstream=None, outdated=True)
        else:
            others.update(upstream=target, timeline=target.timeline, generation=changeover.generation)
        Resource.objects.filter(pk=resource.pk).update(
            instance=target,
            generation=changeover.generation,
            plan=changeover.plan or resource.plan,
            major=target.major,
            # On record before the new leader acknowledges anything: it waits for nobody yet.
            quorum=quorums.kept(quorum.promoted(quorums.record(resource.quorum))),
        )
        # Who was asked to go may not go while it leads, nor before it is known what it holds that the leader lacks.
        going = Intent.objects.filter(subject__in=[source.pk, target.pk], verb="destroy")
        lifecycle.answer(going, Intent.CANCELLED, f"{target.name} takes over from {source.name}: ask again afterwards")
        transaction.on_commit(lambda: ring.nudge(Instance.KIND, [source.pk, target.pk, *moved]))
    changeover.resource.refresh_from_db()


def _timeline(changeover: Changeover, source: Instance, target: Instance) -> Timeline:
    old = source.timeline
    return archiving.begin(
        f"{changeover.resource.name[:44]}-line-{changeover.generation}",
        str(target.pk),
        archived=bool(old.archive),
        parent=old,
        plan=changeover.plan or changeover.resource.plan,
        major=target.major,
        resource=changeover.resource,
        # pg_upgrade makes a new system, whose history begins anew.
        timeline_id=old.timeline_id + 1 if target.major == old.major else 1,
        system_identifier=old.system_identifier if target.major == old.major else "",
    )


def _receipt(changeover: Changeover, target: Instance, fork: str) -> dict[str, Any]:
    marks, source = changeover.marks, changeover.source
    looks = [Look(at, max(0.0, marks.get("fenced", time.time()) - seen)) for at, seen in marks.get("looks", ())]
    if end := lsn.known(marks.get("old_end_lsn") or None):
        looks.append(Look(end, 0.0))
    proof = Proof(changeover.proof["rung"], changeover.proof["text"], changeover.proof["facts"])
    _at, _when, archived = recalled(source.facts.get("last_seen") if source else None)
    made = receipt.build(
        source.name if source else "",
        target.name,
        looks,
        archived,
        lsn.known(fork or None),
        bool(marks.get("lossless")),
        proof,
    )
    return vars(made) | {"discarded": vars(made.discarded) if made.discarded else None}


def repoint(changeover: Changeover, acting: Acting) -> str:
    """The address leads to the new leader, and whoever was connected to the old one is cut off. Standbys and followers
    find out by their own beats."""
    ledger.write(changeover, acting.lease)
    target = changeover.target
    note = _lead(changeover, target, acting) if target else ""
    ledger.mark(changeover, acting.lease, "repointed")
    ring.nudge(Resource.KIND, [changeover.resource_id])
    return note or "it has no stable address"


def _lead(changeover: Changeover, target: Instance, acting: Acting) -> str:
    """Have the address lead there, if there is one. ActionError: its provider would not."""
    address = Address.objects.filter(resource=changeover.resource_id).first()
    if address is None:
        return ""
    try:
        acting.ports.provider(address.provider).associate(address.name, target.server.name, changeover.generation)
    except ProviderError as error:
        raise ActionError(str(error)) from error
    Address.objects.filter(pk=address.pk).update(target=target.server.name)
    return f"{address.endpoint} leads to {target.server.name}"


def verify(changeover: Changeover, acting: Acting) -> str:
    """A customer's write, by the customer's way."""
    resource = Resource.objects.select_related("instance__server", "address").get(pk=changeover.resource_id)
    database = subjects.database_of(resource)
    if database is None:
        raise ActionError(f"{resource.name} has no address that could be tried.")
    try:
        said = acting.ports.sql.fetch(database, [statement("write", resource.major)], timeout=2.0, read_only=False)
    except TransportError as error:
        raise ActionError(f"Its customer can't write yet: {error}") from error
    if not said[0][0]["can_write"]:
        raise ActionError("Its customer is let in, and can't write yet.")
    if changeover.reason == Changeover.UPGRADE and changeover.target:
        upgrade.afterwards(changeover, changeover.target, acting)
    ledger.write(changeover, acting.lease, {"verified": time.time()}, finished=True)
    return "its customer can write"
