"""A database has more rows than its plan takes: its customer gets a week to make room or to choose a bigger plan.

Symptom: the planner's estimate of its rows is over the plan's.
Look first: is it one table that grew, or the estimate that is off (run ANALYZE)?
Steps: the customer is told when the incident opens; then it waits a week. Nothing is taken away from the customer by
itself: an owner of tables could give himself back what was revoked, and who can't write can't delete either.
Give up when: the week is over. A person then talks to the customer.
"""

from incidents.outcomes import Case, Outcome, again, give_up

GRACE_S = 7 * 86_400.0


def grace(case: Case) -> Outcome:
    left = GRACE_S - case.step_s
    return again(left, "its customer has a week") if left > 0 else give_up("the week is over, and it is over its limit")


STEPS = (grace,)
