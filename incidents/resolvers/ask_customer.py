"""The customer has made a setting that is the customer's to make: the customer is told, and the setting stays.

Symptom: synchronous_commit of a database or role waits for no standby, so that a failover may lose acknowledged writes;
or a database was made read only, or closed to herdsite.
Look first: does one role only load data that can be loaded again, or is it the application's own role?
Steps: the customer is told when the incident opens; the incident stays open, for everybody to see, until the setting
is gone.
Give up when: never. The choice is the customer's. A person who thinks that the customer overlooks the risk writes.
"""

from incidents.outcomes import Case, Outcome, again

LOOK_S = 7 * 86_400.0


def leave(_case: Case) -> Outcome:
    return again(LOOK_S, "the customer has chosen this, and has been told what it means")


STEPS = (leave,)
