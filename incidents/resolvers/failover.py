"""The leader is gone, or can't be brought back soon, and a standby has what it had: let that one lead.

Symptom: the instance is down and nothing on its host could be done about it, or its host is silent.
Look first: is a standby there, and how far? Does the record say that no write can be lost? Is the brake on?
Steps: begin a changeover; it fences the old leader, proves that, promotes, moves the address, and leaves a receipt.
Wait for its end.
Give up when: it has no standby, or the changeover needs a person: what it refuses, and why, is in its story.
"""

from typing import Any

from fleet import changing
from fleet.lifecycle import Because
from fleet.models import Changeover, Resource
from fleet.states import CANCELLED, DESTROYED, DESTROYING, DONE, NEEDS_HUMAN
from incidents.outcomes import Case, Outcome, again, fixed, give_up

PATIENCE_S = 120.0


def begin(case: Case) -> Outcome:
    """One for each incident, however often this is tried."""
    resource = _resource(case)
    if resource is None or not resource.standbys.exclude(state__in=(DESTROYING, DESTROYED)).exists():
        return give_up("nobody stands by for it")
    if not _failovers(case).exclude(state__in=(DONE, CANCELLED)).exists():
        try:
            because = Because(None, "its leader is down", case.actor)
            changing.begin(resource, Changeover.FAILOVER, because, marks={"case": case.key})
        except (changing.Busy, changing.CantMove) as error:
            return again(0.5, str(error)) if case.step_s < PATIENCE_S else give_up(str(error))
    return fixed("a failover has begun")


def ended(case: Case) -> Outcome:
    """What became of it."""
    last = _failovers(case).order_by("-created_at").first()
    if last is None or last.state == CANCELLED:
        return give_up(str(last.marks.get("why", "it was cancelled")) if last else "its changeover is gone")
    if last.state == NEEDS_HUMAN:
        return give_up(str(last.marks.get("why", "the changeover needs a person")))
    if last.state != DONE:
        return again(0.5, last.look.label) if case.step_s < PATIENCE_S else give_up(f"it is still {last.look.label}")
    return fixed(str(last.receipt.get("proof", "")))


def _failovers(case: Case) -> Any:
    """Those that lead away from it, whoever began them. What only waits for its window is none."""
    return Changeover.objects.filter(source=case.member.pk, reason=Changeover.FAILOVER)


def _resource(case: Case) -> Resource | None:
    mine = Resource.objects.filter(instance=case.member.pk).exclude(state__in=(DESTROYING, DESTROYED))
    return next((one for one in mine.select_related("plan") if one.own_instance), None)


STEPS = (begin, ended)
