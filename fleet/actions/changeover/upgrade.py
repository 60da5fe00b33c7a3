"""The new leader gets another major version of PostgreSQL before it leads. Its former leader is stopped and untouched
meanwhile: to roll back is to start it again."""

from dataclasses import replace

from fleet import certificates, doors, intake, ledger, upgrading
from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError
from fleet.models import Changeover, Instance
from fleet.postgres import control
from fleet.postgres.statements import statement
from fleet.sizes import sizing
from fleet.states import DESTROYED, DESTROYING
from fleet.subject import Subject


def runs(changeover: Changeover, acting: Acting) -> str:
    """Why pg_upgrade is not let at the database: what its customer has in there would run with the superuser's rights.
    "" where nothing would, and for a changeover of another kind. The host asks the same again once the leader is
    stopped, since the customer may have made more until then."""
    if changeover.source is None or upgrading.major_of(changeover) is None:
        return ""
    database = changeover.resource.dbname
    closed = doors.closed(changeover.source.facts, database)
    if closed == doors.NO_CONNECTIONS:
        return upgrading.closed(database)
    if closed:
        # Nobody but a superuser gets in, and none of ours enters while customers could: the host alone asks.
        return ""
    shell, subject = hosts.of(changeover.source, acting)
    sql = f"{statement('upgrade_runs', subject.major)};\n"
    objects = control.run_as_deputy(shell, subject, sql, database).splitlines()
    return upgrading.unsafe(objects) if objects else ""


def upgrade(changeover: Changeover, acting: Acting) -> str:
    """Begin it, as a detached job."""
    target = _target(changeover)
    major = upgrading.major_of(changeover)
    shell, old = hosts.orders(target, acting, changeover.epoch)
    ledger.mark(changeover, acting.lease, "upgrading")
    certificates.issue(target)
    shown = certificates.files(target)
    control.upgrade(shell, _in(old, target, major), acting.subject.job, old.bin, sizing(target), shown=shown)
    return f"{target.name} to PostgreSQL {major}"


def afterwards(changeover: Changeover, target: Instance, acting: Acting) -> None:
    """It serves: gather statistics, and let those go who have the old version."""
    shell, subject = hosts.orders(target, acting, changeover.epoch)
    control.after_upgrade(shell, subject, f"{target.name}-analyze-{changeover.generation}")
    why = f"{changeover.resource.name} has PostgreSQL {target.major} now"
    others = Instance.objects.filter(standby_for=changeover.resource, major__lt=target.major)
    for one in others.exclude(state__in=(DESTROYING, DESTROYED)):
        intake.write(one, "destroy", acting.because.actor, why, {}, key=f"{changeover.pk}/{one.pk}/old")


def abandon(changeover: Changeover, acting: Acting) -> None:
    """What was being upgraded is of no use to anybody, unless it leads by now."""
    target = _target(changeover)
    if target.state not in (DESTROYING, DESTROYED) and not target.resources.exclude(state=DESTROYED).exists():
        why = "the upgrade was cancelled"
        intake.write(target, "destroy", acting.because.actor, why, {}, key=f"{changeover.pk}/{target.pk}/off")


def _target(changeover: Changeover) -> Instance:
    if changeover.target_id is None:
        raise ActionError("The new leader is not chosen yet.")
    return Instance.objects.select_related("server", "timeline", "upstream").get(pk=changeover.target_id)


def _in(subject: Subject, target: Instance, major: int | None) -> Subject:
    """The same in the new version."""
    there = target.server.pg.get(str(major))
    if major is None or there is None:
        raise ActionError(f"{target.server} has no PostgreSQL {major}.")
    return replace(subject, major=major, bin=there)
