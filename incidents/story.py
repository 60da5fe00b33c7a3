"""An incident's whole story, oldest first: what was seen, tried, decided and said, and by whom."""

from dataclasses import dataclass
from datetime import datetime

from incidents.models import Incident, Journal


@dataclass(frozen=True)
class Line:
    """One moment: `what` in a word or two (opened, began, fixed, escalate, acknowledged), `where` the playbook and its
    step if one was at work, `text` the why or the note, `actor` who."""

    at: datetime
    what: str
    where: str
    text: str
    actor: str


def of(incident: Incident) -> list[Line]:
    """Every line of its journal."""
    return [
        Line(row.at, row.outcome.replace("_", " "), _where(row), row.note, row.actor) for row in incident.journal.all()
    ]


def _where(row: Journal) -> str:
    return " / ".join(filter(None, (row.resolver, row.step)))
