"""Ways from a row of ours to the host that it lives on."""

from datetime import datetime

from fleet import subjects
from fleet.actions.base import Acting, ActionError
from fleet.models import Instance
from fleet.subject import Subject
from fleet.transports.base import Shell


def shell(acting: Acting) -> Shell:
    """The Shell of the acting subject's host."""
    if acting.subject.host is None:
        raise ActionError("Its server has no pinned host key: nothing can be done there.")
    return acting.ports.shell(acting.subject.host)


def of(instance: Instance, acting: Acting) -> tuple[Shell, Subject]:
    """The Shell of the host of another instance, and that instance as a Subject with the monitor's database."""
    subject = subjects.monitored(instance, _now(acting))
    if subject.host is None:
        raise ActionError(f"{instance.server} has no pinned host key: nothing can be done there.")
    return acting.ports.shell(subject.host), subject


def _now(acting: Acting) -> datetime:
    return acting.subject.now
