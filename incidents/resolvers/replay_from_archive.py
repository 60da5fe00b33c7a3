"""The leader is lost and has no standby: build a new leader from the archive, on another host.

Symptom: an instance, or a server with all its instances, can't be brought back, and no standby could take over.
Look first: can the disk be saved? Up to where does the archive reach, and how far had the old leader written? Is the
brake on? Is the disk only full? Then make room instead.
Steps: prove that the old leader can't acknowledge another write (its host is fenced, or its machine is off or gone);
where its host answers, archive what it had not archived, so that nothing is missing; build a copy elsewhere from the
newest base backup and all archived WAL; when the copy is there, a changeover proves the silence once more, promotes the
copy, moves customers there and leaves a receipt. Writes after the last archived segment are lost: the journal says up
to which time and position the database was recovered, and the receipt what could not be read from a living host.
Where the plan includes no standby, this playbook acts automatically. Where the plan includes one, acknowledged writes
may not be lost without a person's decision; the same holds where archiving had been failing or much more WAL than usual
is missing. Ask for "retry" to decide so.
Give up when: the old leader's silence is not proven, the database has no archive or no base backup, the archive has a
hole, no server has room, or the copy fails three times. The old leader then carries on, if it can.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from fleet import changing, copies, jobs, ledger, locking, placement, ring, subjects
from fleet.intents import AskError, ask
from fleet.ledger import HELD
from fleet.lifecycle import Because
from fleet.models import Changeover, Instance, Resource
from fleet.orders import Order
from fleet.postgres import control
from fleet.providers.base import ProviderError
from fleet.states import AVAILABLE, CANCELLED, DESTROYED, DESTROYING, DONE, NEEDS_HUMAN
from fleet.subject import Subject
from fleet.succession.ladder import Evidence, Unproven, prove
from fleet.transports.base import TransportError
from incidents import brake, desk, remains
from incidents.outcomes import CantAct, Case, Outcome, again, fixed, give_up

# How long what may change by itself is tried (s). On a host that lives all data is there: it has time to show what ails
# it, a full disk say.
PATIENCE_S, LIVING_S = 60.0, 90.0
FENCE_S = 6.0
# The changeover stays where it is until its copy is there.
UNTIL = timedelta(days=7)
FAILED, TRIES = ("failed", "lost"), 2


class _NotYet(Exception):
    """It may be possible soon; the message says what it waits for."""


class _Never(Exception):
    """It can't be done by itself; the message says why."""


def begin(case: Case) -> Outcome:
    """A copy for each leader that is lost there, once its silence is proven."""
    told, may_come = _try(case)
    note = "; ".join(told) or "no database on this server can be restored from its archive"
    if any(_open(resource) for resource in _lost(case)):
        return fixed(note)
    return again(3, note) if may_come else give_up(note)


def lead(case: Case) -> Outcome:
    """Each copy takes over as soon as it is there; the slow ones hold up nobody, nor do those that can't begin yet."""
    told, waits = _try(case)
    for changeover in _begun(case):
        if changeover.state in HELD:
            told.append(_held(case, changeover))
            changeover.refresh_from_db()
        else:
            told.append(_ended(changeover))
        waits = waits or changeover.state not in (DONE, CANCELLED, NEEDS_HUMAN)
    note = "; ".join(told)
    if waits:
        # A large one is looked at less and less often, and longer than a moment is waiting, not working.
        return again(max(0.5, case.step_s / 10), note)
    left = [resource.name for resource in _lost(case)]
    return give_up(note or f"{', '.join(left)}: the changeover is gone") if left else fixed(note)


def _try(case: Case) -> tuple[list[str], bool]:
    """Begin for each that is lost and for which nothing has begun. What came of it, and whether more may come of it
    soon: what is not proven yet may be, and who can take over does."""
    lost, told, may_come = _lost(case), [], False
    early = case.step_s < PATIENCE_S + (LIVING_S if case.facts["ssh"] else 0.0)
    for resource in _here(case):
        if resource not in lost:
            may_come = early
            told.append(f"{resource.name}: a standby takes over")
        elif _open(resource) is None and not _tried(case, resource):
            try:
                told.append(_begin(case, resource))
            except _NotYet as error:
                may_come = early
                told.append(f"{resource.name}: {error}")
            except (_Never, AskError) as error:
                told.append(f"{resource.name}: {error}")
    return told, may_come


STEPS = (begin, lead)


def _here(case: Case) -> list[Resource]:
    """The databases whose leader is it, or is on it, and does not serve."""
    found = (
        Resource.objects.filter(Q(instance=case.member.pk) | Q(instance__server=case.member.pk), follows=None)
        .exclude(state__in=(DESTROYING, DESTROYED))
        .exclude(instance__state=AVAILABLE)
        .select_related("plan", "instance__server", "instance__timeline")
        .order_by("name")
    )
    return [one for one in found if one.own_instance]


def _lost(case: Case) -> list[Resource]:
    """Those of them that nobody can take over: where a standby is ready the failover does, unless this is about that
    very leader."""
    ready = Q(state=AVAILABLE, outdated=False)
    return [one for one in _here(case) if one.instance_id == case.member.pk or not one.standbys.filter(ready).exists()]


def _begin(case: Case, resource: Resource) -> str:
    """Fence it, and have a copy built that waits for its turn. Raises _NotYet, _Never and AskError."""
    source = resource.instance
    assert source is not None
    if not case.approved and resource.plan.high_availability and case.member.pk != source.pk:
        raise _Never("the plan promises that no acknowledged write is lost: ask for retry to accept a loss")
    if desk.open_incidents().filter(subject=source.server_id, type__in=desk.HINDERS).exists():
        raise _Never("the disk is full: make room instead of moving to another host")
    if case.facts["ssh"] is True and case.step_s < LIVING_S:
        raise _NotYet("the host answers: the reason may still be found there")
    origin = copies.origin(resource, None)
    if case.facts["ssh"] is not True:
        _may_lose(case, source)
    evidence, end = _fenced(case, resource, source)
    reached = evidence.fence is not None
    if not reached:
        _may_lose(case, source)
    proof = prove(evidence)
    if isinstance(proof, Unproven):
        raise _NotYet("cannot prove that the former leader has stopped accepting writes: " + "; ".join(proof.missing))
    marks = {"case": case.key, "replay": proof.text, "why": "the copy is being built", "old_end_lsn": end}
    if reached:
        marks |= {"rest": changing.UNDER_WAY, "why": "what the old leader had not archived is being archived"}
    try:
        with transaction.atomic():
            copy = placement.place_restored(resource, origin)
            changing.begin(
                resource,
                Changeover.FAILOVER,
                Because(None, "the leader is lost: a new one is restored from the archive", case.actor),
                target=copy,
                not_before=case.subject.now + UNTIL,
                marks=marks,
            )
    except (placement.NoRoom, changing.Busy, changing.CantMove) as error:
        raise _NotYet(str(error)) from error
    return f"{proof.text}; {copy.name} on {copy.server.name} is being built"


def _may_lose(case: Case, source: Instance) -> None:
    """Raises _Never where a person has to say that what its archive lacks may be lost."""
    if not case.approved and (why := remains.of(source).too_much):
        raise _Never(f"{why}: ask for retry to accept the loss")


def _fenced(case: Case, resource: Resource, source: Instance) -> tuple[Evidence, str]:
    """What proves that it is silent, and where its WAL ended if its host could say so."""
    evidence = Evidence(leader=source.name, promoted="", generation=resource.generation + 1, fencing_s=1.0)
    with suppress(ProviderError):
        machine = case.ports.provider(source.server.provider).describe(source.server.name).state
        evidence = replace(evidence, machine=machine, machine_age_s=0.0)
    try:
        shell, subject = case.ordered(_subject(case, source))
        # Also where its data directory is gone: the mark needs a place.
        shell.run(["mkdir", "-p", subject.data], timeout=FENCE_S)
        Instance.objects.filter(pk=source.pk).update(fenced_by=source.epoch)
        said = control.fence(shell, subject, evidence.generation, FENCE_S)
    except (TransportError, CantAct):
        return evidence, ""
    return replace(evidence, postmaster=False, fence=evidence.generation, host_age_s=0.0), said.get("lsn", "")


def _held(case: Case, changeover: Changeover) -> str:
    """It waits for its copy: let it go on, or call it off."""
    source, copy = changeover.source, changeover.target
    assert source is not None and copy is not None
    if source.state == AVAILABLE:
        return _call_off(case, changeover, f"{source.name} answers again")
    if changeover.marks.get("rest") == changing.UNDER_WAY:
        return _bring_rest(case, changeover, source)
    if copy.state == AVAILABLE:
        if held := [scope for scope in brake.scopes(source) if brake.holds(scope)]:
            return f"{copy.name} is ready, and the brake stops failovers of {held[0]}"
        if changeover.resource.state not in changing.MOVABLE:
            return f"{copy.name} is ready, and {changeover.resource.name} is {changeover.resource.look.label.lower()}"
        return _let_go(case, changeover, source, copy)
    if copy.state in (DESTROYING, DESTROYED):
        return _call_off(case, changeover, f"{copy.name} was destroyed")
    if copy.facts.get("job") in FAILED and copy.tries > TRIES:
        return _call_off(
            case, changeover, f"{copy.name} could not be built: {copy.facts.get('job_why') or 'no message'}"
        )
    return f"{copy.name} on {copy.server.name} is being built" + (f": {copy.problem}" if copy.problem else "")


def _bring_rest(case: Case, changeover: Changeover, source: Instance) -> str:
    """Archive by hand what its old leader had not archived; the copy is built once that is over."""
    job = f"{source.name}-rest-{changeover.generation}"
    try:
        shell, subject = case.ordered(replace(_subject(case, source), order=Order(changeover.epoch)))
        look = jobs.look(shell, subject.home, job)
        if look.job == jobs.NONE:
            control.archive_rest(shell, subject, job)
        said = control.rest(shell, subject) if look.job == jobs.DONE else {}
    except (TransportError, CantAct) as error:
        if case.step_s < PATIENCE_S + LIVING_S:
            return f"{source.name} is asked again for what it had not archived: {error}"
        return _rest_is_over(case, changeover, source, f"The host did not archive the rest: {error}", "")
    if look.job in (jobs.NONE, jobs.RUNNING):
        return f"what {source.name} had not archived is being archived"
    if look.job != jobs.DONE:
        return _rest_is_over(case, changeover, source, f"Archiving WAL of {source.name} failed: {look.why}", "")
    return _rest_is_over(case, changeover, source, remains.not_got(said), said["end"], said["archived"])


def _rest_is_over(case: Case, changeover: Changeover, source: Instance, lacks: str, end: str, count: str = "0") -> str:
    """Note what was got and what was not (`lacks`, "" when all was), and let the copy be built; or call it off where a
    person has to say that what is missing may be lost."""
    if lacks and not case.approved and (why := remains.of(source).too_much):
        return _call_off(case, changeover, f"{lacks} {why}: ask for retry to accept the loss")
    got = f"{count} files that {source.name} had not archived were archived from its host"
    note = lacks or f"{got}: all of its WAL, up to {end}."
    more = {"rest": "over", "why": "the copy is being built", "notes": [note]}
    more |= {"old_end_lsn": end} if end else {}
    more |= {} if lacks else {"rest_end": end}
    if not ledger.note(changeover, more, {"rest": changing.UNDER_WAY}):
        return f"{changeover.name} was continued by another worker"
    assert changeover.target_id is not None
    ring.nudge(Instance.KIND, [changeover.target_id])
    return f"{got}. {lacks}" if lacks else note


def _let_go(case: Case, changeover: Changeover, source: Instance, copy: Instance) -> str:
    """From here on its own table fences, promotes and leads customers there. Says how far it got."""
    now, left, until = case.subject.now, remains.of(source), _recovered(case, copy)
    marks = {
        "ready": now.timestamp(),
        "why": f"{copy.name} has all that was archived",
        "lossless": False,
        "looks": left.looks,
        "recovered": until,
    }
    with transaction.atomic():
        resource = locking.lock_one(Resource, changeover.resource_id)
        if ledger.note(changeover, marks, {"replay": changeover.marks["replay"]}, begin=True):
            changing.enter(resource, Because(None, "the copy is ready", case.actor))
    ring.nudge(Changeover.KIND, [changeover.pk])
    return (
        f"{copy.name} becomes the leader, recovered up to {until or 'an unknown moment'}; {source.name} was last seen "
        f"at {left.seen}, its archive lacks {remains.words(left.missing)} of that"
    )


def _call_off(case: Case, changeover: Changeover, why: str) -> str:
    """Nobody's records have changed yet: the old leader may go on if it can, and what was built is cleared away
    (copies.tidy)."""
    with suppress(AskError):
        ask(changeover, "cancel", actor=case.actor, reason=why, key=f"{changeover.pk}/off")
    source = changeover.source
    assert source is not None
    with suppress(TransportError, CantAct):
        control.unfence(*case.ordered(_subject(case, source)), changeover.generation)
        Instance.objects.filter(pk=source.pk).update(fenced_by=None)
    return why


def _ended(changeover: Changeover) -> str:
    said = changeover.receipt
    if changeover.state != DONE:
        return f"{changeover.name} is {changeover.look.label.lower()}: {changeover.marks.get('why', '')}"
    lost = remains.words(said["bound_bytes"])
    return f"{said['new_leader']} leads from {said['promoted_lsn'] or 'where the archive ended'}: {lost} may be lost"


def _recovered(case: Case, copy: Instance) -> str:
    """The moment of the last transaction that its archive had; "" when its log does not say."""
    subject = _subject(case, copy)
    try:
        return remains.last_commit(case.shell(subject), subject)
    except (TransportError, CantAct):
        return ""


def _open(resource: Resource) -> Changeover | None:
    """Its changeover to a copy, of this run of the playbook or of one before."""
    found = changing.open_of(resource)
    return found if found and "replay" in found.marks else None


def _tried(case: Case, resource: Resource) -> bool:
    """Whether this run of the playbook has had its copy, whatever became of it."""
    return Changeover.objects.filter(resource=resource, marks__case=case.key, marks__has_key="replay").exists()


def _begun(case: Case) -> list[Changeover]:
    """Those of what is lost there that are open, and those of this run."""
    theirs = Q(source=case.member.pk) | Q(source__server=case.member.pk)
    mine = Q(marks__case=case.key) | ~Q(state__in=(DONE, CANCELLED))
    found = Changeover.objects.filter(theirs, mine, marks__has_key="replay")
    return list(found.select_related("resource", "source__server", "target__server").order_by("name"))


def _subject(case: Case, instance: Instance) -> Subject:
    return subjects.instance_subject(instance, case.subject.now)
