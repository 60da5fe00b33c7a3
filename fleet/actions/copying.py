"""How an instance comes to another's data: by streaming from it, or from what its archive holds."""

from datetime import datetime

from fleet import archiving, streams
from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError
from fleet.actions.timeline import run
from fleet.models import Backup, Credential, Instance, Resource, Timeline
from fleet.postgres import control, replication, roles
from fleet.postgres.config import Sizing
from fleet.postgres.scram import scram
from fleet.states import AVAILABLE, DESTROYED


def stand_by(instance: Instance, acting: Acting, mode: str, sizing: Sizing) -> str:
    """Begin to make it a standby of its upstream."""
    keep_place(instance, acting)
    stage = f"{instance.data}.files/{replication.PASSFILE}"
    stray = f"{instance.server.home}/strays/{instance.name}-{instance.generation}" if instance.outdated else ""
    control.stand_by(
        hosts.shell(acting),
        acting.subject,
        acting.subject.job,
        sizing,
        streams.files(instance, acting.subject),
        streams.conninfo(instance, stage),
        instance.slot,
        mode,
        stray,
    )
    return f"of {instance.upstream}"


def keep_place(instance: Instance, acting: Acting) -> None:
    """Have its upstream keep WAL for it from now on, up to the limit that no disk is filled by."""
    upstream = instance.upstream
    if upstream is None or upstream.state != AVAILABLE:
        raise ActionError(f"{upstream or 'Nobody'} is not there to stream from.")
    shell, subject = hosts.of(upstream, acting)
    control.run_sql(shell, subject, roles.slot(instance.slot))


def restore(instance: Instance, acting: Acting, sizing: Sizing) -> str:
    """Begin to make it of a base backup and WAL of the timeline that it parts from."""
    resource = Resource.objects.filter(instance=instance).exclude(state=DESTROYED).select_related("plan").get()
    source = Timeline.objects.select_related("parent").get(pk=instance.timeline.parent_id)
    backup = Backup.objects.select_related("timeline").get(pk=resource.attrs["from_backup"])
    archive = archiving.archive(source.archive)
    _archived(source, resource, acting)
    assert backup.timeline is not None
    fetching = archive.fetching([archiving.line(one) for one in archiving.ancestry(source)], acting.subject)
    moment = resource.attrs.get("moment", "")
    recovery = {
        **fetching.settings,
        "recovery_target_timeline": str(source.timeline_id),
        "recovery_target_action": "promote",
        # PostgreSQL replays only with as many connections as the copied one had.
        "max_connections": resource.attrs.get("connections", "400"),
        **({"recovery_target_time": datetime.fromisoformat(moment).isoformat(sep=" ")} if moment else {}),
    }
    owner = resource.credentials.get(purpose=Credential.OWNER)
    control.restore(
        hosts.shell(acting),
        acting.subject,
        acting.subject.job,
        sizing,
        streams.files(instance, acting.subject) | dict(fetching.files),
        archive.restore(archiving.line(backup.timeline), acting.subject, backup.label, f"{instance.data}.new"),
        recovery,
        roles.set_password(owner.role, scram(owner.secret)),
    )
    return f"{backup.label} and what follows{f', to {moment}' if moment else ''}"


def _archived(source: Timeline, resource: Resource, acting: Acting) -> None:
    """All that the source had written when this was asked lies in its archive: its leader closes the segment that it is
    at, once, and that one has to come. A source that is gone has nothing more to archive."""
    writer = Instance.objects.select_related("server").filter(pk=source.writer, state=AVAILABLE).first()
    if writer is None or writer.role != Instance.LEADER:
        return
    shell, subject = hosts.of(writer, acting)
    wal = resource.attrs.get("last_wal")
    if not wal:
        wal = control.run_sql(shell, subject, "SELECT pg_walfile_name(pg_switch_wal());\n").strip()
        resource.attrs["last_wal"] = wal
        Resource.objects.filter(pk=resource.pk).update(attrs=resource.attrs)
    archive = archiving.archive(source.archive)
    said = run(shell, archive.look(archiving.line(source), subject.home))
    facts, _kept = archive.read(dict(line.split("=", 1) for line in said.splitlines() if "=" in line))
    if (facts["archive_last"] or "")[8:] < wal[8:]:
        raise ActionError(f"{wal} of {source.name} has not come to the archive yet.")
