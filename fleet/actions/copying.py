"""How an instance comes to another's data: by streaming from it, or from what its archive holds."""

from datetime import datetime
from math import inf

from django.db.models import Q

from fleet import archiving, streams
from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError
from fleet.actions.timeline import run
from fleet.archives import holes, living
from fleet.archives.base import SEGMENT_BYTES, begins
from fleet.models import Backup, Credential, Instance, Resource, Timeline
from fleet.postgres import commands, control, roles
from fleet.postgres.config import Sizing
from fleet.postgres.scram import scram
from fleet.states import AVAILABLE, CANCELLED, DESTROYED, DONE
from fleet.stopping import BEGUN_AT
from fleet.succession import lsn

# A follower that is further behind (s) has as much to replay as the archive.
NEAR_S = 60.0
PAGE_BYTES = 8192


def stand_by(instance: Instance, acting: Acting, mode: str, sizing: Sizing) -> str:
    """Begin to make it a standby of its upstream."""
    instance.attrs[BEGUN_AT] = f"{acting.subject.now.timestamp():.3f}"
    Instance.objects.filter(pk=instance.pk).update(attrs=instance.attrs)
    if mode == commands.BUILD:
        # Its copying makes the slot along the way.
        _there(instance)
    else:
        keep_place(instance, acting)
    let_go = instance.attrs.get("strays") == f"discarded-{instance.generation}"
    keeps = instance.outdated and not let_go
    stray = f"{instance.server.home}/strays/{instance.name}-{instance.generation}" if keeps else ""
    control.stand_by(
        *hosts.ordered(acting),
        acting.subject.job,
        sizing,
        streams.files(instance, acting.subject),
        streams.conninfo(instance, f"{instance.data}.files"),
        instance.slot,
        mode,
        stray,
    )
    return f"of {instance.upstream}"


def keep_place(instance: Instance, acting: Acting) -> None:
    """Have its upstream keep WAL for it from now on, up to the limit that no disk is filled by."""
    shell, subject = hosts.of(_there(instance), acting)
    control.run_sql(shell, subject, roles.slot(instance.slot))


def _there(instance: Instance) -> Instance:
    """Its upstream, if that can be streamed from. Raises ActionError."""
    upstream = instance.upstream
    if upstream is None or upstream.state != AVAILABLE:
        raise ActionError(f"{upstream or 'No leader'} is not available to stream from.")
    if upstream.taken.exclude(state__in=(DONE, CANCELLED)).exclude(marks__has_key="promoted").exists():
        # Before that it is on the old timeline: a leader that was would keep what is going to be discarded.
        raise ActionError(f"{upstream} has not been promoted yet.")
    return upstream


def restore(instance: Instance, acting: Acting, sizing: Sizing) -> str:
    """Begin to make it of a base backup and WAL of the timeline that it parts from; its attributes say which
    (copies.origin). What is to be as the source is now is copied of a follower, if there is one: what failed so is made
    of the archive."""
    resource = _whose(instance)
    source = Timeline.objects.select_related("parent").get(pk=instance.timeline.parent_id)
    backup = Backup.objects.select_related("timeline").get(pk=instance.attrs["from_backup"])
    archive = archiving.archive(source.archive)
    last, newest = _archived(source, backup, instance, acting)
    assert backup.timeline is not None
    goal = _goal(source, last, newest, _rest_end(instance))
    fetching = archive.fetching([archiving.line(one) for one in archiving.ancestry(source)], acting.subject)
    moment = instance.attrs.get("moment", "")
    recovery = {
        **fetching.settings,
        "recovery_target_timeline": str(source.timeline_id),
        "recovery_target_action": "promote",
        # PostgreSQL replays only with as many connections as the copied one had.
        "max_connections": instance.attrs.get("connections", "400"),
        **({"recovery_target_time": datetime.fromisoformat(moment).isoformat(sep=" ")} if moment else {}),
    }
    owner = resource.credentials.get(purpose=Credential.OWNER)
    into = f"{instance.data}.new"
    follower = near(source, instance) if last and not moment and not acting.facts["tries"] else None
    if follower is None:
        copy = archive.restore(archiving.line(backup.timeline), acting.subject, backup.label, into)
    else:
        size = int(follower.facts["size_bytes"] or 0)
        leads = streams.to(follower, instance.slot, f"{instance.data}.files")
        copy = living.copy(leads, archiving.line(source).name, acting.subject, size, into)
    control.restore(
        *hosts.ordered(acting),
        acting.subject.job,
        sizing,
        streams.files(instance, acting.subject) | dict(fetching.files),
        copy,
        recovery,
        roles.set_password(owner.role, scram(owner.secret)),
        last=last,
        goal=goal,
    )
    return f"{follower or backup.label} and what follows{f', to {moment}' if moment else ''}"


def _goal(source: Timeline, last: str, newest: str, end: str = "") -> tuple[int, str]:
    """Where its recovery has to come to, unless it stops at a moment before: the end of what its source closed for it
    (`last`), the `end` of the WAL of one that is lost and has archived all of it, or the newest segment that the
    archive of a source that is gone has. A timeline and a position."""
    if last:
        return source.timeline_id, lsn.text(begins(last) + SEGMENT_BYTES)
    if at := lsn.known(end or None):
        # The end of a record that ends with its page may be written as the beginning of the next page's first one.
        return source.timeline_id, lsn.text(at - PAGE_BYTES)
    # A record that goes on in a segment that never came is not replayed: it comes into the last one, not to its end.
    return source.timeline_id, lsn.text(begins(newest) + 1) if newest else source.forked_lsn or "0/0"


def _rest_end(instance: Instance) -> str:
    """Up to where the leader that it is to take over from has archived its WAL by hand, all of it; "" otherwise."""
    ends = instance.taken.filter(marks__has_key="rest_end").exclude(state=CANCELLED)
    return str(ends.values_list("marks__rest_end", flat=True).first() or "")


def near(source: Timeline, instance: Instance) -> Instance | None:
    """A follower that has all but the last moments of that timeline, best on the same server. No commit waits for a
    follower, as it may for a hidden standby, so nobody who writes feels that it is copied."""
    follows = Q(role=Instance.STANDBY, standby_for=None, state=AVAILABLE, outdated=False, major=instance.major)
    there = [one for one in source.instances.select_related("server").filter(follows) if _lag_s(one) <= NEAR_S]
    return min(there, key=lambda one: (one.server_id != instance.server_id, one.name), default=None)


def _lag_s(follower: Instance) -> float:
    """How far behind it is, as far as that was seen; no copy is taken of what nobody knows the size of."""
    lag_s = follower.facts.get("replay_lag_s")
    return float(lag_s) if lag_s is not None and follower.facts.get("size_bytes") else inf


def _whose(instance: Instance) -> Resource:
    """The resource that it is built for: its own, or the one whose changeover waits for it."""
    alive = Resource.objects.exclude(state=DESTROYED).select_related("plan")
    resource = alive.filter(Q(instance=instance) | Q(changeovers__target=instance)).first()
    if resource is None:
        raise ActionError("No changeover waits for this copy any more.")
    return resource


def _archived(source: Timeline, backup: Backup, instance: Instance, acting: Acting) -> tuple[str, str]:
    """See to it that all comes to the archive that the source had written when this was asked: its leader closes the
    segment that it is at, once. That segment's name, "" for a source that is gone, which has nothing more to archive;
    and the newest segment that is there.
    Raises ActionError when what is there has a gap."""
    archive = archiving.archive(source.archive)
    said = run(hosts.shell(acting), archive.look(archiving.line(source), acting.subject.home))
    facts, _kept = archive.read(dict(line.split("=", 1) for line in said.splitlines() if "=" in line))
    moment = datetime.fromisoformat(instance.attrs["moment"]) if "moment" in instance.attrs else None
    first = backup.first_wal if backup.timeline_id == source.pk else ""
    if lost := holes.crossed(holes.holes(facts), first, moment):
        raise ActionError(
            f"The archive of {source.name} misses {lost.name}: no restore leads past it from {backup.name}."
        )
    writer = Instance.objects.select_related("server").filter(pk=source.writer, state=AVAILABLE).first()
    if writer is None or writer.role != Instance.LEADER:
        return "", facts.get("archive_last") or ""
    shell, subject = hosts.of(writer, acting)
    wal = instance.attrs.get("last_wal")
    if not wal:
        wal = control.run_sql(
            shell, subject, "SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_switch_wal() - 1);\n"
        ).strip()
        instance.attrs["last_wal"] = wal
        Instance.objects.filter(pk=instance.pk).update(attrs=instance.attrs)
    return str(wal), facts.get("archive_last") or ""
