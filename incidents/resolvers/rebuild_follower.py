"""A standby or follower does not stream, or did not start: rebuild it from its leader.

Symptom: the standby is down, or up and falling behind; its leader is healthy.
Look first: can the standby reach its leader? Has its slot lost WAL, and does the archive have that WAL?
Steps: wait whether streaming resumes; ask for a rebuild; wait until the standby streams.
Give up when: the leader is not available, or the base backup fails three times. The standby's problem says why.
"""

from fleet.models import Intent
from fleet.states import AVAILABLE
from incidents.outcomes import Case, Outcome, again, fixed, give_up
from incidents.resolvers.asking import asked

BLIP_S = 15.0
COPY_S = 3600.0


def wait(case: Case) -> Outcome:
    """A leader that was just replaced is found within seconds."""
    if case.facts["upstream_state"] != AVAILABLE:
        why = "the leader is not available"
        return again(5, why) if case.step_s < 120 else give_up(why)
    return again(3, "streaming may resume by itself") if case.step_s < BLIP_S else fixed("streaming did not resume")


def rebuild(case: Case) -> Outcome:
    return asked(case, "rebuild", "the standby does not stream")


def streams(case: Case) -> Outcome:
    """Its own table answers once the copy serves: until then it may still be as it was before."""
    intent = Intent.objects.get(key=case.key)
    if intent.state == Intent.DONE:
        return fixed("the standby was rebuilt")
    if intent.state != Intent.OPEN:
        return give_up(f"rebuild: {intent.answer}")
    case.member.refresh_from_db()
    why = case.member.problem or case.member.why or "the standby is being rebuilt"
    return again(2, why) if case.step_s < COPY_S else give_up(why)


STEPS = (wait, rebuild, streams)
