"""Trial loads of logical backups, one step a beat: begin one on a server with room, then judge what it printed and note
that on the database. Nothing of it is ever where anybody could take it for the database itself."""

from dataclasses import replace
from typing import Any

from fleet import drills, jobs, lifecycle, ring
from fleet.actions.base import Acting, ActionError
from fleet.actions.drilling import run_on, scene, shell_on
from fleet.lifecycle import Because
from fleet.logical import leaving, trials
from fleet.models import Backup, Resource, Server
from fleet.postgres import scratch
from fleet.postgres.commands import Script
from fleet.states import AVAILABLE
from fleet.subject import Subject


def try_load(backup: Backup, acting: Acting) -> str:
    """Begin one."""
    found = trials.under_way(backup)
    if not found or not Server.objects.filter(pk=found["server"], state=AVAILABLE).exists():
        number = acting.subject.now.strftime("%y%m%d%H%M%S")
        server = _server(backup)
        found = {"job": f"{backup.name[:40]}-trial-{number}", "server": str(server.pk)}
        trials.plan(backup, found)
    server = Server.objects.get(pk=found["server"])
    script = trials.script(backup, _subject(backup, server, found["job"], acting))
    jobs.start(shell_on(server, acting), server.home, found["job"], script.text, script.args, script.stdin)
    return f"on {server.name}"


def judge(backup: Backup, acting: Acting) -> str:
    """Note what came of it, and take away what is left of it."""
    found = trials.under_way(backup)
    server = Server.objects.get(pk=found["server"])
    shell = shell_on(server, acting)
    look = jobs.look(shell, server.home, found["job"])
    if look.job == jobs.RUNNING:
        raise ActionError("The trial load is still running.")
    log = run_on(shell, Script('cat "$1/jobs/$2/log"', (server.home, found["job"])))
    if look.job == jobs.DONE:
        verdict = _judged(backup, log)
    else:
        run_on(shell, scratch.away(_subject(backup, server, found["job"], acting)))
        against = leaving.sentence(leaving.told(log, leaving.OBSTACLE))
        verdict = {"good": False, "why": against or look.why or "the job ended without a message"}
    verdict |= {"at": acting.subject.now.isoformat(), "backup": backup.name, "server": server.name}
    jobs.clean(shell, server.home, found["job"])
    trials.plan(backup, {})
    because = Because(acting.because.row, verdict["why"] or "loaded, compared, and taken away", acting.because.actor)
    if resource := backup.resource:
        trials.note(resource, verdict)
        lifecycle.story(resource, "was loaded on trial" if verdict["good"] else "failed its trial load", because)
        ring.nudge(Resource.KIND, [resource.pk])
    return f"good, loaded in {verdict['took_s']:g} s" if verdict["good"] else f"failed: {verdict['why']}"


def _judged(backup: Backup, log: str) -> dict[str, Any]:
    said, recorded, after = drills.said(log), trials.recorded(backup), trials.recorded(backup, "rows_after")
    why = drills.wrong(recorded, said.rows, after)
    return {
        "good": not why,
        "why": why,
        "took_s": said.restored_s,
        "tables": drills.compared(recorded, after),
        "left": leaving.told(log, leaving.LEFT),
    }


def _server(backup: Backup) -> Server:
    resource = backup.resource
    if resource is None:
        raise ActionError("The database of this backup does not exist any more.")
    provider = backup.instance.server.provider if backup.instance else ""
    needed = 2 * max(int(backup.attrs.get("db_bytes") or 0), backup.bytes or 0) // 1024
    return scene(resource.major, provider, needed, f"load {backup.name} on trial")


def _subject(backup: Backup, server: Server, job: str, acting: Acting) -> Subject:
    major = backup.resource.major if backup.resource else 0
    root = f"{server.home}/drills/{job}"
    return replace(
        acting.subject,
        home=root,
        major=major,
        bin=server.pg.get(str(major), ""),
        data=f"{root}/data",
        socket=f"@herdsite-{job}",
        port=5432,
    )
