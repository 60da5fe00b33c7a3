"""WAL that a leader wrote before another took over is missing in the archive: a restore to that time is not possible.
The WAL is archived from whichever instance still has it.

Symptom: the archive of a closed timeline ends before the point at which its successor began, or has a hole.
Look first: was the archive unreachable, or the archiver behind, when the leader was lost? Which instances have that
WAL?
Steps: every instance that answers (the leader, standbys, followers, the former leader) archives what is missing and
what it has of that; for the rest, a base backup of the present timeline is taken, from which on every time can be
restored again.
Give up when: no instance has the missing WAL. A person is told which times can't be restored; forks and restores to
them are refused.
"""

from fleet import archiving, retaining, ring, subjects
from fleet.archives import holes
from fleet.archives.base import names_between
from fleet.intents import AskError, ask
from fleet.models import Instance, Timeline
from fleet.postgres import control
from fleet.states import DESTROYED, DESTROYING, DOWN, OPEN
from fleet.transports.base import TransportError
from incidents.outcomes import CantAct, Case, Outcome, again, fixed, give_up

# So many segments go with one call, and so many members are asked in one step: each segment is compressed and made
# durable, and the step has to end within its lease.
AT_ONCE, FILL_S, MEMBERS = 4, 5.0, 3
PATIENCE_S = 3600.0


def fill(case: Case) -> Outcome:
    """What members have of it comes into its place; nobody is asked twice for what could not be got."""
    line = _line(case)
    missing = _missing(line)
    if not missing:
        return fixed("nothing is missing any more")
    told, got = [], set[str]()
    for member in _members(line):
        left = [name for name in missing if name not in got][:AT_ONCE]
        if not left:
            break
        try:
            shell, subject = case.ordered(subjects.instance_subject(member, case.subject.now))
            wiring = archiving.archive(line.archive).filling(archiving.line(line), subject)
            push = wiring.settings["archive_command"]
            had = control.fill_archive(shell, subject, push, wiring.files, left, FILL_S)
        except (TransportError, CantAct, ValueError) as error:
            told.append(f"{member.name}: {error}")
            continue
        got |= set(had)
        told.append(f"{member.name} had {len(had)} of {len(left)} segments")
    ring.nudge(Timeline.KIND, [line.pk])
    note = "; ".join(told) or "no instance is left"
    if got:
        # What came is seen by the timeline's next look, and there may be more.
        return again(3, note)
    return fixed(f"{note}: the missing WAL is lost")


def renew(case: Case) -> Outcome:
    """From here on every moment has to be within reach again; what is lost is told."""
    line = _line(case)
    if not _missing(line):
        return fixed("nothing is missing any more")
    written = Timeline.objects.filter(resource=line.resource_id, state=OPEN).order_by("-created_at").first()
    if written and written.pk != line.pk and not retaining.good(written):
        try:
            ask(written, "backup", actor=case.actor, reason=f"{line.name} lacks WAL", key=f"{case.key}/new")
        except AskError as error:
            return give_up(str(error))
        if case.step_s < PATIENCE_S:
            return again(5, f"a base backup of {written.name} is on its way")
    missing = line.facts.get("archive_missing")
    Timeline.objects.filter(pk=line.pk).update(attrs=line.attrs | {"hole_told": missing})
    return give_up(f"{_words(line)}; no instance has that WAL")


STEPS = (fill, renew)


def _words(line: Timeline) -> str:
    """Which moments are lost with what is missing."""
    lost = []
    for hole in holes.known(line.facts.get("archive_holes")):
        since = f"{hole.since:%Y-%m-%d %H:%M:%S} UTC" if hole.since else "the beginning"
        lost.append(f"{line.name} misses {hole.name}: no moment from {since} to the next base backup can be restored")
    return "; ".join(lost) or f"{line.name} lacks WAL"


def _line(case: Case) -> Timeline:
    return Timeline.objects.select_related("resource").get(pk=case.member.pk)


def _missing(line: Timeline) -> list[str]:
    return [name for hole in holes.known(line.facts.get("archive_holes")) for name in names_between(hole.name)]


def _members(line: Timeline) -> list[Instance]:
    """Those of its database whose servers are up, the leader first."""
    kin = Timeline.objects.filter(resource=line.resource_id) if line.resource_id else [line]
    up = (
        Instance.objects.filter(timeline__in=kin).exclude(state__in=(DESTROYING, DESTROYED)).exclude(server__state=DOWN)
    )
    found = sorted(up.select_related("server"), key=lambda one: (one.role != Instance.LEADER, one.name))
    return found[:MEMBERS]
