"""A machine on which nobody is served stays away: do without it, and look from time to time whether it is back.

Symptom: the server is down, and every database that had its leader there is served from elsewhere.
Look first: was everything that stood by there replaced on other machines? Does its provider announce something?
Steps: see that nobody is served from it; wait, and look again.
Give up when: it has not come back within a day: a person decides whether it is retired.
"""

from fleet.models import Instance
from fleet.states import DESTROYED, DESTROYING
from incidents.outcomes import Case, Outcome, again, fixed, give_up

LOOK_S = 120.0
DAY_S = 86_400.0


def nobody_is_served(case: Case) -> Outcome:
    served = Instance.objects.filter(server=case.member.pk, standby_for=None)
    names = list(served.exclude(state__in=(DESTROYING, DESTROYED)).values_list("name", flat=True))
    return give_up(f"{', '.join(names)} served from it") if names else fixed("nobody is served from it")


def back(case: Case) -> Outcome:
    case.member.refresh_from_db()
    if case.member.state != "down":
        return fixed("it is back")
    return again(LOOK_S, "the herd does without it") if case.step_s < DAY_S else give_up("it has been away for a day")


STEPS = (nobody_is_served, back)
