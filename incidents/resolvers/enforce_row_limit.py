"""A database has more rows than its plan allows: its customer gets a week to make room or to choose a bigger plan.

Symptom: the planner's estimate of the rows is over the limit of the plan.
Look first: has one table grown, or is the estimate wrong (run ANALYZE)?
Steps: the customer is told when the incident opens, and has a week. No right is revoked automatically: an owner of
tables could grant the right again, and a customer who can't write can't delete either.
Give up when: the week is over. A person then talks to the customer.
"""

from incidents.outcomes import Case, Outcome, again, give_up

GRACE_S = 7 * 86_400.0


def grace(case: Case) -> Outcome:
    left = GRACE_S - case.step_s
    return (
        again(left, "the customer has a week")
        if left > 0
        else give_up("the week is over, and the database is over its limit")
    )


STEPS = (grace,)
