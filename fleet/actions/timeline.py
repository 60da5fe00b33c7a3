"""What can be done about a timeline's place in the archive. What takes a while is a Backup, with a ring of its own."""

from datetime import datetime, timedelta

from fleet import archiving, names, retaining, ring
from fleet.actions import drilling, hosts
from fleet.actions.base import Acting, Action, ActionError, fulfil, refuse
from fleet.lifecycle import answer
from fleet.models import Backup, Changeover, Instance, Intent, Resource, Timeline
from fleet.postgres import control
from fleet.postgres.commands import Script
from fleet.states import AVAILABLE, DESTROYED
from fleet.transports.base import Shell, checked


def prepare(timeline: Timeline, acting: Acting) -> str:
    """Make its place, and note which system's it is."""
    writer = _writer(timeline)
    if Changeover.objects.filter(timeline=timeline).exclude(marks__has_key="promoted").exists():
        # Until then the host knows nothing of it, and would tell where the one before began.
        raise ActionError(f"{writer} has not been promoted yet.")
    shell, subject = hosts.of(writer, acting)
    if timeline.parent and timeline.parent.major == timeline.major and not timeline.forked_lsn:
        _part(timeline, writer, control.parted(shell, subject))
    run(shell, archiving.archive(timeline.archive).prepare(archiving.line(timeline), subject))
    timeline.attrs["prepared"] = "true"
    Timeline.objects.filter(pk=timeline.pk).update(attrs=timeline.attrs)
    # It is told now where its WAL goes.
    ring.nudge(Instance.KIND, [writer.pk])
    return f"{timeline.archive}: {timeline.place}"


def _part(timeline: Timeline, writer: Instance, said: dict[str, str]) -> None:
    """Note where a restored one left its parent's history."""
    moment = writer.attrs.get("moment")
    timeline.timeline_id, timeline.forked_lsn = int(said["timeline_id"]), said["forked_lsn"]
    timeline.forked_at = datetime.fromisoformat(moment) if moment else timeline.created_at
    timeline.save(update_fields=["timeline_id", "forked_lsn", "forked_at"])


def take_backup(timeline: Timeline, acting: Acting) -> str:
    """Begin a base backup; its own beats take it. Who asked for it is told its name."""
    writer = _writer(timeline)
    backup = begin_base(timeline, writer)
    if acting.intent and acting.intent.verb == "backup":
        answer(Intent.objects.filter(pk=acting.intent.pk), Intent.DONE, backup.name)
    return backup.name


def begin_base(timeline: Timeline, instance: Instance) -> Backup:
    """A base backup of the timeline, taken from `instance`."""
    backup = Backup(
        name=names.numbered(Backup, f"{timeline.name[:48]}-base"),
        queue="slow",
        method=Backup.BASE,
        timeline=timeline,
        resource=Resource.objects.filter(instance=instance).exclude(state=DESTROYED).first(),
        instance=instance,
    )
    backup.label = f"{backup.name}-{backup.pk.hex[:6]}"
    if size := instance.facts.get("size_bytes"):
        backup.attrs["of_bytes"] = size
    backup.save(force_insert=True)
    return backup


def expire_old(timeline: Timeline, acting: Acting) -> str:
    """Let go of the base backups that nobody needs, with the WAL that only they lead to."""
    old = retaining.expirable(timeline, acting.subject.now)
    left = [one for one in retaining.good(timeline) if one not in old]
    last = max(retaining.ended(one) for one in old)
    hold = [one.label for one in left if retaining.ended(one) <= last]
    keep = next(one for one in left if one.label not in hold)
    run(hosts.shell(acting), archiving.archive(timeline.archive).expire(archiving.line(timeline), keep.label, hold))
    Backup.objects.filter(pk__in=[one.pk for one in old]).update(keep_until=acting.subject.now - timedelta(seconds=1))
    return f"before {keep.label}"


def drop(timeline: Timeline, acting: Acting) -> str:
    """Take its place in the archive away, with all that it holds."""
    run(hosts.shell(acting), archiving.archive(timeline.archive).drop(archiving.line(timeline)))
    timeline.attrs["prepared"] = "false"
    Timeline.objects.filter(pk=timeline.pk).update(attrs=timeline.attrs)
    Backup.objects.filter(timeline=timeline).update(keep_until=acting.subject.now - timedelta(seconds=1))
    return timeline.place


def run(shell: Shell, script: Script, timeout: float = 20.0) -> str:
    """Run a script of an archive here and now; what it printed."""
    argv = ["sh", "-c", script.text, "herdsite", *script.args]
    return checked(argv, shell.run(argv, stdin=script.stdin, timeout=timeout)).out


def _writer(timeline: Timeline) -> Instance:
    writer = Instance.objects.select_related("server").filter(pk=timeline.writer or None, state=AVAILABLE).first()
    if writer is None:
        raise ActionError(f"The instance that writes {timeline.name} is not available.")
    return writer


ACTIONS: dict[str, Action] = {
    "prepare": prepare,
    "take_backup": take_backup,
    "drill": drilling.drill,
    "judge_drill": drilling.judge,
    "expire_old": expire_old,
    "drop": drop,
    "fulfil": fulfil,
    "refuse": refuse,
}
