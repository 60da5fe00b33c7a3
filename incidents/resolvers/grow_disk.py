"""A disk is full or soon will be: make it half as big again, where its provider can.

Symptom: little room is left, or at this rate there will be none within hours; PostgreSQL stops when there is none.
Look first: what fills it? WAL that an archive or a slot holds back, temporary files, logs, or what its customers keep?
Steps: see that the provider can and that it has not grown too much or too lately; have it grown; wait until the host
says that there is room. While an archive fails, what fills the disk is WAL that waits for it: then room is given once.
Give up when: the provider can't; it grew within the last day; it would be more than twice what was ordered: then
something is wrong with what fills it, or a bigger machine is due, and a person decides.
"""

from datetime import datetime, timedelta

from fleet.models import Instance, Server
from incidents import desk
from incidents.models import Incident
from incidents.outcomes import Case, Outcome, again, fixed, give_up

FACTOR, MOST = 1.5, 2.0
PAUSE = timedelta(days=1)
ROOM_PCT, ROOM_S, LOOK_S = 85, 180.0, 3.0
# What lies on the server's row: the size that it was ordered with, when it last grew, and in which run of the playbook.
ORDERED, GROWN_AT, GROWN_BY = "disk_mb_ordered", "disk_grown_at", "disk_grown_by"


def may(case: Case) -> Outcome:
    server = Server.objects.get(pk=case.member.pk)
    if not case.ports.provider(server.provider).can_grow:
        return give_up("its provider can't make its disk bigger")
    if (at := server.attrs.get(GROWN_AT)) and case.subject.now - datetime.fromisoformat(at) < PAUSE:
        return give_up(f"it grew to {server.disk_mb} MB within the last day, and that is full too")
    if at and (failing := _archive_failing(server)) and datetime.fromisoformat(at) > failing.created_at:
        return give_up(
            f"it has grown since {failing.name} began: the archive is to be mended, and WAL goes away by itself"
        )
    if _next(server) <= server.disk_mb:
        return give_up(f"its {server.disk_mb} MB are {MOST:g} times what was ordered")
    return fixed(f"from {server.disk_mb} to {_next(server)} MB")


def grow(case: Case) -> Outcome:
    """The provider first, then the row: cut off between them, the same size is asked for again; once the row has it,
    this run has had its turn."""
    server = Server.objects.get(pk=case.member.pk)
    if server.attrs.get(GROWN_BY) != case.key:
        size = _next(server)
        case.ports.provider(server.provider).grow(server.name, size)
        marks = {ORDERED: str(_ordered(server)), GROWN_AT: case.subject.now.isoformat(), GROWN_BY: case.key}
        Server.objects.filter(pk=server.pk).update(disk_mb=size, attrs=server.attrs | marks)
        server.disk_mb = size
    return fixed(f"it has {server.disk_mb} MB")


def room(case: Case) -> Outcome:
    """By the last look at the host, which comes every so often."""
    used = case.facts["disk_used_pct"]
    if used is not None and used < ROOM_PCT:
        return fixed(f"{used:g} % of it are used")
    why = "its disk has not been looked at" if used is None else f"{used:g} % of it are used still"
    return again(LOOK_S, why) if case.step_s < ROOM_S else give_up(why)


def _archive_failing(server: Server) -> Incident | None:
    """The open incident of an archive that WAL on this disk waits for."""
    instances = Instance.objects.filter(server=server).values("pk")
    return desk.open_incidents().filter(subject__in=instances, type=desk.FILLING).order_by("created_at").first()


def _ordered(server: Server) -> int:
    return int(server.attrs.get(ORDERED) or server.disk_mb)


def _next(server: Server) -> int:
    """The size that it is to have next (MB)."""
    return int(min(server.disk_mb * FACTOR, _ordered(server) * MOST))


STEPS = (may, grow, room)
