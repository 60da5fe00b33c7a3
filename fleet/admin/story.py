"""What a thing's page tells besides its columns: which row of which table decided, facts, doubt, asks, Events.

A section is a function from the thing to a Section or None. SECTIONS is open: apps above the fleet add theirs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from fleet import doubt
from fleet.facts import FACTS
from fleet.models import Event, Intent, Member
from fleet.rules import Rule
from fleet.think import LIFE

EVENTS, INTENTS = 50, 10


@dataclass(frozen=True)
class Section:
    """A titled table of texts."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]

    @property
    def table(self) -> dict[str, Any]:
        return {"headers": self.headers, "rows": self.rows}


def when(at: Any) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}" if at else "never"


def rule_of(kind: str, row: int | None) -> Rule | None:
    return next((rule for rule in LIFE[kind] if rule.row == row), None)


def decision(member: Member) -> Section:
    """The row that won at the last beat, and the one behind the last move."""
    moved = Event.objects.filter(subject=member.pk).exclude(source="").first()
    rows = [("Last beat", member.felt_at, member.row, member.why)]
    if moved:
        rows.append((f"Last move: {moved.verb}", moved.at, moved.row, moved.why))
    return Section(
        "Decided by",
        ("What", "When", "Row", "Because", "When the facts say", "Then"),
        [(what, when(at), row or "—", why, *_told(rule_of(member.KIND, row))) for what, at, row, why in rows],
    )


def _told(rule: Rule | None) -> tuple[str, str]:
    return (str(rule.when), str(rule.then)) if rule else ("—", "—")


def facts(member: Member) -> Section | None:
    """What was felt last, as the catalogue means it."""
    rows = [
        (
            name,
            "not known" if text is None else text,
            FACTS[name].unit if name in FACTS else "",
            FACTS[name].meaning if name in FACTS else "",
        )
        for name, text in sorted(member.facts.items())
    ]
    return Section("Facts of the last look", ("Name", "Value", "Unit", "Meaning"), rows) if rows else None


def evidence(member: Member) -> Section | None:
    """Who found what while it is in doubt."""
    rows = [(wire, vantage, word.get("why", "")) for wire, vantage, word in doubt.witnesses(member.evidence)]
    return Section("Evidence of the doubt", ("By", "Worker", "Answer"), rows) if rows else None


def asked(member: Member) -> Section | None:
    found = Intent.objects.filter(subject=member.pk)[:INTENTS]
    rows = [(when(i.asked_at), i.verb, i.actor, i.reason, i.get_state_display(), i.answer) for i in found]
    return Section("Requests", ("When", "What", "By", "Reason", "State", "Answer"), rows) if rows else None


def events(member: Member) -> Section | None:
    found = Event.objects.filter(subject=member.pk)[:EVENTS]
    rows = [(when(e.at), e.verb, e.row or "—", e.why, _move(e), e.actor) for e in found]
    return Section("Story", ("When", "What", "Row", "Why", "From → to", "By"), rows) if rows else None


def _move(event: Event) -> str:
    return f"{event.source or '—'} → {event.target}" if event.target else ""


SECTIONS: list[Callable[[Any], Section | None]] = [decision, asked, evidence, events, facts]


def sections(member: Member) -> list[Section]:
    return [section for make in SECTIONS if (section := make(member)) and section.rows]
