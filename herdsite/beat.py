"""One beat: feel one thing, think once, act once, and write down which row of which table made it so. A move takes no
time: the table is asked again at once with what was felt, and what it says to do in the new state is done.

Feeling happens in threads and touches no database of ours; everything else happens here, in the turn's own thread.
A result whose lease was lost is dropped: whoever has the lease now looks for himself.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DataError, InterfaceError, OperationalError, transaction
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from fleet import context, doubt, lifecycle, orders, policy, ring, withdrawals
from fleet.actions import ACTIONS, Acting, ActionError
from fleet.models import Intent
from fleet.ports import Ports
from fleet.providers.base import ProviderError
from fleet.rules import DO, GO
from fleet.subject import CHANGEOVER
from fleet.transports.base import TransportError
from herdsite import pulse
from herdsite.thought import Thought, ponder
from incidents import desk, ourselves, takeover, watch
from incidents.models.incident import CODE_FAILED
from observations import record
from observations.feel import REFUSED_S, feel

# From well to doubtful to down, say, when one look proves all of it.
MOST_MOVES = 3
# Moves that change nothing but their own thing's state: what was read before them still holds.
ALONE = ("doubt", "go_down", "come_back", "fence", "promote", "repoint")
# From planned to done, with some left.
MOST_STEPS = 12

log = structlog.get_logger("beat")
moves = structlog.get_logger("act")


def finish(kind: str, thoughts: Sequence[Thought], ports: Ports, vantage: str) -> int:
    """Act on what was thought, and give the rows back. Returns how many beats went wrong."""
    still = [thought for thought in thoughts if thought.rule.then.kind not in (GO, DO)]
    _release(kind, still, [_beat(thought) for thought in still], vantage)
    wrong = 0
    for thought in thoughts:
        if thought.rule.then.kind in (GO, DO):
            try:
                wrong += not _carry_out(kind, thought, ports, vantage)
            except (OperationalError, InterfaceError):
                raise
            except Exception as error:
                _raised(thought, error)
                stumble(thought.loaded, thought.claim, error)
                wrong += 1
    return wrong


def takes_long(thought: Thought) -> bool:
    """Whether finishing it may keep others waiting: something is done to a host, or an incident may be opened, which
    is worked on at once."""
    then = thought.rule.then
    return then.kind == DO or (then.kind == GO and then.name in ("go_down", "go_down_early"))


def stumble(loaded: context.Loaded, claim: ring.Claim, error: Exception) -> None:
    """Code of ours raised over one thing: that one waits and shows why, the others go on."""
    log.exception("raised", subject=loaded.subject.name, exc_info=error)
    ring.postpone(
        loaded.subject.kind, claim, loaded.subject.id, policy.PATIENT_S, f"{type(error).__name__}: {error}"[:2000]
    )


def _carry_out(kind: str, thought: Thought, ports: Ports, vantage: str) -> bool:
    """One move, one action, or both, with their Events, and the row's release. The steps of a changeover follow each
    other in one beat, since customers wait for them. False when an action failed."""
    well = True
    try:
        for _ in range(MOST_STEPS if kind == CHANGEOVER else 1):
            thought = _moved(thought, vantage)
            if thought.rule.then.kind != DO:
                done = _beat(thought, in_s=0)
                break
            member = thought.loaded.member
            if ring.acts_apart(member):
                return _act_apart(kind, thought, ports, vantage)
            if not ring.hold(member, thought.claim, policy.act_timeout(kind) + policy.LEASE_MARGIN_S):
                raise lifecycle.LeaseLost(f"{member.name}: the lease ran out before {thought.rule.then.name}")
            done, well = _act(kind, thought, ports, vantage)
            if not well or kind != CHANGEOVER:
                break
            further = _further(thought, vantage)
            if further.rule.then.kind not in (GO, DO) or further.rule == thought.rule:
                break
            thought = further
    except (lifecycle.LeaseLost, ConcurrentTransition, TransitionNotAllowed) as error:
        log.info("dropped", subject=thought.loaded.member.name, why=str(error))
        return True
    _release(kind, [thought], [done], vantage)
    return well


def _act_apart(kind: str, thought: Thought, ports: Ports, vantage: str) -> bool:
    """One action, while others look on: the look is given back first, and what it found counts. False when the action
    failed; while another acts, or a pause between two tries lasts, this beat has only looked."""
    member = thought.loaded.member
    began = ring.begin_act(member, thought.claim, policy.act_timeout(kind) + policy.LEASE_MARGIN_S)
    if began is None:
        raise lifecycle.LeaseLost(f"{member.name}: the lease ran out before {thought.rule.then.name}")
    ours = _release(kind, [thought], [_beat(thought)], vantage, tell=not began)
    if not began:
        return True
    done, well = _act(kind, thought, ports, vantage)
    # Customers wait for the action and not for the incident, which whoever looks meanwhile opens as well.
    _report([thought], ours, vantage)
    if not ring.end_act(kind, done):
        log.info("dropped", subject=member.name, why=f"another worker has acted since {thought.rule.then.name} began")
    return well


def _moved(thought: Thought, vantage: str) -> Thought:
    """What there is to do after the moves that come first; with nothing to do, the last move, as why it is there."""
    for _ in range(MOST_MOVES):
        if thought.rule.then.kind == GO:
            moved = thought.rule
            _move(thought, vantage)
            thought = _further(thought, vantage, alone=moved.then.name in ALONE)
    return thought if thought.rule.then.kind == DO else replace(thought, rule=moved)


def _because(thought: Thought, vantage: str) -> lifecycle.Because:
    return lifecycle.Because(thought.rule.row, thought.rule.because, vantage, _frozen(thought), thought.evidence)


def _asked(thought: Thought) -> Intent | None:
    """What was asked for, where the row won because of that."""
    facts, rule = thought.facts, thought.rule
    because = "asked" in rule.when.names and rule.when({**facts, "asked": None}) is not True
    return thought.loaded.intent if because else None


def _taken_up(thought: Thought) -> bool:
    """Whether what was asked for is still wanted: what was cancelled meanwhile is not begun."""
    intent = _asked(thought)
    return intent is None or withdrawals.take_up(intent)


def _raised(thought: Thought, error: Exception) -> None:
    """Code of ours raised. At the third time over one Intent that is refused, and a person hears of it."""
    intent, member = _asked(thought), thought.loaded.member
    words = f"{type(error).__name__}: {error}"
    if intent and (told := withdrawals.raised(intent, words)):
        evidence = {"facts": {"asked for": str(intent), "by": intent.actor, "error": words[:1000]}}
        desk.raise_incident(CODE_FAILED, member.KIND, member.pk, member.name, watch.PAGE, evidence, told)


def _move(thought: Thought, vantage: str) -> None:
    member, name = thought.loaded.member, thought.rule.then.name
    if name in ("come_up", "come_back") and thought.facts["boot_id"]:
        member.attrs["boot_id"] = thought.facts["boot_id"]
    lifecycle.move(member, name, _because(thought, vantage), thought.claim.lease, lambda: _taken_up(thought))


def _further(thought: Thought, vantage: str, alone: bool = False) -> Thought:
    """What the same look says in the state that it led to. A job that its next step hangs on has a name of its own, by
    which nothing was asked yet."""
    if alone:
        loaded = context.moved(thought.loaded, thought.claim, thought.known)
    else:
        loaded = context.load_one(thought.loaded.member, vantage, thought.claim, thought.known)
    look = thought.look
    if loaded.subject.job != thought.loaded.subject.job:
        look = replace(look, attrs=look.attrs | {"job": "none" if "job" in look.attrs else None, "job_why": None})
    return ponder(loaded, thought.claim, look, vantage)


def _act(kind: str, thought: Thought, ports: Ports, vantage: str) -> tuple[ring.Beat, bool]:
    """Its beat, to be released, and whether it went well."""
    member, verb = thought.loaded.member, thought.rule.then.name
    because = _because(thought, vantage)
    began, problem = time.monotonic(), ""
    if not _taken_up(thought):
        return _beat(thought, in_s=0, problem=member.problem, tries=member.tries), True
    try:
        note = ACTIONS[kind][verb](
            member,
            Acting(
                ports,
                thought.loaded.subject,
                thought.facts,
                thought.loaded.intent,
                because,
                thought.claim.lease,
                orders.anchor(thought.look.attrs),
            ),
        )
    except lifecycle.LeaseLost:
        # Another worker has gone on: nothing of this beat counts, and there is nothing to tell.
        raise
    except (ActionError, TransportError, ProviderError) as error:
        problem = str(error)
    except Exception as error:
        # A bug in one action must cost one thing its step, not every other thing its beat.
        problem = f"{type(error).__name__}: {error}"
        moves.exception("raised", subject=member.name, action=verb)
        _raised(thought, error)
    ms = round((time.monotonic() - began) * 1000)
    before = _repeated(thought, not problem)
    if problem:
        if intent := _asked(thought):
            withdrawals.failed(intent)
        moves.warning(verb, subject=member.name, row=because.row, problem=problem, ms=ms)
        if problem != member.problem:
            lifecycle.story(member, f"{verb} failed", lifecycle.Because(because.row, problem, vantage), member.state)
        in_s = policy.retry(before)
    else:
        moves.info(verb, subject=member.name, row=because.row, why=because.why, ms=ms)
        why = f"{because.why}: {note}" if note else because.why
        lifecycle.story(
            member, verb, lifecycle.Because(because.row, why, vantage, because.facts), member.state, member.state
        )
        in_s = _next_in_s(kind, member, before)
    tries = policy.tries(verb, before, thought.facts["stopped"] == "before" and not problem)
    return _beat(thought, in_s=in_s, problem=problem, tries=tries), not problem


def _next_in_s(kind: str, member: Any, before: int) -> float:
    """Seconds from an action that went well to the next beat, `before` being how often it was taken before."""
    if kind == CHANGEOVER:
        # The steps of a changeover follow each other: customers wait for them.
        return 0.0
    return policy.again(before) if policy.counts_tries(member.state) else policy.follow_up(before)


def _repeated(thought: Thought, well: bool) -> int:
    """How often this was tried before: since the last move where a table goes by that, and otherwise in a row. A row
    that succeeds after another has acted, or after a beat that had nothing to do, begins anew."""
    member = thought.loaded.member
    fresh = well and not policy.counts_tries(member.state) and member.row != thought.rule.row
    return 0 if fresh else member.tries


def _beat(
    thought: Thought, in_s: float | None = None, problem: str | None = None, tries: int | None = None
) -> ring.Beat:
    member, facts, rule = thought.loaded.member, thought.facts, thought.rule
    if in_s is None:
        in_s = policy.interval(
            member.KIND,
            member.state,
            thought.loaded.beat_s,
            facts["state_s"] or 0,
            facts["asked_s"],
        )
        in_s = None if in_s is None else policy.early(in_s, random.random())
    elif member.state == "destroyed":
        in_s = None
    return ring.Beat(
        id=member.pk,
        claim=thought.claim,
        in_s=in_s,
        facts=thought.known,
        probed=dict(thought.loaded.subject.probed) | thought.look.probed,
        evidence=thought.evidence,
        row=rule.row,
        why=rule.because,
        seen=thought.look.good,
        problem=_problem(thought) if problem is None else problem,
        tries=tries,
        watch=thought.judged.streaks,
    )


def _problem(thought: Thought) -> str | None:
    """What a person should know when nothing was done: why a job failed, else what went wrong before (None)."""
    if thought.facts["job"] in ("failed", "lost"):
        return str(thought.facts["job_why"] or "the job ended without a message")
    return "" if thought.loaded.member.state == "available" and thought.rule.then.kind not in (GO, DO) else None


def _release(
    kind: str, thoughts: Sequence[Thought], beats: Sequence[ring.Beat], vantage: str, tell: bool = True
) -> set[UUID]:
    """Give the rows back and record the looks, together, and `tell` the desk. What is no longer ours leaves no trace.
    Returns what was ours."""
    ours: set[UUID] = set()
    if not thoughts:
        return ours
    try:
        with transaction.atomic(), transaction.atomic(using=settings.OBSERVATIONS_DB):
            ours = ring.release(kind, beats, vantage)
            record.write([thought.look for thought in thoughts if thought.loaded.member.pk in ours], vantage)
    except DataError:
        # What the database can't keep of one thing must not cost the others their beats.
        if len(thoughts) > 1:
            for thought, beat in zip(thoughts, beats, strict=True):
                ours |= _release(kind, [thought], [beat], vantage, tell)
        else:
            log.exception("unwritable", subject=thoughts[0].loaded.subject.name)
        return ours
    if tell:
        _report(thoughts, ours, vantage)
    for thought in thoughts:
        log.debug(
            "beat",
            kind=kind,
            subject=thought.loaded.subject.name,
            row=thought.rule.row,
            then=str(thought.rule.then),
            ms=round(thought.look.took_ms, 1),
            dropped=thought.loaded.member.pk not in ours,
        )
    return ours


def _report(thoughts: Sequence[Thought], ours: set[UUID], vantage: str) -> None:
    """Tell the desk of alarms that are open or have just closed; most beats have none. A leader that was just found
    down is not left to its incident first where a standby can take over."""
    found = []
    for thought in thoughts:
        types = watch.open_types(thought.judged.streaks)
        if (types or thought.judged.closed) and thought.loaded.member.pk in ours:
            closed, member = thought.judged.closed, thought.loaded.member
            found.append(desk.Found(member, types, closed, thought.facts, thought.evidence, thought.rule.row))
    if found and (since := ourselves.quiet_since()):
        # What was seen well since herdsite looks again is news when it no longer is.
        found = [one for one in found if one.member.seen_at and one.member.seen_at > since]
    if not found:
        return
    try:
        lost = {thought.loaded.member.pk for thought in thoughts if takeover.LOST in thought.judged.opened}
        for one in found:
            if one.member.pk in lost:
                takeover.ask(one, vantage)
        desk.report(found)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # What is wrong is reported again at the next beat; a bug in that must not keep the beats of others waiting.
        log.exception("unreported", subjects=[one.member.name for one in found])


def _frozen(thought: Thought) -> dict[str, object]:
    """The facts that the winning row looked at, as they were."""
    return {name: thought.facts[name] for name in thought.rule.when.names}


def look_at(loaded: context.Loaded, ports: Ports) -> record.Look:
    """Feel one thing. Never raises: a probe with a bug in it is one more thing that could not be looked at."""
    subject, began = loaded.subject, time.monotonic()
    try:
        look = feel(subject, ports)
        return look if look.good else unheard(look, pulse.late_s(began))
    except Exception as error:
        log.exception("raised", subject=subject.name)
        failed: dict[str, str | None] = {"look_failed": f"{type(error).__name__}: {error}"}
        return record.Look(subject.kind, subject.id, subject.now, 0.0, False, failed, {})


def unheard(look: record.Look, late_s: float) -> record.Look:
    """A bad look, less the silence that may be our own: this process was late by `late_s` while it lasted. What was
    refused at once was heard."""
    if late_s < policy.LATE_LOOK_S or look.took_ms < REFUSED_S * 1000:
        return look
    silent = {fact: None for _wire, fact, _why in doubt.WIRES if look.attrs.get(fact) == "false"}
    why = f"the control plane was {late_s:.1f} s late during this look: no answer proves nothing"
    return replace(look, attrs=look.attrs | silent | {"look_failed": why})
