"""One step of one playbook: take it, write down what it answered, and note where the next beat goes on."""

from datetime import timedelta
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, transaction

from fleet import context, lifecycle, ring
from fleet.actions import ActionError
from fleet.facts import Facts
from fleet.ports import Ports
from fleet.providers.base import ProviderError
from fleet.transports.base import TransportError
from incidents import desk, playbooks
from incidents.models import Incident, Journal
from incidents.outcomes import AGAIN, FIXED, GIVE_UP, RAISED, CantAct, Case, Outcome, again, give_up
from incidents.resolvers import RESOLVERS, Playbook, Step
from incidents.telling import TRIED, Telling
from incidents.watch import THEIRS

log = structlog.get_logger("incident")

# After its last step a playbook has this long until the alarm has closed, or it did not help (s).
SETTLE_S = 60.0
# A wire that fails may be well again soon: how long a step is taken again for that, and how often (s).
WIRE_PATIENCE_S, WIRE_AGAIN_S = 60.0, 3.0


def step(
    incident: Incident,
    name: str,
    loaded: context.Loaded,
    felt: Facts,
    claim: ring.Claim,
    ports: Ports,
    vantage: str,
    telling: Telling,
) -> bool:
    """Take the step that the incident is at, of the playbook `name`. False when code of ours raised. LeaseLost if the
    beat is another's by the time there is an answer, which is dropped then."""
    playbook = RESOLVERS[name]
    if incident.resolver != name:
        _begin(incident, playbook, claim, vantage)
    case = Case(
        ports=ports,
        type=incident.type,
        key=f"incident/{incident.pk}/{name}/{incident.rounds}",
        actor=f"incident {incident.name}",
        step_s=(claim.now - (incident.step_since or claim.now)).total_seconds(),
        member=loaded.member,
        subject=loaded.subject,
        facts=felt,
        evidence=incident.evidence,
        approved=incident.approved,
    )
    taken = (*playbook.steps, _no_effect)[incident.step]
    outcome = _taken(taken, case, incident)
    _write_down(incident, playbook, taken.__name__.strip("_"), outcome, claim, vantage, telling)
    log.info(outcome.kind, incident=incident.name, resolver=name, step=taken.__name__, note=outcome.note)
    return outcome.kind != RAISED


def _taken(taken: Step, case: Case, incident: Incident) -> Outcome:
    try:
        return taken(case)
    except TransportError as error:
        return again(WIRE_AGAIN_S, str(error)) if case.step_s < WIRE_PATIENCE_S else give_up(str(error))
    except (CantAct, ProviderError, ActionError) as error:
        return give_up(str(error))
    except (OperationalError, InterfaceError):
        # Our own database went away: the step is taken again once it is back.
        raise
    except Exception as error:
        log.exception("raised", incident=incident.name, resolver=incident.resolver)
        return Outcome(RAISED, f"{type(error).__name__}: {error}")


def _no_effect(_case: Case) -> Outcome:
    return give_up("all steps were taken, and the alarm is still open")


def _begin(incident: Incident, playbook: Playbook, claim: ring.Claim, vantage: str) -> None:
    now = {"resolver": playbook.name, "resolver_version": playbook.version, "step": 0, "step_since": claim.now}
    with transaction.atomic():
        _update(incident, claim, **now)
        desk.write(incident, playbooks.BEGAN, playbook.runbook.splitlines()[0], vantage)


def _write_down(
    incident: Incident,
    playbook: Playbook,
    step: str,
    outcome: Outcome,
    claim: ring.Claim,
    vantage: str,
    telling: Telling,
) -> None:
    after: dict[str, Any] = {
        "outcome": outcome.kind,
        "attempts": incident.attempts + 1,
        "wait_until": None,
        "problem": "",
    }
    if outcome.kind == FIXED:
        last = incident.step + 1 == len(playbook.steps)
        after |= {"step": incident.step + 1, "step_since": claim.now}
        after |= {"wait_until": claim.now + timedelta(seconds=SETTLE_S)} if last else {}
    elif outcome.kind == AGAIN:
        after |= {"wait_until": claim.now + timedelta(seconds=outcome.after_s)}
    elif outcome.kind == GIVE_UP:
        after |= {"tried": [*incident.tried, playbook.name], "resolver": "", "step": 0, "problem": outcome.note}
    else:
        after |= {"problem": outcome.note}
    with transaction.atomic():
        if not _said_already(incident, step, outcome):
            desk.write(incident, outcome.kind, outcome.note, vantage, step=step)
        _update(incident, claim, **after)
        first = not incident.rounds and len(incident.tried) <= 1
        if outcome.kind in (GIVE_UP, RAISED) and first and incident.type not in THEIRS:
            telling.tell_customer(incident, TRIED)


def _said_already(incident: Incident, step: str, outcome: Outcome) -> bool:
    """A step that is taken again and again says so once."""
    last = Journal.objects.filter(incident=incident).last()
    said = last and (last.resolver, last.step, last.outcome, last.note)
    return outcome.kind == AGAIN and said == (incident.resolver, step, outcome.kind, outcome.note)


def _update(incident: Incident, claim: ring.Claim, **fields: Any) -> None:
    if not Incident.objects.filter(pk=incident.pk, lease=claim.lease).update(**fields):
        raise lifecycle.LeaseLost(f"{incident.name}: the lease ran out")
    for name, value in fields.items():
        setattr(incident, name, value)
