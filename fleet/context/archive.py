"""What a beat knows of a timeline and of a backup before it looks."""

from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Prefetch, Q, QuerySet

from fleet import archiving, drills, logical, policy, progress, retaining, stopping
from fleet.jobs import LOOK
from fleet.logical import trials
from fleet.models import Backup, Changeover, Instance, Intent, Server, Timeline
from fleet.postgres.commands import Script, inline
from fleet.states import (
    AVAILABLE,
    CANCELLED,
    CLOSED,
    DESTROYED,
    DONE,
    EXPIRED,
    FAILED,
    KEPT,
    OPEN,
    STARTED,
    UNCERTAIN,
    UPLOADING,
    VERIFYING,
)
from fleet.subject import BACKUP, TIMELINE, Subject
from fleet.subjects import instance_subject

Known = tuple[Subject, dict[str, Any], float | None]
RUNNING = (STARTED, UPLOADING, VERIFYING)


def timeline(member: Any, now: Any, _intent: Intent | None) -> Known:
    writer = next((one for one in member.instances.all() if str(one.pk) == member.writer), None)
    drill = drills.under_way(member.attrs)
    scene = Server.objects.filter(pk=drill["server"], state__in=(AVAILABLE, UNCERTAIN)).first() if drill else None
    # What is drilled on a server that went down is judged when that comes back, or drilled anew elsewhere.
    drill = drill if scene else {}
    server = scene or _host(writer)
    prepared = member.attrs.get("prepared") == "true"
    look = _look(member, server, drill.get("job", "")) if server and member.archive and prepared else Script("true", ())
    subject = Subject(
        TIMELINE,
        member.pk,
        member.name,
        member.state,
        now,
        provider=server.provider if server else "",
        host=server.host() if server and server.host_key else None,
        home=server.home if server else "",
        job=drill.get("job", ""),
        archive=member.archive,
        script=look.text,
        stdin=look.stdin,
        interval_s=policy.ARCHIVE_S.get(member.state, policy.LONGEST_S),
        known=member.facts,
        probed=member.probed,
    )
    newest = member.newest or member.created_at
    facts = {
        "prepared": prepared if member.archive else None,
        "writer_state": writer.state if writer else DESTROYED,
        "changeover": "open" if member.moving else "none",
        "backups": member.good,
        "backup_runs": member.running > 0,
        "backup_age_s": max(0.0, (now - newest).total_seconds()),
        "drilling": bool(drill),
        "drill_due": member.state == OPEN and _drill_due(member, now),
        "superseded": writer is None or not _leads(writer) or writer.state == DESTROYED,
        "expirable": bool(retaining.expirable(member, now)) if member.archive else False,
        "hole_told": bool(member.facts.get("archive_missing"))
        and member.attrs.get("hole_told") == member.facts.get("archive_missing"),
        "kept": member.state == CLOSED and retaining.needed(member, now, member.has_children),
    }
    return subject, facts, None


def _drill_due(timeline: Timeline, now: Any) -> bool:
    resource = timeline.resource
    if resource is None or not timeline.archive:
        return False
    return drills.is_due(resource.drilled, resource.created_at, now, resource.pk.int % 1000 / 1000)


def _host(writer: Instance | None) -> Server | None:
    """From where its place in the archive is looked at: its writer's host while that is well, else any other of the
    same provider, since all see the archive."""
    if writer and writer.server.state == AVAILABLE:
        return writer.server
    same = Q(provider=writer.server.provider) if writer else Q()
    return Server.objects.filter(same, state=AVAILABLE).exclude(host_key="").order_by("name").first()


def _look(timeline: Timeline, server: Server, job: str) -> Script:
    """What `look` says, and how its drill is, as one script without arguments: a probe's question has none."""
    until, after = archiving.handed_over(timeline) if timeline.state == CLOSED else ("", [])
    others = [archiving.line(one) for one in after]
    look = archiving.archive(timeline.archive).look(archiving.line(timeline), server.home, until, others)
    return Script((LOOK + progress.LOOK if job else "") + inline(look), (), look.stdin)


def backup(member: Any, now: Any, _intent: Intent | None) -> Known:
    beneath = member.instance
    job = f"{member.name}-take" if member.state in (STARTED, UPLOADING, VERIFYING) else ""
    seen = instance_subject(beneath, now, job=job) if beneath else None
    logical_one = member.method == Backup.LOGICAL and member.state == KEPT
    trial = trials.under_way(member) if logical_one else {}
    scene = Server.objects.filter(pk=trial["server"], state__in=(AVAILABLE, UNCERTAIN)).first() if trial else None
    subject = Subject(
        BACKUP,
        member.pk,
        member.name,
        member.state,
        now,
        provider=seen.provider if seen else "",
        host=(scene.host() if scene.host_key else None) if scene else seen.host if seen else None,
        home=scene.home if scene else seen.home if seen else "",
        data=seen.data if seen else "",
        job=trial["job"] if scene else job,
        interval_s=policy.ARCHIVE_S.get(member.state, policy.LONGEST_S),
        known=member.facts,
        probed=member.probed,
    )
    facts = {
        "instance_state": beneath.state if beneath else DESTROYED,
        "due_out": logical.is_over(member, now),
        "trying": scene is not None,
        "trial_due": logical_one and member.newest and trials.is_due(member, now),
        "superseded": beneath is not None and _superseded(member, beneath),
        "stopped": stopping.stopped(member, member.instance_id)
        if member.state in (STARTED, UPLOADING)
        else stopping.NO,
    }
    return subject, facts, None


def _superseded(backup: Backup, beneath: Instance) -> bool:
    """Another instance serves that database now, or writes where that timeline went on."""
    if backup.method == Backup.LOGICAL:
        return backup.resource is not None and backup.resource.instance_id != beneath.pk
    return beneath.timeline_id != backup.timeline_id or not _leads(beneath)


def _leads(instance: Instance) -> bool:
    return instance.role == Instance.LEADER and not instance.outdated


def timelines() -> QuerySet[Any]:
    good = Q(backups__state=KEPT, backups__method=Backup.BASE)
    return (
        Timeline.objects.select_related("plan", "parent", "resource")
        .prefetch_related(
            Prefetch("instances", Instance.objects.select_related("server")),
            "resource__timelines",
            Prefetch("backups", Backup.objects.filter(method=Backup.BASE).exclude(state__in=(EXPIRED, FAILED))),
        )
        .annotate(
            good=Count("backups", filter=good, distinct=True),
            running=Count("backups", filter=Q(backups__state__in=RUNNING, backups__method=Backup.BASE), distinct=True),
            newest=Max("backups__ended_at", filter=good),
            moving=Exists(
                Changeover.objects.filter(timeline=OuterRef("pk"))
                .exclude(state__in=(DONE, CANCELLED))
                .exclude(marks__has_key="promoted")
            ),
            has_children=Exists(
                Timeline.objects.filter(parent=OuterRef("pk"))
                .exclude(state=EXPIRED)
                .exclude(Exists(Backup.objects.filter(timeline=OuterRef("pk"), method=Backup.BASE, state=KEPT)))
            ),
        )
    )


def backups() -> QuerySet[Any]:
    newer = Backup.objects.filter(
        resource=OuterRef("resource"), method=Backup.LOGICAL, state=KEPT, ended_at__gt=OuterRef("ended_at")
    )
    found = Backup.objects.select_related("instance__server", "timeline", "resource__plan")
    return found.annotate(newest=~Exists(newer))
