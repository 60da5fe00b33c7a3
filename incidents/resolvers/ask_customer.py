"""Something is as its customer has set it, and is the customer's to set: the customer is told, and it stays so.

Symptom: a database or role has synchronous_commit set to what waits for no standby, so that a failover may lose what
was acknowledged.
Look first: is it one role that loads data and can load it again, or the application's own?
Steps: the customer is told when the incident opens; then it stays open, for everybody to see, until the setting goes.
Give up when: never. It is the customer's to choose; who thinks that the customer does not know what it means, writes.
"""

from incidents.outcomes import Case, Outcome, again

LOOK_S = 7 * 86_400.0


def leave(_case: Case) -> Outcome:
    return again(LOOK_S, "its customer has chosen so, and has been told what it means")


STEPS = (leave,)
