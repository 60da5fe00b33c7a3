"""Base backups are late, or segments are missing behind the last one: take one now. It is the new beginning of a window
without a gap; what lies before a gap stays reachable up to it.

Symptom: the archive misses segments, or the last base backup is more than a day old.
Look first: which segments are missing? Does archiving work now? Has the archive's disk room?
Steps: ask the timeline for a base backup; wait until it is kept.
Give up when: it is not kept within the hour.
"""

from fleet.models import Backup
from fleet.states import FAILED, KEPT
from incidents.outcomes import Case, Outcome, again, fixed, give_up
from incidents.resolvers.asking import answered, asked

PATIENCE_S = 3600.0


def ask(case: Case) -> Outcome:
    missing = case.facts["archive_missing"]
    return asked(case, "backup", f"missing: {missing}" if missing else "the last one is old")


def kept(case: Case) -> Outcome:
    last = Backup.objects.filter(timeline=case.member.pk, method=Backup.BASE).order_by("-created_at").first()
    if last is None or last.state == FAILED:
        return give_up(last.problem or "it failed" if last else "none was begun")
    if last.state != KEPT:
        return again(2, last.look.label) if case.step_s < PATIENCE_S else give_up(f"{last.name} is still on its way")
    return fixed(f"{last.name} is kept")


STEPS = (ask, answered, kept)
