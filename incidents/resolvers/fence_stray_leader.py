"""An instance that is not the leader accepts writes: stop it, save its stray writes, make it a standby.

Symptom: an instance that should be a standby answers as a leader. A former leader came back after another was promoted.
Look first: which instance leads by herdsite's records, and is that instance healthy? Which generation has each?
Steps: the first beat that sees the stray leader fences it; this playbook checks that the fencing worked.
Give up when: the instance still accepts writes after a minute. Then its host can't be reached: cut it off by other
means, such as the network or the provider.
"""

from incidents.outcomes import Case, Outcome, again, fixed, give_up

PATIENCE_S = 60.0


def fenced(case: Case) -> Outcome:
    case.member.refresh_from_db()
    if case.facts["postmaster"] is False or case.member.state not in ("available", "uncertain", "down"):
        return fixed("PostgreSQL is stopped")
    why = case.member.problem or "the instance's own beats are working on it"
    return again(1, why) if case.step_s < PATIENCE_S else give_up(why)


STEPS = (fenced,)
