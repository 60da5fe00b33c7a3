"""What every action gets and what it may say. An action does one thing in the world, and can be repeated: it is cut
off at any point by whatever dies, and the next beat does it again. It returns a note for the story, or nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fleet.facts import Facts
from fleet.lifecycle import Because, answer
from fleet.models import Intent
from fleet.orders import Anchor
from fleet.ports import Ports
from fleet.subject import Subject


class ActionError(Exception):
    """It could not be done; the message says why and what would help. The beat tries again later."""


@dataclass(frozen=True)
class Acting:
    """One action's surroundings: ports, the thing as it was felt, the facts, the intent that counts, the row, and the
    lease of the beat: what the action writes counts only while the beat is still ours. `anchor` is the clock of the
    subject's host, where this beat has looked at that."""

    ports: Ports
    subject: Subject
    facts: Facts
    intent: Intent | None
    because: Because
    lease: UUID
    anchor: Anchor | None = None


Action = Callable[[Any, Acting], str | None]


def fulfil(_member: Any, acting: Acting) -> str | None:
    """Answer the intent: done."""
    return _answer(acting, Intent.DONE, acting.because.why)


def answered(acting: Acting, text: str) -> str | None:
    """Answer the intent: done, in the action's own words."""
    return _answer(acting, Intent.DONE, text)


def refuse(_member: Any, acting: Acting) -> str | None:
    """Answer the intent: it can't be, and why."""
    job_why = acting.facts["job_why"]
    return _answer(acting, Intent.REFUSED, acting.because.why + (f": {job_why}" if job_why else ""))


def _answer(acting: Acting, state: str, text: str) -> str | None:
    if acting.intent is None:
        return None
    answer(Intent.objects.filter(pk=acting.intent.pk), state, text)
    return f"{acting.intent.verb}, asked for by {acting.intent.actor}: {text}"
