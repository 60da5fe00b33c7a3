"""Where incidents are opened, and where people lay hands on them. Only herdsite's own database is touched here.

What beats found is reported for as long as it is open, so that an incident that could not be written is opened by the
next beat; whether it has closed, the incident's own beats find out.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from fleet import lifecycle, locking, ring
from fleet.facts import Facts
from fleet.lifecycle import Because
from fleet.models import MEMBERS, Address, Changeover, Instance, Member, Resource, Server
from fleet.states import FENCING, PREPARING, PROMOTING, REPOINTING, RESOLVED, RESOLVING
from incidents.models import Incident, Journal
from incidents.telling import Telling
from incidents.watch import BY_TYPE, INSTANCE, SERVER

log = structlog.get_logger("incident")

# What explains the troubles of whatever stands on it, by the kind that is troubled by itself.
CAUSES = {SERVER: ("server_down", "server_unreachable", "spare_down"), INSTANCE: ("instance_down",)}
# What says something worse of the same thing, or the same seen otherwise: of two, the graver one calls a person, or the
# one that was there first.
EXPLAINED = {
    "disk_filling": ("disk_critical",),
    "server_down": ("server_unreachable",),
    "server_unreachable": ("server_down",),
}
# What explains that something does not get on: itself, or what it stands on. All of these call a person by themselves.
STUCK, STALLS = "stuck", ("install_failed", "strays_unread", "cut_off", "stuck")
# What keeps every playbook from helping on a server: with no room left nothing starts. One page for it is enough.
HINDERS = ("disk_critical",)
# A disk that fills while its archive fails is full of WAL that waits for it. It may be given room meanwhile; what is to
# be mended is the archive.
FULL, FILLING = ("disk_filling", "disk_critical"), "archive_failing"
# What a changeover does to everybody around it for a while, and for how long that is no news (s): after that it is
# stuck, and says so itself.
HUSHED, HUSHED_S = ("follower_stuck", "follower_lagging", "standby_down", "address_detached"), 600
NAME_LENGTH = 63
MOVING = (PREPARING, FENCING, PROMOTING, REPOINTING)


class DeskError(ValueError):
    """What a person wants of an incident can't be; the message says why."""


@dataclass(frozen=True)
class Found:
    """One beat that left alarms open, or closed some: the thing, the types, the facts (with the time of the look), the
    doubt's evidence, and the row of LIFE that won."""

    member: Member
    types: Sequence[str]
    closed: Sequence[str]
    facts: Facts
    evidence: Mapping[str, Any]
    row: int | None


def report(found: Sequence[Found]) -> list[Incident]:
    """Open what is not open yet; have the incidents of what has closed look at once. Returns those opened now."""
    wanted = {(one.member.pk, type_): one for one in found for type_ in one.types}
    closed = [one.member.pk for one in found if one.closed]
    if closed:
        ring.nudge(Incident.KIND, open_incidents().filter(subject__in=closed).values_list("pk", flat=True))
    if not wanted:
        return []
    subjects = {subject for subject, _type in wanted}
    known = set(open_incidents().filter(subject__in=subjects).values_list("subject", "type"))
    made = [_report(type_, one) for (subject, type_), one in wanted.items() if (subject, type_) not in known]
    return [incident for incident in made if incident]


def open_incidents() -> Any:
    return Incident.objects.exclude(state=RESOLVED)


def _report(type_: str, found: Found) -> Incident | None:
    alarm, member = BY_TYPE[type_], found.member
    if type_ in HUSHED and _changes_over(member):
        return None
    evidence = {
        "facts": {name: found.facts[name] for name in alarm.when.names},
        "doubt": dict(found.evidence),
        "looked_at": found.facts.now.isoformat(),
    }
    cause = _cause(member) or _same(type_, member) or _stalled(type_, member) or _filling(type_, member)
    return raise_incident(
        type_, member.KIND, member.pk, member.name, alarm.severity, evidence, alarm.because, found.row, cause
    )


def raise_incident(
    type_: str,
    kind: str,
    subject: uuid.UUID,
    name: str,
    severity: str,
    evidence: Mapping[str, Any],
    because: str,
    row: int | None = None,
    cause: Incident | None = None,
) -> Incident | None:
    """Open one, unless there is one of that type about that thing: None then. Those that it explains hang under it."""
    stem = f"{type_.replace('_', '-')}-{name}"[: NAME_LENGTH - 8].rstrip("-")
    try:
        with transaction.atomic():
            incident = Incident(
                name=f"{stem}-{Incident.objects.filter(name__startswith=f'{stem}-').count() + 1}",
                type=type_,
                subject=subject,
                subject_kind=kind,
                subject_name=name,
                severity=severity,
                cause=cause,
                evidence=evidence,
                opened_by=row,
            )
            incident.save(force_insert=True)
            write(incident, "opened", because, "herdsite", note_of=evidence)
            why = Because(row, because, "herdsite", evidence.get("facts", {}))
            lifecycle.story(incident, "open", why, target=incident.state)
            _adopt(incident)
    except IntegrityError:
        # Another worker saw it at the same moment.
        return None
    log.info("opened", incident=incident.name, severity=severity, why=because, cause=cause.name if cause else None)
    return incident


def _cause(member: Member) -> Incident | None:
    """The open incident that explains those of this thing: its server's before its instance's."""
    beneath = Q(pk=None)
    if isinstance(member, Instance):
        beneath = Q(subject=member.server_id, type__in=CAUSES[SERVER])
    elif isinstance(member, Resource) and member.instance:
        beneath = Q(subject=member.instance.server_id, type__in=CAUSES[SERVER])
        beneath |= Q(subject=member.instance_id, type__in=CAUSES[INSTANCE])
    return open_incidents().filter(beneath).order_by("-subject_kind", "created_at").first()


def _same(type_: str, member: Member) -> Incident | None:
    """The open incident of the same thing that says it already."""
    return open_incidents().filter(subject=member.pk, type__in=EXPLAINED.get(type_, ()), cause=None).first()


def _stalled(type_: str, member: Member) -> Incident | None:
    """The open incident for which it can't get on: its own, or that of what it stands on."""
    if type_ != STUCK:
        return None
    beneath = []
    if isinstance(member, Instance):
        beneath = [member.server_id]
    elif isinstance(member, Resource) and member.instance:
        beneath = [member.instance_id, member.instance.server_id]
    elif isinstance(member, Address) and member.resource.instance:
        beneath = [member.resource.instance_id, member.resource.instance.server_id]
    why = Q(subject=member.pk) & ~Q(type=STUCK) | Q(subject__in=beneath)
    return open_incidents().filter(why, type__in=STALLS, cause=None).order_by("created_at").first()


def _filling(type_: str, member: Member) -> Incident | None:
    """The incident of the archive that a full disk comes from."""
    if type_ not in FULL:
        return None
    instances = Instance.objects.filter(server=member.pk).values("pk")
    return open_incidents().filter(subject__in=instances, type=FILLING).order_by("created_at").first()


def _changes_over(member: Member) -> bool:
    """Whether leadership moves right now where it belongs to; one that waits for its window moves nothing yet."""
    if isinstance(member, Address):
        whose = Q(resource=member.resource_id)
    elif isinstance(member, Instance):
        whose = Q(source=member.pk) | Q(target=member.pk) | Q(resource=member.standby_for_id)
        if member.upstream_id:
            whose |= Q(resource__instance=member.upstream_id)
    else:
        return False
    lately = Q(state_since__gt=Now() - timedelta(seconds=HUSHED_S))
    return Changeover.objects.filter(whose, lately, state__in=MOVING).exists()


def _adopt(cause: Incident) -> None:
    """What stands on the thing and is in trouble already, and what said the same of it in a milder way."""
    instances = []
    if cause.type in CAUSES[SERVER]:
        instances = list(Instance.objects.filter(server=cause.subject).values_list("pk", flat=True))
    elif cause.type in CAUSES[INSTANCE]:
        instances = [cause.subject]
    resources = Resource.objects.filter(instance__in=instances).values_list("pk", flat=True)
    theirs = Q(subject__in=[*instances, *resources])
    if cause.cause is None:
        milder = [type_ for type_, graver in EXPLAINED.items() if cause.type in graver]
        theirs |= Q(subject=cause.subject, type__in=milder)
    if cause.type in STALLS and cause.cause is None:
        # Two that are stuck and stand on each other: the one beneath explains the one above.
        theirs |= Q(subject__in=[cause.subject, *_above(cause)], type=STUCK)
    explained = open_incidents().filter(theirs, cause=None).exclude(pk=cause.pk)
    Incident.objects.filter(pk__in=locking.lock(explained.values_list("pk", flat=True))).update(cause=cause)


def _above(cause: Incident) -> list[uuid.UUID]:
    """All that stands on what it is about: instances, their databases, and the addresses of those."""
    instances = list(Instance.objects.filter(server=cause.subject).values_list("pk", flat=True))
    beneath = [cause.subject, *instances]
    resources = list(Resource.objects.filter(instance__in=beneath).values_list("pk", flat=True))
    addresses = Address.objects.filter(resource__in=[cause.subject, *resources]).values_list("pk", flat=True)
    return [*instances, *resources, *addresses]


def hindrance(incident: Incident, server: Server | None) -> Incident | None:
    """The open incident of its server that may be why none of its playbooks helped."""
    if server is None or incident.type in HINDERS:
        return None
    full = open_incidents().filter(subject=server.pk, type__in=HINDERS)
    # What fills the disk is not hindered by its being full.
    return full.exclude(cause=incident.pk).first()


def put_off(incident: Incident, cause: Incident) -> None:
    """Hang it under what hinders its playbooks; once that is over they are tried anew."""
    _change(incident, "hindered", f"by {cause.name}", "herdsite", cause=cause, **_anew(incident))


def write(
    incident: Incident, outcome: str, note: str, actor: str, *, step: str = "", note_of: Mapping[str, Any] | None = None
) -> None:
    """One line in the journal, under the playbook that is at work."""
    told = ", ".join(f"{name} {value}" for name, value in ((note_of or {}).get("facts") or {}).items())
    Journal.objects.create(
        incident=incident,
        resolver=incident.resolver,
        version=incident.resolver_version,
        step=step,
        outcome=outcome,
        note=f"{note} ({told})" if told else note,
        actor=actor,
    )


# What people do.


def acknowledge(incident: Incident, actor: str, telling: Telling) -> None:
    """A person has it in hand: nobody else is called."""
    _must_be_open(incident)
    with transaction.atomic():
        _change(incident, "acknowledged", "", actor, acknowledged_by=actor, acknowledged_at=Now())
        telling.acknowledged(incident, actor)


def assign(incident: Incident, to: str, actor: str) -> None:
    _must_be_open(incident)
    _change(incident, "assigned", f"to {to}", actor, assigned_to=to)


def snooze(incident: Incident, seconds: float, actor: str) -> None:
    """Leave the person in peace for so long."""
    _must_be_open(incident)
    if not 0 < seconds <= 30 * 86_400:
        raise DeskError("Snooze for at least a second and at most 30 days.")
    until = Now() + timedelta(seconds=seconds)
    _change(incident, "snoozed", f"for {seconds:g} s", actor, snoozed_until=until)


def note(incident: Incident, text: str, actor: str) -> None:
    """A line for the story; it may be added when all is over, too."""
    if not text.strip():
        raise DeskError("A note needs a text.")
    _change(incident, "noted", text.strip(), actor)


def retry(incident: Incident, actor: str) -> None:
    """Let the playbooks begin anew, also those that ask first."""
    _must_be_open(incident)
    try:
        with transaction.atomic():
            _change(incident, "retried", "", actor, approved=True, **_anew(incident))
            if incident.state != RESOLVING:
                lifecycle.move(incident, "begin", Because(None, "Retry was requested", actor))
    except IntegrityError as error:
        raise DeskError("Another incident's playbook works on the same thing now: wait for it.") from error
    ring.nudge(Incident.KIND, [incident.pk])


def resolve(incident: Incident, actor: str, why: str, telling: Telling) -> None:
    """A person says that it is over. If its alarm is still open, it counts anew and may open another."""
    _must_be_open(incident)
    with transaction.atomic():
        _change(incident, "resolved", why, actor, resolved_at=Now())
        lifecycle.move(incident, "resolve", Because(None, why or "closed by a person", actor))
        Incident.objects.filter(pk=incident.pk).update(due_at=None)
        telling.ended(incident)
        _forget(incident)


def _forget(incident: Incident) -> None:
    """The alarm counts from nothing."""
    if incident.subject_kind in MEMBERS:
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {ring.table_of(incident.subject_kind)} SET watch = watch - %s WHERE id = %s",
                [incident.type, incident.subject],
            )


def _anew(incident: Incident) -> dict[str, Any]:
    """Its fields as if no playbook had been tried yet."""
    fresh = {"resolver": "", "resolver_version": "", "step": 0, "step_since": None, "outcome": "", "tried": []}
    return fresh | {"wait_until": None, "problem": "", "rounds": incident.rounds + 1}


def _must_be_open(incident: Incident) -> None:
    if not incident.is_open:
        raise DeskError(f"{incident.name} is resolved already.")


def _change(incident: Incident, outcome: str, text: str, actor: str, /, **fields: Any) -> None:
    with transaction.atomic():
        if fields:
            Incident.objects.filter(pk=incident.pk).update(**fields)
            incident.refresh_from_db(fields=list(fields))
        write(incident, outcome, text, actor)
