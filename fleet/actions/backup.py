"""What can be done about one backup: begun as a detached job, confirmed by what lies where it was put, removed."""

from contextlib import suppress
from datetime import UTC, datetime

from fleet import archiving, jobs, logical
from fleet.actions import drilling, hosts, trying
from fleet.actions.base import Acting, Action, ActionError, fulfil, refuse
from fleet.actions.timeline import run
from fleet.lifecycle import Because, move
from fleet.models import Backup
from fleet.postgres.commands import Script
from fleet.stopping import BEGUN_AT
from fleet.transports.base import Shell, TransportError


def begin(backup: Backup, acting: Acting) -> None:
    backup.attrs[BEGUN_AT] = f"{acting.subject.now.timestamp():.3f}"
    Backup.objects.filter(pk=backup.pk).update(attrs=backup.attrs)
    drilling.record(backup, acting)
    script = _script(backup, acting)
    jobs.start(hosts.shell(acting), acting.subject.home, acting.subject.job, script.text, script.args, script.stdin)


def begin_anew(backup: Backup, acting: Acting) -> str:
    why = acting.facts["job_why"]
    jobs.clean(hosts.shell(acting), acting.subject.home, acting.subject.job)
    begin(backup, acting)
    return f"the job reported: {why}" if why else "the job ended without a message"


def confirm(backup: Backup, acting: Acting) -> str:
    """Only what is listed as complete where it lies is good; what is not failed, whatever its job says."""
    kept = logical.kept(backup, hosts.shell(acting)) if backup.method == Backup.LOGICAL else _base(backup, acting)
    if kept is None:
        return _fail(backup, acting, "the job ended without an error, and the backup is not in the archive")
    if backup.method == Backup.LOGICAL:
        drilling.record_after(backup, acting)
    began, ended, size, first, last = kept
    Backup.objects.filter(pk=backup.pk).update(
        began_at=datetime.fromtimestamp(began, UTC),
        ended_at=datetime.fromtimestamp(ended, UTC),
        bytes=size,
        first_wal=first,
        last_wal=last,
    )
    backup.refresh_from_db()
    move(backup, "keep", Because(acting.because.row, "The backup is complete and checked", acting.because.actor))
    jobs.clean(hosts.shell(acting), acting.subject.home, acting.subject.job)
    return f"{size} bytes"


def abandon(backup: Backup, acting: Acting) -> str:
    """It has failed for good, and why is kept with its story."""
    why = acting.facts["job_why"]
    return _fail(backup, acting, f"{acting.because.why}: {why}" if why else acting.because.why)


def _fail(backup: Backup, acting: Acting, why: str) -> str:
    """Nothing of it stays behind, on its host or where it was to lie. A host that is gone took its part along; what
    lies where nobody gets to now is cleared by the next attempt, or when the archive expires."""
    if acting.facts["ssh"]:
        shell = hosts.shell(acting)
        jobs.clean(shell, acting.subject.home, acting.subject.job)
        with suppress(TransportError):
            _forget(backup, shell)
    move(backup, "fail", Because(acting.because.row, why, acting.because.actor))
    return why


def _forget(backup: Backup, shell: Shell) -> None:
    if backup.method == Backup.LOGICAL:
        logical.forget(backup, shell)
    elif backup.timeline and backup.timeline.archive:
        archive = archiving.archive(backup.timeline.archive)
        run(shell, archive.forget(archiving.line(backup.timeline), backup.label))


def remove(backup: Backup, acting: Acting) -> str:
    """A base backup goes with its timeline's `expire`; a logical one is a file of its own."""
    if backup.method == Backup.LOGICAL:
        logical.remove(backup)
    move(backup, "expire", Because(acting.because.row, acting.because.why, acting.because.actor))
    return backup.label


def _base(backup: Backup, acting: Acting) -> tuple[float, float, int, str, str] | None:
    timeline = backup.timeline
    if timeline is None:
        raise ActionError("This backup has no timeline any more.")
    archive = archiving.archive(timeline.archive)
    said = run(hosts.shell(acting), archive.look(archiving.line(timeline), acting.subject.home))
    _facts, found = archive.read(dict(line.split("=", 1) for line in said.splitlines() if "=" in line))
    for one in found:
        if one.label == backup.label:
            return one.began_at, one.ended_at, one.bytes, one.first_wal, one.last_wal
    return None


def _script(backup: Backup, acting: Acting) -> Script:
    if backup.instance is None:
        raise ActionError("The instance that this backup is taken from does not exist any more.")
    _shell, subject = hosts.of(backup.instance, acting)
    if backup.method == Backup.LOGICAL:
        return logical.script(backup, subject)
    if backup.timeline is None:
        raise ActionError("This backup has no timeline any more.")
    return archiving.archive(backup.timeline.archive).backup(archiving.line(backup.timeline), subject, backup.label)


ACTIONS: dict[str, Action] = {
    "begin": begin,
    "begin_anew": begin_anew,
    "confirm": confirm,
    "abandon": abandon,
    "remove": remove,
    "try_load": trying.try_load,
    "judge_trial": trying.judge,
    "fulfil": fulfil,
    "refuse": refuse,
}
