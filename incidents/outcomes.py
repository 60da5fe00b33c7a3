"""What a step of a playbook may answer. There are three answers and no other; whatever a step raises is our own bug,
and goes to a person."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fleet.holding import right_of_a_step
from fleet.models import Member
from fleet.ports import Ports
from fleet.postgres import control
from fleet.subject import Subject
from fleet.transports.base import Shell

FIXED, AGAIN, GIVE_UP, RAISED = "fixed", "again", "give_up", "raised"


@dataclass(frozen=True)
class Outcome:
    """`after_s` is how long to wait before the same step is taken again (s); only `again` has one."""

    kind: str
    note: str = ""
    after_s: float = 0.0


def fixed(note: str = "") -> Outcome:
    """This step's work is done. After the last step the incident waits for its alarm to close, which is the proof."""
    return Outcome(FIXED, note)


def again(after_s: float, note: str = "") -> Outcome:
    """Not yet: take this step again in so many seconds."""
    return Outcome(AGAIN, note, after_s)


def give_up(why: str) -> Outcome:
    """This playbook can't mend it; the next one is tried."""
    return Outcome(GIVE_UP, why)


class CantAct(Exception):
    """There is no way to the thing; the message says why. Ends a step as give_up does."""


@dataclass(frozen=True)
class Case:
    """What a step gets. `type` is the alarm's; `key` names this run of the playbook, and is the same however often a
    step is repeated; `step_s` is how long ago the step was first taken (s); `member` and `subject` are the thing that
    the incident is about, `facts` the last that was felt of it, `evidence` what was known when the incident opened;
    `approved`: a person asked for it to be tried anew."""

    ports: Ports
    type: str
    key: str
    actor: str
    step_s: float
    member: Member
    subject: Subject
    facts: Mapping[str, Any]
    evidence: Mapping[str, Any] = field(default_factory=dict)
    approved: bool = False

    def shell(self, subject: Subject | None = None) -> Shell:
        """The Shell of the host of the subject, or of another one. Raises CantAct."""
        host = (subject or self.subject).host
        if host is None:
            raise CantAct("The server has no pinned host key: nothing can be done on it.")
        return self.ports.shell(host)

    def ordered(self, subject: Subject) -> tuple[Shell, Subject]:
        """The same for an order: with the subject, which bears it. Raises CantAct and TransportError."""
        shell, right = self.shell(subject), right_of_a_step()
        return shell, replace(subject, order=right.order_since(subject.order.epoch, control.anchor(shell)))
