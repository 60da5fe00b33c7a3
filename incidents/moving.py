"""The moves of an incident, each one transaction: the state with its Event, the journal, and who is to be told."""

from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from fleet import lifecycle, locking, ring
from fleet.lifecycle import Because
from fleet.states import RESOLVING, TRIGGERED
from incidents import desk, ourselves, playbooks
from incidents.models import Incident
from incidents.resolvers import RESOLVERS
from incidents.telling import ASKED, FIXED, OPENED, Telling
from incidents.watch import BY_TYPE, THEIRS

# What hung under an incident that is resolved gets this long to come back by itself (s).
AFTERWARDS_S = 30


def move(incident: Incident, name: str, because: Because, claim: ring.Claim, telling: Telling) -> None:
    """Take the move if the beat is still ours. Raises as lifecycle.move does."""
    source, problem = incident.state, incident.problem
    with transaction.atomic():
        lifecycle.move(incident, name, because, claim.lease)
        if name == "resolve":
            _resolved(incident, because, claim, telling)
        elif name == "escalate":
            _escalated(incident, because, problem, telling)
        else:
            desk.write(incident, name, because.why, because.actor)
        if source == RESOLVING:
            # Its playbook keeps no other from the same thing any more.
            others = desk.open_incidents().filter(subject=incident.subject).exclude(pk=incident.pk)
            transaction.on_commit(lambda: ring.nudge(Incident.KIND, others.values_list("pk", flat=True)))
        if source == TRIGGERED and name in ("begin", "escalate"):
            telling.tell_customer(incident, ASKED if incident.type in THEIRS else OPENED)


def runbook(incident: Incident) -> str:
    """The texts of the playbooks that were tried, for the person who is called; what there is to say where none was."""
    tried = [RESOLVERS[name].runbook for name in incident.tried if name in RESOLVERS]
    alarm = BY_TYPE.get(incident.type)
    if failing := ourselves.FAILINGS.get(incident.type):
        return failing.runbook
    return "\n\n".join(tried) or f"There is no playbook for {incident.type}" + (f": {alarm.because}." if alarm else ".")


def _escalated(incident: Incident, because: Because, problem: str, telling: Telling) -> None:
    # What the last playbook said is what the person wants to read first.
    Incident.objects.filter(pk=incident.pk).update(escalations=F("escalations") + 1, problem=problem)
    incident.refresh_from_db(fields=["escalations", "problem"])
    desk.write(incident, "escalated", f"{because.why}: {problem}" if problem else because.why, because.actor)
    telling.page(incident, incident.evidence, runbook(incident))


def _resolved(incident: Incident, because: Because, claim: ring.Claim, telling: Telling) -> None:
    mended = incident.resolver and because.facts.get("alarm") is False
    desk.write(incident, playbooks.MENDED if mended else "resolved", because.why, because.actor)
    Incident.objects.filter(pk=incident.pk).update(resolved_at=Now(), approved=False)
    children = locking.lock(desk.open_incidents().filter(cause=incident).values_list("pk", flat=True))
    Incident.objects.filter(pk__in=children).update(wait_until=claim.now + timedelta(seconds=AFTERWARDS_S))
    transaction.on_commit(lambda: ring.nudge(Incident.KIND, children))
    telling.ended(incident)
    telling.tell_customer(incident, FIXED)
