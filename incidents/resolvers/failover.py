"""The leader is gone, or can't be brought back soon, and a standby has its data: fail over to the standby.

Symptom: the instance is down and could not be repaired on its host, or its host does not answer.
Look first: is a standby there, and how far behind is it? Do the records say that no acknowledged write can be lost? Is
the brake on?
Steps: begin a changeover, which fences the old leader, proves that, promotes the standby, moves the address and leaves
a receipt. Wait for its end.
Give up when: no standby exists, or the changeover needs a person: its events say what was refused, and why.
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
        return give_up("no standby is there")
    if not _failovers(case).exclude(state__in=(DONE, CANCELLED)).exists():
        try:
            because = Because(None, "the leader is down", case.actor)
            changing.begin(resource, Changeover.FAILOVER, because, marks={"case": case.key})
        except (changing.Busy, changing.CantMove) as error:
            return again(0.5, str(error)) if case.step_s < PATIENCE_S else give_up(str(error))
    return fixed("a failover has begun")


def ended(case: Case) -> Outcome:
    """What became of it."""
    last = _failovers(case).order_by("-created_at").first()
    if last is None or last.state == CANCELLED:
        return give_up(str(last.marks.get("why", "the changeover was cancelled")) if last else "the changeover is gone")
    if last.state == NEEDS_HUMAN:
        return give_up(str(last.marks.get("why", "the changeover needs a person")))
    if last.state != DONE:
        return (
            again(0.5, last.look.label)
            if case.step_s < PATIENCE_S
            else give_up(f"the changeover is still {last.look.label.lower()}")
        )
    return fixed(str(last.receipt.get("proof", "")))


def _failovers(case: Case) -> Any:
    """Those that lead away from it, whoever began them. What only waits for its window is none."""
    return Changeover.objects.filter(source=case.member.pk, reason=Changeover.FAILOVER)


def _resource(case: Case) -> Resource | None:
    mine = Resource.objects.filter(instance=case.member.pk).exclude(state__in=(DESTROYING, DESTROYED))
    return next((one for one in mine.select_related("plan") if one.own_instance), None)


STEPS = (begin, ended)
