"""All that is known of one thing on a ring, as values for its page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleet import doubt, under_way, withdrawals
from fleet.models import Backup, Changeover, Event, Intent, Member, Resource, Timeline
from fleet.states import MOVES, STATES, State
from herdsite.portal import moves
from herdsite.portal.about import ABOUT, HEADS, NEIGHBOURS, Neighbour
from herdsite.portal.census import LATE
from herdsite.portal.family import Family, family
from herdsite.portal.family_copies import Copy, copies_of
from herdsite.portal.recorded import Recorded, recorded
from herdsite.portal.shown import Known, Moment, epoch, known, moment
from herdsite.portal.troubles import Trouble, of
from observations.models import Observation

EVENTS, LOOKS, ASKED = 50, 20, 10


@dataclass(frozen=True)
class Happening:
    """One Event of its story. `source` and `target` are None where nothing moved."""

    at: Moment | None
    verb: str
    row: int | None
    why: str
    source: State | None
    target: State | None
    actor: str


@dataclass(frozen=True)
class Look:
    """One Observation: when, from where, how long it took, and all that was felt."""

    at: Moment | None
    vantage: str
    took_ms: str
    attrs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Witness:
    """One worker's word in the evidence of a doubt."""

    wire: str
    vantage: str
    at: Moment
    why: str


@dataclass(frozen=True)
class Asked:
    """One Intent; `kept` is why it can't be cancelled, where it is open."""

    id: str

    at: Moment | None
    verb: str
    actor: str
    reason: str
    state: str
    answer: str
    open: bool
    kept: str


@dataclass(frozen=True)
class Thing:
    """The page's data. `doubted` is since when it is in doubt; `beneath` is what it stands on or belongs to, `above`
    what stands on it or came of it, each with its heading. A resource has a `family`, a changeover is a `move`.
    `works` is what is under way on hosts for it, with how far it is."""

    id: str
    kind: str
    name: str
    look: State
    since: Moment | None
    felt: Moment | None
    seen: Moment | None
    vantage: str
    late: bool
    row: int | None
    why: str
    problem: str
    works: tuple[str, ...]
    about: tuple[tuple[str, str], ...]
    attrs: tuple[tuple[str, str], ...]
    facts: tuple[Known, ...]
    doubted: Moment | None
    evidence: tuple[Witness, ...]
    heads: tuple[str, str]
    beneath: tuple[Neighbour, ...]
    above: tuple[Neighbour, ...]
    family: Family | None
    move: moves.Move | None
    copies: tuple[Copy, ...]
    story: tuple[Happening, ...]
    observations: tuple[Look, ...]
    intents: tuple[Asked, ...]
    troubles: tuple[Trouble, ...]
    audit: tuple[Recorded, ...]


def describe(member: Any, now: datetime) -> Thing:
    """The thing as it is written down now."""
    beneath, above = NEIGHBOURS[member.KIND](member)
    return Thing(
        id=str(member.pk),
        kind=member.KIND,
        name=member.name,
        look=member.look,
        since=moment(member.state_since),
        felt=moment(member.felt_at),
        seen=moment(member.seen_at),
        vantage=member.vantage,
        late=member.due_at is not None and now - member.due_at > LATE,
        row=member.row,
        why=member.why,
        problem=member.problem,
        works=tuple(str(work) for work in under_way.of(member)),
        about=tuple((label, str(value)) for label, value in ABOUT[member.KIND](member) if value not in ("", None)),
        attrs=_sorted(member.attrs),
        facts=tuple(known(name, text) for name, text in sorted(member.facts.items())),
        doubted=epoch(member.evidence["since"]) if "since" in member.evidence else None,
        evidence=witnesses(member.evidence),
        heads=HEADS.get(member.KIND, ("Belongs to", "Results")),
        beneath=tuple(beneath),
        above=tuple(above),
        family=family(member) if isinstance(member, Resource) else None,
        move=moves.describe(member) if isinstance(member, Changeover) else None,
        copies=copies_of(Backup.objects.filter(timeline=member)) if isinstance(member, Timeline) else (),
        story=_story(member),
        observations=_observations(member),
        intents=_intents(member),
        troubles=of(member.pk),
        audit=recorded(member.pk),
    )


def _sorted(attrs: dict[str, str | None]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text if text is not None else "—") for name, text in sorted(attrs.items()))


def witnesses(evidence: dict[str, Any]) -> tuple[Witness, ...]:
    """The words in the evidence of a doubt, by wire and worker."""
    return tuple(
        Witness(wire, vantage, epoch(word["at"]), word["why"]) for wire, vantage, word in doubt.witnesses(evidence)
    )


def _story(member: Member) -> tuple[Happening, ...]:
    found = Event.objects.filter(subject=member.pk).values_list("at", "verb", "row", "why", "source", "target", "actor")
    return tuple(
        Happening(moment(at), _said(member.KIND, verb), row, why, STATES.get(source), STATES.get(target), actor)
        for at, verb, row, why, source, target, actor in found[:EVENTS]
    )


def _said(kind: str, verb: str) -> str:
    """A move by its label ("is in doubt"); what is no move speaks for itself."""
    return next((move.label for move in MOVES[kind] if move.name == verb), verb)


def _observations(member: Member) -> tuple[Look, ...]:
    found = Observation.objects.filter(subject=member.pk).values_list("at", "vantage", "took_ms", "attrs")
    return tuple(
        Look(moment(at), vantage, f"{took_ms:.1f}", _sorted(attrs)) for at, vantage, took_ms, attrs in found[:LOOKS]
    )


def _intents(member: Member) -> tuple[Asked, ...]:
    return tuple(
        Asked(
            str(intent.pk),
            moment(intent.asked_at),
            intent.verb,
            intent.actor,
            intent.reason,
            intent.get_state_display(),
            intent.answer,
            intent.state == Intent.OPEN,
            withdrawals.obstacle(intent) if intent.state == Intent.OPEN else "",
        )
        for intent in Intent.objects.filter(subject=member.pk)[:ASKED]
    )
