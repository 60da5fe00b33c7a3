"""A stable address leads nowhere, or elsewhere: its own beats attach it again, and this playbook checks that.

Symptom: customers can't reach their database by its address, though its leader is healthy.
Look first: does the provider answer? Does it know the address? Where does the address lead?
Steps: wait for the address's own beats.
Give up when: the address is not attached within two minutes. The problem on its page has the provider's answer.
"""

from fleet.states import ATTACHED
from incidents.outcomes import Case, Outcome, again, fixed, give_up

PATIENCE_S = 120.0


def back(case: Case) -> Outcome:
    case.member.refresh_from_db()
    if case.member.state == ATTACHED:
        return fixed("the address leads to the leader")
    why = case.member.problem or case.member.why or "the instance's own beats are working on it"
    return again(1, why) if case.step_s < PATIENCE_S else give_up(why)


STEPS = (back,)
