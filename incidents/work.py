"""One beat of an incident: see whether its alarm is still open, think, take a step, write it down; and on, for as long
as nothing has to take effect first: customers wait.

A worker keeps nothing between beats, and whatever it leaves undone when it dies, the next beat finds as it was: a step
is counted only once its answer is in the database, and is taken again until then.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import IntegrityError
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from fleet import context, lifecycle, policy, ring
from fleet.facts import Facts, read, text
from fleet.models import MEMBERS
from fleet.ports import Ports
from fleet.rules import DO, GO, Rule, think
from fleet.states import DESTROYED, DESTROYING, NEEDS_HUMAN, RESOLVED, RESOLVING, TRIGGERED, WAITING
from incidents import brake, desk, mending, moving, ourselves, playbooks
from incidents.life import LIFE, PATIENCE_S, WORKING
from incidents.models import Incident
from incidents.models.incident import CODE_FAILED, HERD, HERDSITE, STORM
from incidents.outcomes import RAISED
from incidents.telling import Telling
from incidents.watch import SERVER, open_types

log = structlog.get_logger("incident")

AT_ONCE = 4
# How often an open incident looks (s). It is told at once when its alarm closes.
INTERVAL_S = {TRIGGERED: 1.0, RESOLVING: 1.0, WAITING: 5.0, NEEDS_HUMAN: 5.0}
SOONEST_S = 0.02
# The playbook that needs nothing of the server.
TAKES_OVER = "failover"
# How many moves and steps it takes at a stretch.
STRETCH = 6


@dataclass(frozen=True)
class Seen:
    """What a beat knows of an incident: `facts` are its own, `loaded` and `felt` the thing's (None for a storm, and for
    what is no more)."""

    incident: Incident
    claim: ring.Claim
    facts: Facts
    loaded: context.Loaded | None
    felt: Facts | None
    playbook: str


def go_round(
    ports: Ports, vantage: str, telling: Telling, n: int = AT_ONCE, queue: str = policy.WORK
) -> tuple[int, int]:
    """Claim up to `n` incidents of the queue and give each its beat, here and now. Returns how many, and
    how many went wrong."""
    claim = ring.claim(Incident.KIND, queue, n, vantage)
    wrong = 0
    for incident in Incident.objects.filter(pk__in=claim.ids).select_related("cause"):
        wrong += not beat(incident, claim, ports, vantage, telling)
    return len(claim.ids), wrong


def beat(
    incident: Incident, claim: ring.Claim, ports: Ports, vantage: str, telling: Telling, stretch: int = STRETCH
) -> bool:
    """One incident's beat, of at most `stretch` moves and steps. False when something in it went wrong."""
    well, began = True, time.monotonic()
    for _ in range(stretch):
        seen = see(incident, claim, vantage)
        rule = think(LIFE, incident.state, seen.facts)
        try:
            goes_on, well = _carry_out(seen, rule, ports, vantage, telling)
        except (lifecycle.LeaseLost, ConcurrentTransition, TransitionNotAllowed, IntegrityError) as error:
            # It is another's by now, or another one's playbook was quicker: the next beat sees what is so.
            log.info("dropped", incident=incident.name, why=str(error).splitlines()[0])
            break
        if not goes_on:
            break
        incident = Incident.objects.select_related("cause").get(pk=incident.pk)
    _release(seen, rule, vantage)
    log.debug("beat", incident=incident.name, row=rule.row, ms=round((time.monotonic() - began) * 1000, 1))
    return well


def _carry_out(seen: Seen, rule: Rule, ports: Ports, vantage: str, telling: Telling) -> tuple[bool, bool]:
    """One move or one step. Whether the next can follow at once, and whether all went well."""
    incident, claim, well = seen.incident, seen.claim, True
    if rule.then.kind == GO:
        because = lifecycle.Because(
            rule.row, rule.because, vantage, {name: seen.facts[name] for name in rule.when.names}
        )
        moving.move(incident, rule.then.name, because, claim, telling)
    elif rule.then.kind != DO or not ring.hold(incident, claim, policy.ACT_TIMEOUT_S + policy.LEASE_MARGIN_S):
        return False, True
    else:
        assert seen.loaded is not None and seen.felt is not None
        well = mending.step(incident, seen.playbook, seen.loaded, seen.felt, claim, ports, vantage, telling)
    return well and incident.state == RESOLVING and not incident.wait_until, well


def see(incident: Incident, claim: ring.Claim, vantage: str) -> Seen:
    """Everything that its table asks for, from herdsite's own database alone."""
    member = None
    if incident.subject_kind in MEMBERS:
        member = MEMBERS[incident.subject_kind].objects.filter(pk=incident.subject).first()
    loaded = context.load_one(member, vantage, ring.Claim(claim.lease, [member.pk], claim.now)) if member else None
    felt = read(claim.now, loaded.member.facts, **loaded.facts) if loaded else None
    if incident.type in brake.HELD and incident.cause is None and loaded and not _in_the_middle(incident):
        _hang_under(incident, ourselves.blindness() or brake.storm_over(loaded.member))
    if incident.type == STORM and incident.cause is None:
        _hang_under(incident, ourselves.blindness())
    playbook, mode = playbooks.coming(incident)
    if mode == playbooks.NONE and incident.state in WORKING and not _under_cause(incident) and loaded:
        hindrance = desk.hindrance(incident, brake.server_of(loaded.member))
        if hindrance:
            desk.put_off(incident, hindrance)
    facts = {
        "state": incident.state,
        "state_s": max(0.0, (claim.now - incident.state_since).total_seconds()),
        "alarm": _alarm(incident, loaded),
        "subject_gone": incident.subject_kind in MEMBERS
        and (loaded is None or loaded.member.state in (DESTROYING, DESTROYED)),
        "under_cause": _under_cause(incident),
        "way_out": _has_way_out(incident, loaded),
        "locked": _others(incident).filter(state=RESOLVING).exists(),
        "playbook": mode,
        "raised": incident.outcome == RAISED,
        "wait_s": (incident.wait_until - claim.now).total_seconds() if incident.wait_until else 0.0,
        "patience_s": _patience(incident),
        "server_state": loaded.facts.get("server_state") if loaded and incident.subject_kind != SERVER else None,
    }
    return Seen(incident, claim, read(claim.now, {}, **facts), loaded, felt, playbook)


def _in_the_middle(incident: Incident) -> bool:
    """Whether its playbook has begun to change things. A storm that comes then lets it finish: a server that was
    switched off and is not switched on again is worse off than by either."""
    return incident.state == RESOLVING and incident.step > 0


def _has_way_out(incident: Incident, loaded: context.Loaded | None) -> bool:
    """Whether it is worked on although its cause is, too: a standby can take over, a disk can be given room."""
    ready = (
        loaded is not None and loaded.facts.get("standby_ready") and TAKES_OVER in playbooks.resolvers_of(incident.type)
    )
    return bool(ready and loaded and not _held(incident, loaded)) or (
        incident.cause is not None and incident.cause.type == desk.FILLING
    )


def _held(incident: Incident, loaded: context.Loaded) -> bool:
    """Our own blindness, or a storm, holds back what would otherwise not wait for its cause; a storm does not where a
    failover costs nothing, up to and with that failover."""
    if incident.cause is None or not incident.cause.is_open:
        return False
    if incident.cause.subject_kind == HERD and TAKES_OVER not in incident.tried:
        return not brake.costs_nothing(loaded.member)
    return incident.cause.subject_kind in (HERD, HERDSITE)


def _under_cause(incident: Incident) -> bool:
    return incident.cause is not None and incident.cause.is_open


def _alarm(incident: Incident, loaded: context.Loaded | None) -> bool:
    if incident.type == STORM:
        return brake.goes_on(incident)
    if incident.subject_kind == HERDSITE:
        return ourselves.goes_on(incident)
    if incident.type == CODE_FAILED:
        return True
    return loaded is not None and incident.type in open_types(loaded.member.watch)


def _patience(incident: Incident) -> float | None:
    """How long it may be in this state; what waits may do so until its date, and what waits for a person has time."""
    if incident.state not in PATIENCE_S:
        return None
    end = PATIENCE_S[incident.state]
    if incident.state == WAITING and incident.wait_until:
        end += max(0.0, (incident.wait_until - incident.state_since).total_seconds())
    if incident.deadline:
        end = min(end, max(0.0, (incident.deadline - incident.state_since).total_seconds()))
    return end


def _others(incident: Incident) -> Any:
    return Incident.objects.filter(subject=incident.subject).exclude(pk=incident.pk)


def _hang_under(incident: Incident, cause: Incident | None) -> None:
    if cause:
        Incident.objects.filter(pk=incident.pk).update(cause=cause)
        incident.cause = cause


def _release(seen: Seen, rule: Rule, vantage: str) -> None:
    """Give the row back: soon where a playbook is at work, never again where it is resolved."""
    incident = Incident.objects.get(pk=seen.incident.pk)
    in_s: float | None = INTERVAL_S.get(incident.state)
    if in_s is not None and rule.then.kind in (GO, DO):
        in_s = SOONEST_S
    if incident.state == RESOLVING and incident.wait_until:
        waits = (incident.wait_until - seen.claim.now) / timedelta(seconds=1)
        in_s = min(max(waits, SOONEST_S), INTERVAL_S[RESOLVING])
    if incident.state == RESOLVED:
        in_s = None
    beat = ring.Beat(
        id=incident.pk,
        claim=seen.claim,
        in_s=in_s,
        facts={name: text(value) for name, value in seen.facts.items()},
        probed={},
        evidence=incident.evidence,
        row=rule.row,
        why=rule.because,
        seen=seen.facts["alarm"] is False,
        problem=incident.problem,
        tries=min(incident.attempts, policy.MOST_TRIES),
    )
    ring.release(Incident.KIND, [beat], vantage)
