"""A disk is full or soon will be: grow it by half, where the provider can.

Symptom: little room is left, or none will be within hours at this rate. PostgreSQL stops when the disk is full.
Look first: what fills the disk? WAL that an archive or a slot holds back, temporary files, logs, or customers' data?
Steps: check that the provider can grow the disk, and that it has not grown too much or too recently; order it; wait
until the host reports the room. While archiving fails, waiting WAL fills the disk: then it is grown only once.
Give up when: the provider can't grow disks; the disk grew within the last day; or it would become more than twice the
size that was ordered. Then find what fills the disk, or choose a bigger machine: a person decides.
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
        return give_up("the provider can't make the disk bigger")
    if (at := server.attrs.get(GROWN_AT)) and case.subject.now - datetime.fromisoformat(at) < PAUSE:
        return give_up(f"the disk grew to {server.disk_mb} MB within the last day, and is full again")
    if at and (failing := _archive_failing(server)) and datetime.fromisoformat(at) > failing.created_at:
        return give_up(
            f"the disk has grown since {failing.name} began: repair the archive, and PostgreSQL removes the WAL"
        )
    if _next(server) <= server.disk_mb:
        return give_up(f"the disk's {server.disk_mb} MB are {MOST:g} times what was ordered")
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
    return fixed(f"the disk has {server.disk_mb} MB")


def room(case: Case) -> Outcome:
    """By the last look at the host, which comes every so often."""
    used = case.facts["disk_used_pct"]
    if used is not None and used < ROOM_PCT:
        return fixed(f"{used:g} % of the disk are used")
    why = "the disk has not been checked yet" if used is None else f"{used:g} % of the disk are still used"
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
