"""Taking a changeover's beats here and now. Any process may take a beat, so a failover can be forced from a terminal
when no worker is alive; where workers are, they and this process take turns, by the leases."""

import time
from collections.abc import Callable

from django.core.management.base import CommandError

from fleet import changing, lifecycle, policy, workers
from fleet.actions import resource as actions
from fleet.lifecycle import Because
from fleet.models import Changeover, Intent, Resource
from fleet.states import CANCELLED, DONE, NEEDS_HUMAN
from herdsite import wiring
from herdsite.turns import Turn

ENDS = (DONE, CANCELLED, NEEDS_HUMAN)


def begin(resource: Resource, intent: Intent) -> Changeover:
    """The changeover that was asked for, begun here unless a worker was faster. CommandError when it can't be: then it
    is not asked for any more."""
    because = Because(None, f"{intent.verb} from the command line", intent.actor)
    try:
        return actions.begin(resource, intent, because)
    except (changing.Busy, changing.CantMove) as error:
        if ours := Changeover.objects.filter(marks__intent=str(intent.pk)).first():
            return ours
        lifecycle.answer(Intent.objects.filter(pk=intent.pk), Intent.REFUSED, str(error))
        raise CommandError(str(error)) from error


def follow(changeover: Changeover, tell: Callable[[str], None], seconds: float) -> Changeover:
    """Beat it until it has ended or needs a person, telling each step as it comes. Returns it as it is then."""
    turn = Turn(policy.WORK, wiring.ports(), workers.vantage(), kinds=(Changeover.KIND,))
    end, told = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        changeover.refresh_from_db()
        now = f"{changeover.look.label}: {changeover.problem or changeover.marks.get('why') or changeover.why}"
        if now != told:
            tell(now)
            told = now
        if changeover.state in ENDS:
            break
        if not turn.once(Changeover.KIND):
            time.sleep(0.05)
    return changeover
