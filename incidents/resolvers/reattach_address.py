"""A stable address leads nowhere, or elsewhere: its own table puts it back, and this sees that it does.

Symptom: customers can't find their database, though its leader is well.
Look first: does the provider answer? Does it know the address? Where does it lead?
Steps: wait for the address's own table.
Give up when: it is not back within two minutes: its problem says what the provider answers.
"""

from fleet.states import ATTACHED
from incidents.outcomes import Case, Outcome, again, fixed, give_up

PATIENCE_S = 120.0


def back(case: Case) -> Outcome:
    case.member.refresh_from_db()
    if case.member.state == ATTACHED:
        return fixed("it leads to the leader")
    why = case.member.problem or case.member.why or "its table is at it"
    return again(1, why) if case.step_s < PATIENCE_S else give_up(why)


STEPS = (back,)
