"""A standby or follower streams from nobody, or would not start: copy it anew from its leader.

Symptom: it is down, or up and falling behind; its leader is well.
Look first: can it reach its leader? Has its slot lost WAL, and does the archive have it?
Steps: wait whether it finds back by itself; ask it to be rebuilt; wait until it streams.
Give up when: its leader is not there, or the copy fails three times: its problem says why.
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
        why = "its leader is not available"
        return again(5, why) if case.step_s < 120 else give_up(why)
    return again(3, "it may find back by itself") if case.step_s < BLIP_S else fixed("it does not find back")


def rebuild(case: Case) -> Outcome:
    return asked(case, "rebuild", "it streams from nobody")


def streams(case: Case) -> Outcome:
    """Its own table answers once the copy serves: until then it may still be as it was before."""
    intent = Intent.objects.get(key=case.key)
    if intent.state == Intent.DONE:
        return fixed("it was copied anew")
    if intent.state != Intent.OPEN:
        return give_up(f"rebuild: {intent.answer}")
    case.member.refresh_from_db()
    why = case.member.problem or case.member.why or "it is being copied"
    return again(2, why) if case.step_s < COPY_S else give_up(why)


STEPS = (wait, rebuild, streams)
