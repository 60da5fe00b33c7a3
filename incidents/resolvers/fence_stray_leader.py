"""Something that is no leader takes writes: stop it. What it took is kept as a dump, and it comes back as a standby.

Symptom: an instance that shall stand by answers as a leader: one that woke up after another was promoted.
Look first: who leads by our records, and is that one well? Which generation does each bear?
Steps: its own table fences it at the first beat that sees it; this sees that it does.
Give up when: it still takes writes after a minute: its host can't be reached, so cut it off by other means.
"""

from incidents.outcomes import Case, Outcome, again, fixed, give_up

PATIENCE_S = 60.0


def fenced(case: Case) -> Outcome:
    case.member.refresh_from_db()
    if case.facts["postmaster"] is False or case.member.state not in ("available", "uncertain", "down"):
        return fixed("it is stopped")
    why = case.member.problem or "its table is at it"
    return again(1, why) if case.step_s < PATIENCE_S else give_up(why)


STEPS = (fenced,)
