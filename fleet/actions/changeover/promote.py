"""Promote, and lead everybody there. What our own records say changes in one transaction, once the old leader is proven
silent; everything after that converges to it. Whether a customer can write is asked all the time, and not only now."""

import time
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Q
from django.db.models.functions import Now

from fleet import archiving, leading, ledger, lifecycle, locking, policy, quorums, ring, streams, upgrading
from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError
from fleet.actions.changeover import beside, former, upgrade
from fleet.actions.changeover.fence import prove_again
from fleet.models import Address, Changeover, Instance, Intent, Resource, Timeline
from fleet.orders import Anchor
from fleet.postgres import control
from fleet.providers.base import ProviderError
from fleet.states import DESTROYED, DESTROYING
from fleet.succession import lsn, quorum, receipt
from fleet.succession.choosing import FIT
from fleet.succession.ladder import SYNCHRONOUS, Evidence, Proof, prove
from fleet.succession.loss import Look, recalled

# How long the fence of an old leader may take beside the promotion (s).
FENCE_S = 6.0


class _Rehearsed(Exception):
    """It would have gone well."""


def promote(changeover: Changeover, acting: Acting) -> str:
    target = changeover.target
    assert target is not None
    with beside.anchoring(target, acting) as anchored:
        _hand_over(changeover, acting)
        anchor = anchored()
    source = changeover.source
    if source is None or changeover.proof["rung"] != SYNCHRONOUS:
        return _promote(changeover, acting, anchor)
    # A client that cancels its wait is acknowledged by an old leader that still runs: that is stopped, and customers
    # don't wait for it.
    Instance.objects.filter(pk=source.pk).update(fenced_by=changeover.epoch)
    with beside.fencing(source, changeover, acting, FENCE_S) as fenced:
        note = _promote(changeover, acting, anchor)
        said = fenced(beside.SHORT_S)
    if said is None:
        return f"{note}; the host of {source.name} has not answered yet"
    evidence = Evidence(source.name, "", changeover.generation, FENCE_S)
    proof = prove(replace(evidence, postmaster=False, fence=changeover.generation, host_age_s=0.0))
    assert isinstance(proof, Proof)
    kept = changeover.receipt | {"rung": proof.rung, "proof": proof.text}
    proved = vars(proof) | {"facts": dict(proof.facts)}
    ledger.write(changeover, acting.lease, {"fenced_beside": time.time()}, proof=proved, receipt=kept)
    return f"{note}; {proof.text}"


def _promote(changeover: Changeover, acting: Acting, anchor: Anchor | None) -> str:
    target = Instance.objects.select_related("server", "timeline", "upstream").get(pk=changeover.target_id)
    address = _address(changeover)
    shell, subject = hosts.orders(target, acting, changeover.epoch, anchor=anchor)
    if changeover.reason == Changeover.UPGRADE:
        said = control.lead(shell, subject, streams.files(target, subject), timeout=9.0)
    elif changeover.marks.get("handed_back"):
        said = former.lead(changeover, target, acting)
    else:
        said = control.promote(shell, subject, changeover.generation, timeout=9.0)
    if address:
        with suppress(ActionError):
            # Customers wait for this and for nothing else; what fails here is the next step's to do.
            _lead(address, changeover, target, acting)
    fork = said.get("forked_lsn", "")
    # What was restored noted already where it parted. What this promotion began has its word, whoever looked before.
    began = Changeover.objects.values_list("timeline", flat=True).get(pk=changeover.pk)
    line = Timeline.objects.filter(pk=target.timeline_id).filter(Q(forked_at=None) | Q(pk=began))
    if "timeline_id" in said:
        line.update(timeline_id=int(said["timeline_id"]), forked_lsn=fork, forked_at=Now())
    target.refresh_from_db()
    _nudge(changeover)
    kept = _receipt(changeover, target, fork)
    ledger.write(changeover, acting.lease, {"promoted": time.time()}, receipt=kept)
    return f"{target.name} leads, from {fork or 'where the archive ended'}"


def _hand_over(changeover: Changeover, acting: Acting) -> None:
    """Our records: who leads, who stands by, whose history it is now. Done once, all or nothing, and only by who still
    has the changeover, while what proves the old leader silent holds."""
    if changeover.resource.instance_id == changeover.source_id and not ledger.proof_holds(changeover):
        prove_again(changeover, acting)
    with ledger.locked(changeover, acting.lease) as resource:
        changeover.resource = resource
        if resource.instance_id == changeover.target_id:
            return
        ledger.may_hand_over(changeover, resource)
        if not ledger.proof_holds(changeover):
            raise ActionError(
                f"The proof that {changeover.source} accepts no writes is too old: it has to be proven again first."
            )
        _change(changeover, resource, changeover.target_id, acting)


def rehearse(changeover: Changeover, target: Instance, acting: Acting) -> str:
    """Why our records could not change as promoting will change them, while nothing is stopped yet; "" when they can.
    Nothing of it stays."""
    try:
        with ledger.locked(changeover, acting.lease) as resource:
            _change(changeover, resource, target.pk, acting)
            raise _Rehearsed
    except _Rehearsed:
        changeover.refresh_from_db()
        return ""
    except (IntegrityError, ActionError) as error:
        changeover.refresh_from_db()
        return str(error).splitlines()[0]


def _change(changeover: Changeover, resource: Resource, leads: UUID | None, acting: Acting) -> None:
    """Write all of it, in the transaction that holds the rows of the resource and of the changeover: `leads` leads."""
    members = Q(pk__in=[leads, changeover.source_id]) | Q(upstream=changeover.source_id)
    locked = {one.pk: one for one in locking.lock(Instance.objects.filter(members))}
    target, source = locked[leads], locked[changeover.source_id]
    if target.state not in FIT:
        raise ActionError(f"{target.name} is {target.state} and can't lead.")
    if target.outdated:
        # It goes on where it left off: what was to follow was never written, or is given up.
        target.timeline = former.own_line(target) or _timeline(changeover, source, target)
        ledger.write(changeover, acting.lease, {"handed_back": time.time()})
    elif target.role == Instance.STANDBY:
        target.major = upgrading.major_of(changeover) or target.major
        target.timeline = _timeline(changeover, source, target)
        ledger.write(changeover, acting.lease, timeline_id=target.timeline.pk)
    leading.take_over(resource, source, target, changeover.generation)
    resource.instance, resource.generation, resource.major = target, changeover.generation, target.major
    resource.plan_id = changeover.plan_id or resource.plan_id
    # On record before the new leader acknowledges anything: it waits for nobody yet.
    resource.quorum = quorums.kept(quorum.promoted(quorums.record(resource.quorum)))
    resource.save(update_fields=["instance", "generation", "major", "plan", "quorum"])
    # Who was asked to go may not go while it leads, nor before it is known what it holds that the leader lacks.
    going = Intent.objects.filter(subject__in=[source.pk, target.pk], verb="destroy")
    lifecycle.answer(going, Intent.CANCELLED, f"{target.name} takes over from {source.name}: ask again afterwards")


def _nudge(changeover: Changeover) -> None:
    """The new leader and its followers look at once. Not before it leads: what they then do would take the processors
    of hosts that customers wait for."""
    members = Q(pk=changeover.target_id) | Q(upstream=changeover.target_id) | Q(standby_for=changeover.resource_id)
    there = Instance.objects.filter(members).exclude(state__in=(DESTROYING, DESTROYED))
    ring.nudge(Instance.KIND, there.values_list("pk", flat=True))


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
        marks.get("notes", ()),
    )
    return vars(made) | {"discarded": vars(made.discarded) if made.discarded else None}


def repoint(changeover: Changeover, acting: Acting) -> str:
    """The address leads to the new leader, and whoever was connected to the old one is cut off. Standbys and followers
    find out by their own beats."""
    ledger.write(changeover, acting.lease)
    target, address, note = changeover.target, _address(changeover), ""
    if target and address:
        note = _lead(address, changeover, target, acting)
    if changeover.reason == Changeover.UPGRADE and target:
        upgrade.afterwards(changeover, target, acting)
    ledger.mark(changeover, acting.lease, "repointed")
    ring.nudge(Resource.KIND, [changeover.resource_id])
    return note or "the database has no stable address"


def _address(changeover: Changeover) -> Address | None:
    return Address.objects.filter(resource=changeover.resource_id).first()


def _lead(address: Address, changeover: Changeover, target: Instance, acting: Acting) -> str:
    """Have the address lead there. ActionError: its provider would not; LeaseLost: whoever was held up since the
    promotion may move it no more."""
    hosts.right(acting, policy.PROVIDER_TIMEOUT_S)
    try:
        acting.ports.provider(address.provider).associate(address.name, target.server.name, changeover.generation)
    except ProviderError as error:
        raise ActionError(str(error)) from error
    Address.objects.filter(pk=address.pk).update(target=target.server.name)
    return f"{address.endpoint} leads to {target.server.name}"
