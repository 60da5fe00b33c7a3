"""What this working copy's tables would have done with what was felt: recorded looks are thought about again, each
thing's state following the tables' own moves, and what comes out is held against what the Events and incidents tell.

Looks are streamed, one thing after the other. What only our own database knew is taken from what it has kept (intents,
neighbours' moves, the facts frozen in Events); where that is not enough to judge a row, the look counts as untold and
the thing goes on as it did. What others did within a moment of a look may or may not have been known to it: it is a
difference only if it is one either way.
"""

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db.models import Q

from fleet import context, policy, ring
from fleet.models import MEMBERS, Event, Intent, Member
from fleet.rules import DO, GO, Rule, tried
from fleet.states import DESTROYING, move
from fleet.subject import SERVER, Subject
from fleet.think import LIFE
from herdsite import beat
from herdsite.thought import Thought, ponder
from incidents.models import Incident
from observations.models import Observation
from observations.probes.table import PROBES
from observations.record import Look

# What no look tells: of all that a beat reads in our own database, most is taken as it is today, where no Event kept
# it. Of these that would be wrong: they are known where an Event has kept them, and nowhere else.
KEPT = (
    "members",
    "members_answer",
    "placed",
    "handed",
    "dropped",
    "host_key",
    "vantage_sees",
    "rebooted",
    "quorum_step",
)
# And these follow from what is told here.
NEIGHBOURS = ("server_state", "instance_state")
FOLLOWED = ("state", "state_s", "tries", "asked", "asked_s")
TELL_EVERY = 10_000
# A beat reads what our own database knows, waits for a thread, and only then looks; and what others write is seen a
# little after the time that it bears.
MOMENT = timedelta(seconds=policy.LEASE_MARGIN_S)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Difference:
    """`then` is what happened at that look, `now` what this copy would do: "315 go_down", "opens instance_down", or
    "nothing". `state` is the one in which this copy sees the thing."""

    at: datetime
    kind: str
    name: str
    state: str
    then: str
    now: str


@dataclass
class Tally:
    """How far it has come: things and looks replayed, differences found, and looks of which it can't tell."""

    things: int = 0
    looks: int = 0
    differences: int = 0
    untold: int = 0


def replay(
    members: Iterable[Member], since: datetime, tally: Tally, progress: Callable[[Tally], None] = lambda _tally: None
) -> Iterator[Difference]:
    """The differences of one thing after the other; `tally` is kept up to date and told of once in a while."""
    for member in members:
        tally.things += 1
        life: Life | None = None
        for (at, vantage, attrs), until in _with_next(_looks(member.pk, since)):
            life = life or Life(member, at)
            tally.looks += 1
            for difference in life.look(at, until, vantage, attrs, tally):
                tally.differences += 1
                yield difference
            if tally.looks % TELL_EVERY == 0:
                progress(tally)


def everything() -> Iterator[Member]:
    """Every thing that there is or was, servers first."""
    for model in MEMBERS.values():
        yield from model.objects.order_by("name").iterator(chunk_size=500)


class Life:
    """One thing as this copy's tables have it, from its first look in the window on."""

    def __init__(self, member: Member, since: datetime) -> None:
        self.member = member
        claim = ring.Claim(uuid4(), [member.pk], since)
        loaded = context.load_one(member, "replay", claim)
        self.subject = loaded.subject
        self.today = {
            name: value for name, value in loaded.facts.items() if name not in (*KEPT, *NEIGHBOURS, *FOLLOWED)
        }
        self.ours = {*self.today, *KEPT, *NEIGHBOURS}
        self.asked = _Asked(member.pk, since)
        self.events = _Events(member.pk, since)
        self.neighbours = _neighbours(member)
        self.incidents = list(
            Incident.objects.filter(Q(resolved_at=None) | Q(resolved_at__gt=since), subject=member.pk)
        )
        state, state_since = _States(member).at(since)
        # A copy that is never saved: as the row was in what moves with the story, in all else as it is today.
        self.row = copy(member)
        vars(self.row).update(
            state=state,
            state_since=state_since or member.created_at,
            evidence={},
            attrs={},
            facts={},
            watch={one.type: [True, 0] for one in self.incidents if one.created_at < since},
        )
        self.since, self.tries = state_since, 0
        self.failing: int | None = None  # the row whose action failed at the last telling
        self.probed: dict[str, float] = {}

    def look(
        self, at: datetime, until: datetime, vantage: str, attrs: dict[str, str | None], tally: Tally
    ) -> Iterator[Difference]:
        """Think about one look; `until` is when the next one was made. A move takes no time, as in a beat: the table is
        asked again, of what happened since."""
        events = self.events.until(until)
        for left in range(beat.MOST_MOVES, -1, -1):
            thought, untold = yield from self._think(at, vantage, attrs, events, tally)
            goes_on = left > 0 and thought.rule.then.kind == GO and not untold
            if not goes_on:
                break
            job = self._job(at)
            done, events = _split(events, thought.rule.row)
            self._follow(at, done, thought, untold)
            if self._job(at) != job and "job" in attrs:
                attrs = attrs | {"job": "none", "job_why": None}
            self.row.facts = thought.known
        yield from self._alarms(at, until, thought)
        self.row.evidence, self.row.watch, self.row.facts = thought.evidence, thought.judged.streaks, thought.known
        self.probed |= thought.look.probed
        self._forget(at, until)
        self._follow(at, events, thought, untold)

    def _think(
        self, at: datetime, vantage: str, attrs: dict[str, str | None], events: list[Event], tally: Tally
    ) -> Generator[Difference, None, tuple[Thought, bool]]:
        """One thought about it, and whether it can't be told."""
        state = self.row.state
        thought = ponder(*self._loaded(at, at, attrs, events), vantage)
        then = self._then(events, thought.rule)
        if then != _does(thought.rule):
            earlier = ponder(*self._loaded(at, at - MOMENT, attrs, events), vantage)
            thought = earlier if self._then(events, earlier.rule) == _does(earlier.rule) else thought
            then = self._then(events, thought.rule)
        now = _does(thought.rule)
        untold = then != now and self._cant_tell(thought)
        tally.untold += untold
        if then != now and not untold:
            yield self._difference(at, state, _words(then), _words(now))
        return thought, untold

    def _job(self, at: datetime) -> str:
        """The job that its next step hangs on."""
        intent = self.asked.at(at, self.row.state)
        return context.job(self.row, intent) if self.member.KIND == "instance" else ""  # type: ignore[arg-type]

    def _then(self, events: list[Event], rule: Rule) -> tuple[int, str] | None:
        """What happened at the look: the row and the verb."""
        for event in events:
            if event.row:
                return event.row, event.verb.removesuffix(" failed")
        if rule.then.kind == DO and self.failing == rule.row:
            return rule.row, rule.then.name  # an action that goes on failing is told of once
        return None

    def _loaded(
        self, at: datetime, known_at: datetime, attrs: dict[str, str | None], events: list[Event]
    ) -> tuple[context.Loaded, ring.Claim, Look]:
        """What a beat has that looked at `at` and read at `known_at` what our own database knows."""
        intent = self.asked.at(known_at, self.row.state)
        kept = {name: value for event in events for name, value in event.facts.items() if name in self.ours}
        facts = {
            "state": self.row.state,
            "state_s": max(0.0, (known_at - self.since).total_seconds()) if self.since else None,
            "tries": self.tries,
            "asked": intent.verb if intent else None,
            "asked_s": (known_at - intent.asked_at).total_seconds() if intent and intent.verb != "create" else None,
            "handed": _handed(intent, known_at),
            **self.today,
            **{name: states.at(known_at)[0] for name, states in self.neighbours.items()},
            **{name: value for name, value in kept.items() if value is not None},
        }
        subject = replace(
            self.subject,
            state=self.row.state,
            now=at,
            known=self.row.facts,
            probed=self.probed,
            job=context.job(self.row, intent) if self.member.KIND == "instance" else "",  # type: ignore[arg-type]
        )
        proof = "ssh" if self.member.KIND == SERVER else "service_available"
        probed = dict.fromkeys(_asked_of(subject, attrs), at.timestamp())
        look = Look(self.member.KIND, self.member.pk, at, 0.0, attrs.get(proof) == "true", attrs, probed)
        claim = ring.Claim(uuid4(), [self.member.pk], at)
        return context.Loaded(self.row, subject, intent, facts, None), claim, look

    def _cant_tell(self, thought: Thought) -> bool:
        """Whether a row above the one that won could not be judged for want of what only our own database knew."""
        rows = tried(LIFE[self.member.KIND], self.row.state, thought.facts)
        return any(
            verdict is None and any(name in self.ours and thought.facts[name] is None for name in rule.when.names)
            for rule, verdict in rows
        )

    def _alarms(self, at: datetime, until: datetime, thought: Thought) -> Iterator[Difference]:
        then = {one.type for one in self.incidents if at <= _opened(one) < until}
        now = set(thought.judged.opened)
        for type_ in sorted(then - now):
            yield self._difference(at, self.row.state, f"opens {type_}", "nothing")
        for type_ in sorted(now - then):
            yield self._difference(at, self.row.state, "nothing", f"opens {type_}")

    def _forget(self, at: datetime, until: datetime) -> None:
        """A person who resolves an incident has its alarm count from nothing."""
        ended = {one.type for one in self.incidents if one.resolved_at and at <= one.resolved_at < until}
        self.row.watch = {name: stands for name, stands in self.row.watch.items() if name not in ended}

    def _follow(self, at: datetime, events: list[Event], thought: Thought, untold: bool) -> None:
        """Move as the row says; as it happened, where that can't be told, and where people or commands did it."""
        then = thought.rule.then
        for event in events:
            if event.row:
                self.failing = event.row if event.verb.endswith(" failed") else None
        if then.kind == GO and not untold:
            if then.name in ("come_up", "come_back") and thought.facts["boot_id"]:
                self.row.attrs["boot_id"] = thought.facts["boot_id"]
            # What happened bears the time at which it was written down, a while after the look.
            moved = next((event.at for event in events if event.row == thought.rule.row), at)
            self._enter(move(self.member.KIND, then.name).target, moved)
        elif then.kind == DO:
            self.tries = policy.tries(then.name, self.tries, thought.facts["stopped"] == "before")
        for event in events:
            if (untold or event.row is None) and event.target and event.source and event.source != event.target:
                self._enter(event.target, event.at)

    def _enter(self, state: str, at: datetime) -> None:
        vars(self.row).update(state=state, state_since=at)
        self.since, self.tries, self.failing = at, 0, None

    def _difference(self, at: datetime, state: str, then: str, now: str) -> Difference:
        return Difference(at, self.member.KIND, self.member.name, state, then, now)


def _split(events: list[Event], row: int) -> tuple[list[Event], list[Event]]:
    """What happened up to that row's doing, and what after it."""
    rows = [event.row for event in events]
    first = rows.index(row) + 1 if row in rows else 0
    return events[:first], events[first:]


@dataclass
class _Events:
    """A thing's Events, handed out in their order."""

    subject: UUID
    since: datetime
    _next: Event | None = None
    _rows: Iterator[Event] = field(default_factory=lambda: iter(()))

    def __post_init__(self) -> None:
        rows = Event.objects.filter(subject=self.subject, at__gte=self.since).order_by("at", "id")
        self._rows = rows.iterator(chunk_size=500)
        self._next = next(self._rows, None)

    def until(self, at: datetime) -> list[Event]:
        """Those that come before that time and were not handed out yet."""
        found = []
        while self._next and self._next.at < at:
            found.append(self._next)
            self._next = next(self._rows, None)
        return found


class _States:
    """In which state a thing was, by its Events; as it is now, where there are none."""

    def __init__(self, member: Any) -> None:
        moved = Event.objects.filter(subject=member.pk).exclude(target="").order_by("at", "id")
        self.moves = [row for row in moved.values_list("at", "source", "target") if row[1] != row[2]]
        self.now, self.now_since = member.state, member.state_since

    def at(self, at: datetime) -> tuple[str, datetime | None]:
        """The state, and since when, if that is known."""
        n = bisect_right(self.moves, at, key=lambda row: row[0])
        if n:
            return self.moves[n - 1][2], self.moves[n - 1][0]
        if self.moves and self.moves[0][1]:
            return self.moves[0][1], None
        return self.now, self.now_since if self.now_since <= at else None


class _Asked:
    """What was asked of a thing, at any time."""

    def __init__(self, subject: UUID, since: datetime) -> None:
        still = Q(answered_at=None) | Q(answered_at__gt=since)
        self.subject = subject
        self.intents = list(
            Intent.objects.filter(still, subject=subject).order_by("asked_at").prefetch_related("children")
        )

    def at(self, at: datetime, state: str) -> Intent | None:
        """The open intent that counted then."""
        begun = {self.subject} if state == DESTROYING else set()
        there = [one for one in self.intents if one.asked_at <= at and (one.answered_at or _NEVER) > at]
        return min(there, key=lambda one: context._rank(one, begun, set()), default=None)


def _handed(intent: Intent | None, at: datetime) -> str | None:
    """What had become of an intent that was handed down to the instance."""
    if intent is None:
        return None
    child = next(iter(intent.children.all()), None)
    if child is None or child.asked_at > at:
        return "none"
    if (child.answered_at or _NEVER) > at:
        return Intent.OPEN
    return Intent.REFUSED if child.state == Intent.CANCELLED else child.state


def _neighbours(member: Any) -> dict[str, _States]:
    """What it stands on today. What it stood on before it moved is not known."""
    if member.KIND == "instance":
        return {"server_state": _States(member.server)}
    if member.KIND == "resource" and member.instance:
        return {"instance_state": _States(member.instance), "server_state": _States(member.instance.server)}
    return {}


def _asked_of(subject: Subject, attrs: dict[str, str | None]) -> list[str]:
    """The probes that were made: a probe leaves all that it fills, if only as not known."""
    return [probe.name for probe in PROBES if probe.applies(subject) and all(name in attrs for name in probe.fills)]


def _does(rule: Rule) -> tuple[int, str] | None:
    return (rule.row, rule.then.name) if rule.then.kind in (GO, DO) else None


def _opened(incident: Incident) -> datetime:
    """The time of the look that opened it. It is reported after the row was given back, and another worker's look may
    have come before that."""
    looked_at = incident.evidence.get("looked_at")
    return datetime.fromisoformat(looked_at) if looked_at else incident.created_at


def _words(what: tuple[int | None, str] | None) -> str:
    return f"{what[0]} {what[1]}" if what else "nothing"


def _looks(subject: UUID, since: datetime) -> Iterator[tuple[datetime, str, dict[str, str | None]]]:
    rows = Observation.objects.filter(subject=subject, at__gte=since).order_by("at", "id")
    return rows.values_list("at", "vantage", "attrs").iterator(chunk_size=1_000)


def _with_next(rows: Iterator[Any]) -> Iterator[tuple[Any, datetime]]:
    """Each look with the time of the one after it."""
    last = next(rows, None)
    for row in rows:
        yield last, row[0]
        last = row
    if last is not None:
        yield last, _NEVER
