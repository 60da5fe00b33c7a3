"""Base backups are late, or WAL segments are missing behind the last one: take a base backup now.

Symptom: the archive misses segments, or the last base backup is more than a day old.
Look first: which segments are missing? Does archiving work now? Has the archive's disk room?
Steps: ask the timeline for a base backup, from which restores to any later time work again; wait until it is kept.
Times before the gap can still be restored to.
Give up when: the base backup is not kept within an hour.
"""

from fleet.models import Backup
from fleet.states import FAILED, KEPT
from incidents.outcomes import Case, Outcome, again, fixed, give_up
from incidents.resolvers.asking import answered, asked

PATIENCE_S = 3600.0


def ask(case: Case) -> Outcome:
    missing = case.facts["archive_missing"]
    return asked(case, "backup", f"missing: {missing}" if missing else "the last base backup is old")


def kept(case: Case) -> Outcome:
    last = Backup.objects.filter(timeline=case.member.pk, method=Backup.BASE).order_by("-created_at").first()
    if last is None or last.state == FAILED:
        return give_up(last.problem or "the base backup failed" if last else "no base backup was begun")
    if last.state != KEPT:
        return again(2, last.look.label) if case.step_s < PATIENCE_S else give_up(f"{last.name} is not finished yet")
    return fixed(f"{last.name} is kept")


STEPS = (ask, answered, kept)
