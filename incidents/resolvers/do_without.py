"""A machine without leaders stays away: do without it, and check from time to time whether it is back.

Symptom: the server is down, and every database that had its leader there is served from elsewhere.
Look first: were all its standbys replaced on other machines? Does the provider announce something?
Steps: make sure that no database is served from this server; wait, and check again.
Give up when: the machine has not come back within a day. A person then decides whether to retire the server.
"""

from fleet.models import Instance
from fleet.states import DESTROYED, DESTROYING
from incidents.outcomes import Case, Outcome, again, fixed, give_up

LOOK_S = 120.0
DAY_S = 86_400.0


def nobody_is_served(case: Case) -> Outcome:
    served = Instance.objects.filter(server=case.member.pk, standby_for=None)
    names = list(served.exclude(state__in=(DESTROYING, DESTROYED)).values_list("name", flat=True))
    return (
        give_up(f"{', '.join(names)} still served from this server")
        if names
        else fixed("no database is served from this server")
    )


def back(case: Case) -> Outcome:
    case.member.refresh_from_db()
    if case.member.state != "down":
        return fixed("the server is back")
    return (
        again(LOOK_S, "the herd does without it")
        if case.step_s < DAY_S
        else give_up("the server has been away for a day")
    )


STEPS = (nobody_is_served, back)
