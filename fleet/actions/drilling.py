"""Restore drills, one step a beat: begin it on a server with room, then judge what it printed and note that on the
resource. Nothing of it is ever where anybody could take it for the database itself."""

import json
from dataclasses import replace
from typing import Any

from django.db.models import Count, Q

from fleet import archiving, drills, jobs, lifecycle, retaining, ring
from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError, fulfil
from fleet.lifecycle import Because
from fleet.models import Backup, Instance, Resource, Server, Timeline
from fleet.postgres import control, scratch
from fleet.postgres.commands import Script
from fleet.states import AVAILABLE, DESTROYED
from fleet.subject import Subject
from fleet.transports.base import CommandFailed, Shell, TransportError, checked


def drill(timeline: Timeline, acting: Acting) -> str:
    """Begin one: of the newest base backup, to the end of the archive."""
    plan = drills.under_way(timeline.attrs)
    if not plan or not Server.objects.filter(pk=plan["server"], state=AVAILABLE).exists():
        backup = retaining.good(timeline)[-1]
        number = acting.subject.now.strftime("%y%m%d%H%M%S")
        plan = {
            "job": f"{timeline.name[:40]}-drill-{number}",
            "server": str(_server(timeline, backup).pk),
            "backup": str(backup.pk),
        }
        _note(timeline, drill=json.dumps(plan))
    backup = Backup.objects.get(pk=plan["backup"])
    server = Server.objects.get(pk=plan["server"])
    subject, archive = _subject(timeline, server, plan["job"], acting), archiving.archive(timeline.archive)
    script = scratch.drill(
        subject,
        archive.restore(archiving.line(timeline), subject, backup.label, subject.data),
        archive.fetching([archiving.line(one) for one in archiving.ancestry(timeline)], subject),
        timeline.timeline_id,
        timeline.resource.dbname if timeline.resource else "postgres",
        scratch.counting(_recorded(backup)),
    )
    jobs.start(shell_on(server, acting), server.home, plan["job"], script.text, script.args, script.stdin)
    return f"{backup.name} on {server.name}"


def judge(timeline: Timeline, acting: Acting) -> str:
    """Note what came of it, and take away what is left of it."""
    plan = drills.under_way(timeline.attrs)
    server = Server.objects.get(pk=plan["server"])
    shell, subject = shell_on(server, acting), _subject(timeline, server, plan["job"], acting)
    look = jobs.look(shell, server.home, plan["job"])
    if look.job == jobs.RUNNING:
        raise ActionError("The restore drill is still running.")
    if look.job == jobs.DONE:
        said = drills.said(run_on(shell, Script('cat "$1/jobs/$2/log"', (server.home, plan["job"]))))
        verdict = _judged(timeline, plan, said, acting)
    else:
        run_on(shell, scratch.away(subject))
        verdict = {"good": False, "why": look.why or "the job ended without a message"}
    verdict |= {"at": acting.subject.now.isoformat(), "backup": plan["backup"], "server": server.name}
    jobs.clean(shell, server.home, plan["job"])
    _keep(timeline, verdict, acting)
    return f"good, restored in {verdict['took_s']:g} s" if verdict["good"] else f"failed: {verdict['why']}"


def record(backup: Backup, acting: Acting) -> None:
    """Note with a backup that is about to begin how many rows the biggest tables have, for later trials: all of those
    are in it, while what is written later may be on its way to the archive. Nobody depends on it: what can't be counted
    in time is not compared."""
    if backup.instance is None or backup.resource is None:
        return
    shell, subject = hosts.of(backup.instance, acting)
    try:
        rows = control.run_as_deputy(shell, subject, scratch.ROWS, backup.resource.dbname)
    except TransportError:
        return
    backup.attrs["rows"] = json.dumps(drills.counted(rows.splitlines()))
    Backup.objects.filter(pk=backup.pk).update(attrs=backup.attrs)


def record_after(backup: Backup, acting: Acting) -> None:
    """Note with a logical backup that is complete how much those tables changed while it was taken."""
    recorded = _recorded(backup)
    if backup.instance is None or backup.resource is None or not recorded:
        return
    shell, subject = hosts.of(backup.instance, acting)
    try:
        rows = control.run_as_deputy(shell, subject, scratch.changing(recorded), backup.resource.dbname)
    except TransportError:
        return
    backup.attrs["rows_after"] = json.dumps(drills.counted(rows.splitlines()))
    Backup.objects.filter(pk=backup.pk).update(attrs=backup.attrs)


def _judged(timeline: Timeline, plan: dict[str, str], said: drills.Said, acting: Acting) -> dict[str, Any]:
    backup = Backup.objects.get(pk=plan["backup"])
    recorded, why, tables = _recorded(backup), "", 0
    writer = Instance.objects.select_related("server").filter(pk=timeline.writer or None, state=AVAILABLE).first()
    if writer and recorded and timeline.resource:
        now = _changed(recorded, timeline.resource, writer, acting)
        why, tables = drills.wrong(recorded, said.rows, now), drills.compared(recorded, now)
    newest = said.newest or backup.ended_at
    return {
        "good": not why,
        "why": why,
        "took_s": said.restored_s,
        "newest": newest.isoformat() if newest else "",
        "bytes": said.bytes,
        "tables": tables,
    }


def _changed(recorded: drills.Counted, resource: Resource, writer: Instance, acting: Acting) -> drills.Counted:
    """How much the recorded tables have changed by now. Nothing is compared where the database can't be entered: its
    owner may have closed it meanwhile."""
    shell, subject = hosts.of(writer, acting)
    try:
        said = control.run_as_deputy(shell, subject, scratch.changing(recorded), resource.dbname)
    except CommandFailed:
        return {}
    return drills.counted(said.splitlines())


def _keep(timeline: Timeline, verdict: dict[str, Any], acting: Acting) -> None:
    because = Because(acting.because.row, verdict["why"] or "restored, checked and removed", acting.because.actor)
    if resource := timeline.resource:
        Resource.objects.filter(pk=resource.pk).update(drilled=verdict)
        lifecycle.story(resource, "was restored in a drill" if verdict["good"] else "failed its drill", because)
        ring.nudge(Resource.KIND, [resource.pk])
    _note(timeline, drill="")
    if acting.intent and acting.intent.verb == "drill":
        fulfil(timeline, acting)


def _recorded(backup: Backup) -> dict[str, list[int]]:
    found: dict[str, list[int]] = json.loads(backup.attrs.get("rows") or "{}")
    return found


def _server(timeline: Timeline, backup: Backup) -> Server:
    writer = Instance.objects.select_related("server").filter(pk=timeline.writer or None).first()
    needed = (backup.bytes or 0) * 3 // 2 // 1024
    return scene(timeline.major, writer.server.provider if writer else "", needed, f"restore {backup.name} for a drill")


def scene(major: int, provider: str, needed: int, what: str) -> Server:
    """The server with the fewest instances among those of the provider ("": of any) that have PostgreSQL `major` and
    `needed` kB free. ActionError where there is none to do `what`."""
    servers = (
        Server.objects.filter(state=AVAILABLE, pg__has_key=str(major), **({"provider": provider} if provider else {}))
        .exclude(host_key="")
        .annotate(living=Count("instances", filter=~Q(instances__state=DESTROYED)))
        .order_by("living", "name")
    )
    for server in servers:
        free = server.facts.get("disk_free_kb")
        if free is None or int(free) > needed:
            return server
    raise ActionError(f"No server has {needed >> 10} MB to {what}: add one.")


def _subject(timeline: Timeline, server: Server, job: str, acting: Acting) -> Subject:
    return replace(
        acting.subject,
        home=server.home,
        major=timeline.major,
        bin=server.pg.get(str(timeline.major), ""),
        data=f"{server.home}/drills/{job}/data",
        socket=f"@herdsite-{job}",
        port=5432,
    )


def shell_on(server: Server, acting: Acting) -> Shell:
    """The way to a server that is none of the thing's own."""
    host = server.host() if server.host_key else None
    if host is None:
        raise ActionError(f"{server.name} has no pinned host key: nothing can be done on it.")
    return acting.ports.shell(host)


def run_on(shell: Shell, script: Script) -> str:
    """Run it there and now; what it printed."""
    argv = ["sh", "-c", script.text, "herdsite", *script.args]
    return checked(argv, shell.run(argv, timeout=20.0)).out


def _note(timeline: Timeline, drill: str) -> None:
    timeline.attrs["drill"] = drill
    Timeline.objects.filter(pk=timeline.pk).update(attrs=timeline.attrs)
