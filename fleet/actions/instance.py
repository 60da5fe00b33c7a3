"""What can be done about one PostgreSQL. Everything that takes a while is begun as a detached job on the host, named
after the step it is for (context.job); later beats see what became of it."""

import json
import time

from django.db import transaction
from django.db.models.functions import Now

from fleet import certificates, changing, intake, locking, ring, streams, subjects
from fleet.actions import copying, fitness, hosts, receipts
from fleet.actions.base import Acting, Action, ActionError, answer, fulfil, refuse
from fleet.lifecycle import Because, story
from fleet.models import Changeover, Credential, Instance, Intent, Plan, Resource, Timeline
from fleet.postgres import commands, control, roles
from fleet.postgres.roles import Limits
from fleet.sizes import sizing
from fleet.states import CANCELLED, DESTROYED, DONE

# Who asks for the restart of a standby that is smaller than its leader.
GROWS = "herdsite"
_SAID = {"may_lose": "may lose writes", "cant_lose": "can't lose writes"}


def build(instance: Instance, acting: Acting) -> str | None:
    """Begin what makes it: a cluster of its own, a copy of its leader, or what an archive holds."""
    if not acting.subject.bin:
        raise ActionError(f"{instance.server} has no PostgreSQL {instance.major}.")
    acting = fitness.fit(instance, acting)
    certificates.issue(instance)
    _told(instance, _wanted(instance))
    if instance.role == Instance.STANDBY:
        return copying.stand_by(instance, acting, _mode(instance), sizing(instance))
    if instance.timeline.parent_id:
        return copying.restore(instance, acting, sizing(instance))
    secrets = dict(Credential.objects.filter(instance=instance).values_list("purpose", "secret"))
    control.build(
        *hosts.ordered(acting),
        acting.subject.job,
        sizing(instance),
        secrets[Credential.MONITOR],
        also=_first(instance),
        replica=secrets.get(Credential.REPLICA, ""),
        dynamic=streams.files(instance, acting.subject),
    )
    return None


def _mode(instance: Instance) -> str:
    """How it becomes a standby: a former leader is rewound where that can be. A standby that is rebuilt gets all of its
    data anew: whatever ails it, rewinding would find both on one timeline and leave it as it is."""
    if not subjects.again(instance):
        return commands.BUILD
    return commands.REJOIN if instance.outdated else commands.COPY


def rebuild(instance: Instance, acting: Acting) -> str:
    """Clear a failed build away and begin anew."""
    why = acting.facts["job_why"]
    if instance.upstream_id:
        # It may be why: whether it serves is seen now, and not at its own next beat.
        ring.nudge(Instance.KIND, [instance.upstream_id])
    acting = fitness.fit(instance, acting)
    _begin_anew(instance, acting)
    if instance.role == Instance.STANDBY:
        copying.stand_by(instance, acting, commands.COPY, sizing(instance))
    else:
        build(instance, acting)
    return f"the job reported: {why}" if why else "the job ended without a message"


def discard(instance: Instance, acting: Acting) -> str:
    """Make it a standby anew although its stray writes could not be read out: a person said that they may go."""
    instance.attrs["strays"] = f"discarded-{instance.generation}"
    Instance.objects.filter(pk=instance.pk).update(attrs=instance.attrs)
    _begin_anew(instance, acting)
    return copying.stand_by(instance, acting, commands.COPY, sizing(instance))


def destroy_again(instance: Instance, acting: Acting) -> None:
    """Clear a failed removal's job away and begin anew."""
    _begin_anew(instance, acting)
    control.destroy(*hosts.ordered(acting), acting.subject.job)


def _begin_anew(instance: Instance, acting: Acting) -> None:
    """Forget the job that failed; a person who asked for that is answered, and the tries count from the start."""
    control.clear(*hosts.ordered(acting), acting.subject.job)
    if acting.intent and acting.intent.verb in ("retry", "discard"):
        answer(Intent.objects.filter(pk=acting.intent.pk), Intent.DONE, "trying again")
        instance.tries = 0


def restart(_instance: Instance, acting: Acting) -> None:
    control.restart(*hosts.ordered(acting), acting.subject.job)


def stop(_instance: Instance, acting: Acting) -> None:
    control.stop(*hosts.ordered(acting), acting.subject.job)


def start(_instance: Instance, acting: Acting) -> None:
    control.start(*hosts.ordered(acting), acting.subject.job)


def destroy(_instance: Instance, acting: Acting) -> None:
    control.destroy(*hosts.ordered(acting), acting.subject.job)


def fence(instance: Instance, acting: Acting) -> str:
    """Stop what may not lead, for good; where its WAL ended goes onto the receipt of the changeover that it lost."""
    shell, subject = hosts.ordered(acting)
    Instance.objects.filter(pk=instance.pk).update(fenced_by=instance.epoch)
    ended = control.fence(shell, subject, instance.generation).get("lsn", "")
    if not ended:
        hosts.right(acting, control.READ_S)
        ended = control.end(shell, subject)
    hosts.right(acting, control.READ_S)
    settled = receipts.note_end(instance, ended, shell, subject)
    return f"WAL ended at {ended or 'an unknown position'}" + (f": {settled}" if settled else "")


def unfence(instance: Instance, acting: Acting) -> str:
    """Take away the mark that a changeover left on the host of who leads on."""
    control.unfence(*hosts.ordered(acting, control.START_S), instance.generation + 1)
    Instance.objects.filter(pk=instance.pk).update(fenced_by=None)
    return f"the mark of epoch {instance.fenced_by}"


def promote(instance: Instance, acting: Acting) -> str:
    """Have it lead, as our records have had it since a changeover that is over; its timeline is named after what it
    says."""
    said = control.promote(*hosts.ordered(acting), instance.generation, timeout=9.0)
    fork = said.get("forked_lsn", "")
    Timeline.objects.filter(pk=instance.timeline_id, forked_at=None).update(
        timeline_id=int(said["timeline_id"]), forked_lsn=fork, forked_at=Now()
    )
    return f"promoted at {fork or 'an unknown position'}"


def rejoined(instance: Instance, _acting: Acting) -> str:
    """It is a standby like any other from now on."""
    Instance.objects.filter(pk=instance.pk).update(outdated=False, fenced_by=None)
    return f"of {instance.upstream}"


def configure(instance: Instance, acting: Acting) -> str:
    """Tell it what it is to be; a standby gets its place kept by its leader first."""
    if instance.outdated:
        # Until it is stopped it is held by what it was told as a leader: to wait for the one that leads now.
        raise ActionError("A former leader is not configured: fence it first, then rebuild it as a standby.")
    if instance.role == Instance.STANDBY:
        copying.keep_place(instance, acting)
    certificates.issue(instance)
    # What our records say before the files are made of them: what changes meanwhile is told next.
    wanted = _wanted(instance)
    control.configure(*hosts.ordered(acting), streams.files(instance, acting.subject))
    _told(instance, wanted)
    return f"{instance.role} of {instance.timeline}"


def record_quorum(instance: Instance, acting: Acting) -> str:
    """Write down what is known of the standbys that commits wait for, unless somebody else wrote meanwhile."""
    was, record = json.loads(acting.facts["quorum_was"]), json.loads(acting.facts["quorum_record"])
    with transaction.atomic():
        theirs = Resource.objects.filter(instance=instance, plan__high_availability=True).exclude(state=DESTROYED)
        resource = next(iter(locking.lock(theirs)), None)
        if resource is None or resource.quorum != was:
            raise ActionError("The record of synchronous standbys changed meanwhile: the next look decides again.")
        # Whoever moves it on at this moment holds its row: then it may be freezing.
        moving = Changeover.objects.filter(resource=resource).exclude(state__in=(DONE, CANCELLED))
        free = moving.exclude(changing.FREEZING).select_for_update(skip_locked=True)
        if moving.exists() and not list(free):
            raise ActionError("A changeover relies on the record of synchronous standbys: the next look decides again.")
        Resource.objects.filter(pk=resource.pk).update(quorum=record)
        story(
            resource,
            _SAID[record["says"]],
            Because(acting.because.row, acting.facts["quorum_why"], acting.because.actor),
        )
    return str(acting.facts["quorum_why"])


def grow(instance: Instance, acting: Acting) -> str:
    """Ask for the restart with which it has as much as its leader; once for all that it is told."""
    key = f"size/{instance.pk}/{instance.attrs.get('told', '')}"
    intent = intake.asked_before(key, "restart", Instance.KIND)
    if intent is not None and intent.state != Intent.OPEN:
        raise ActionError(
            f"PostgreSQL on {instance.name} was restarted and its settings are still below its leader's: rebuild it."
        )
    if intent is None:
        reason = f"less than its leader has: {acting.facts['short_of']}"
        intake.write(instance, "restart", GROWS, reason, {}, key)
    return f"{acting.facts['short_of']}"


def _wanted(instance: Instance) -> str:
    return streams.wanted(instance, streams.quorum(instance))


def _told(instance: Instance, wanted: str) -> None:
    """Note what it was told, and when (epoch, s); it is compared at each beat with what it is to be told."""
    instance.attrs |= {"told": wanted, "told_at": f"{time.time():.0f}"}
    if certificates.issued(instance):
        instance.attrs[certificates.PROVES] = "true"
    Instance.objects.filter(pk=instance.pk).update(attrs=instance.attrs)


def limits(plan: Plan) -> Limits:
    return Limits(connections=plan.connections, temp_mb=plan.disk_mb // 4)


def _first(instance: Instance) -> str:
    resource = Resource.objects.filter(instance=instance).exclude(state=DESTROYED).select_related("plan").first()
    if resource is None or not resource.own_instance:
        return ""
    owner = resource.credentials.get(purpose=Credential.OWNER)
    return roles.create_resource(resource.dbname, owner.role, control.scram(owner.secret), limits(resource.plan))


ACTIONS: dict[str, Action] = {
    "build": build,
    "rebuild": rebuild,
    "discard": discard,
    "restart": restart,
    "stop": stop,
    "start": start,
    "destroy": destroy,
    "destroy_again": destroy_again,
    "fence": fence,
    "unfence": unfence,
    "promote": promote,
    "rejoined": rejoined,
    "configure": configure,
    "grow": grow,
    "record_quorum": record_quorum,
    "fulfil": fulfil,
    "refuse": refuse,
}
