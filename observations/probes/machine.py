"""A machine by its provider's word: proof that needs no answer from the machine itself."""

from fleet.providers.base import Machine
from fleet.subject import Subject
from observations.probes.base import Answer

FILLS = ("machine", "scheduled_events")


def ask(subject: Subject) -> str:
    """A machine bears the name of the server that it is for."""
    return subject.name


def read(answer: Answer) -> dict[str, str | None]:
    """The machine's state, and what is announced for it (empty: nothing is)."""
    machine: Machine = answer.said
    return {"machine": machine.state, "scheduled_events": "; ".join(machine.events)}
