"""All that is known of one incident, as values for its page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleet.facts import text
from fleet.models import MEMBERS
from fleet.states import NEEDS_HUMAN, RESOLVED, State
from herdsite.portal.recorded import Recorded, recorded
from herdsite.portal.shown import Known, Moment, known, moment
from herdsite.portal.thing import Witness, witnesses
from herdsite.portal.troubles import SEVERITIES, Trouble, trouble, words
from incidents import moving, playbooks, story
from incidents.models import Incident, Notice, Page
from incidents.ourselves import FAILINGS
from incidents.resolvers import RESOLVERS
from incidents.watch import BY_TYPE

LINES, TOLD, KIN = 500, 200, 100
DELIVERED = {
    Notice.HELD: ("waits for approval", "doubt"),
    Notice.QUEUED: ("being sent", "busy"),
    Notice.SENT: ("delivered", "good"),
    Notice.FAILED: ("not delivered", "bad"),
    Notice.CANCELLED: ("withdrawn", "quiet"),
}


@dataclass(frozen=True)
class Line:
    """One line of the journal."""

    at: Moment | None
    what: str
    where: str
    text: str
    actor: str


@dataclass(frozen=True)
class Runbook:
    """One of its playbooks: `stage` says how far it has come, `version` is the one that was followed, else today's."""

    name: str
    version: str
    text: str
    stage: str


@dataclass(frozen=True)
class Call:
    """One page: the `n`-th time that a person was called. `held` while too many pages go out."""

    n: int
    at: Moment | None
    held: bool
    acknowledged: Moment | None
    acknowledged_by: str
    ended: Moment | None
    ended_by: str


@dataclass(frozen=True)
class Message:
    """One notice: to whom, by which channel, what for, and whether it arrived."""

    at: Moment | None
    what: str
    channel: str
    recipient: str
    subject: str
    state: str
    colour: str
    attempts: int
    answer: str


@dataclass(frozen=True)
class Whole:
    """The page's data. `thing` is empty where it is about no one thing; `guide` is for the person where there is no
    playbook; the `story` begins with its latest line."""

    name: str
    what: str
    about_id: str
    thing: str
    about_what: str
    because: str
    look: State
    severity: tuple[str, str]
    opened: Moment | None
    since: Moment | None
    resolved: Moment | None
    acknowledged: Moment | None
    acknowledged_by: str
    assigned_to: str
    snoozed: Moment | None
    row: int | None
    why: str
    problem: str
    about: tuple[tuple[str, str], ...]
    opened_by: int | None
    kind: str
    facts: tuple[Known, ...]
    doubt: tuple[Witness, ...]
    cause: Trouble | None
    children: tuple[Trouble, ...]
    runbooks: tuple[Runbook, ...]
    guide: str
    story: tuple[Line, ...]
    more_lines: int
    calls: tuple[Call, ...]
    messages: tuple[Message, ...]
    audit: tuple[Recorded, ...]


def describe(incident: Incident, now: datetime) -> Whole:
    """The incident as it is written down at `now`."""
    alarm = BY_TYPE.get(incident.type) or FAILINGS.get(incident.type)
    lines, runbooks = story.of(incident), _runbooks(incident)
    snoozed = incident.snoozed_until
    return Whole(
        name=incident.name,
        what=words(incident.type),
        about_id=str(incident.subject),
        thing=incident.subject_name if incident.subject_kind in MEMBERS else "",
        about_what=f"{incident.subject_kind} {incident.subject_name}",
        because=alarm.because if alarm else "",
        look=incident.look,
        severity=SEVERITIES[incident.severity],
        opened=moment(incident.created_at),
        since=moment(incident.state_since),
        resolved=moment(incident.resolved_at),
        acknowledged=moment(incident.acknowledged_at),
        acknowledged_by=incident.acknowledged_by,
        assigned_to=incident.assigned_to,
        snoozed=moment(snoozed) if snoozed and snoozed > now else None,
        **verdict(incident),
        problem=incident.problem,
        about=tuple((label, str(value)) for label, value in _about(incident) if value not in ("", None)),
        opened_by=incident.opened_by,
        kind=incident.subject_kind,
        facts=_facts(incident.evidence),
        doubt=witnesses(incident.evidence.get("doubt", {})),
        cause=trouble(incident.cause) if incident.cause else None,
        children=tuple(trouble(child) for child in incident.children.all()[:KIN]),
        runbooks=runbooks,
        guide="" if runbooks else moving.runbook(incident),
        story=tuple(Line(moment(one.at), one.what, one.where, one.text, one.actor) for one in lines[: -LINES - 1 : -1]),
        more_lines=max(0, len(lines) - LINES),
        calls=_calls(incident),
        messages=_messages(incident),
        audit=recorded(incident.subject, incident.name),
    )


def verdict(incident: Incident) -> dict[str, Any]:
    """The row of its table that won at its last beat, and why; nothing where herdsite has left it to a person, or is
    done with it."""
    left = incident.state in (NEEDS_HUMAN, RESOLVED)
    return {"row": None, "why": ""} if left else {"row": incident.row, "why": incident.why}


def _facts(evidence: dict[str, Any]) -> tuple[Known, ...]:
    """What the alarm looked at, and whatever else was written down but for the doubt."""
    more = {name: value for name, value in evidence.items() if name not in ("facts", "doubt")}
    return tuple(known(name, text(value)) for name, value in sorted((more | evidence.get("facts", {})).items()))


def _about(incident: Incident) -> list[tuple[str, Any]]:
    customer = incident.customer
    return [
        ("Alarm", f"{incident.type}: {alarm.when}" if (alarm := BY_TYPE.get(incident.type)) else incident.type),
        ("Customer", customer.name if customer else ""),
        ("Running playbook", incident.resolver),
        ("Steps taken", incident.attempts or ""),
        ("Gave up", ", ".join(incident.tried)),
        ("Playbooks begun again", f"{incident.rounds} ×" if incident.rounds else ""),
        ("Called a person", f"{incident.escalations} ×" if incident.escalations else ""),
        ("Waits until", _at(incident.wait_until) if incident.is_open else ""),
        ("Deadline", _at(incident.deadline)),
    ]


def _at(at: datetime | None) -> str:
    shown = moment(at)
    return f"{shown.text} UTC" if shown else ""


def _runbooks(incident: Incident) -> tuple[Runbook, ...]:
    """Those of its type in the order in which they are tried, then those that it once followed and that are no more
    among them."""
    followed = dict(incident.journal.exclude(resolver="").values_list("resolver", "version"))
    names = dict.fromkeys((*playbooks.resolvers_of(incident.type), *followed))
    return tuple(_runbook(name, followed.get(name, ""), incident) for name in names)


def _runbook(name: str, followed: str, incident: Incident) -> Runbook:
    playbook = RESOLVERS.get(name)
    version = followed or (playbook.version if playbook else "")
    told = playbook.runbook if playbook else "This playbook does not exist any more."
    if playbook and version != playbook.version:
        told = f"Shown is the text of version {playbook.version}; another version was followed.\n\n{told}"
    if name in incident.tried:
        stage = "gave up"
    elif name == incident.resolver:
        stage = "running" if incident.is_open else "was running at the end"
    else:
        stage = "comes next" if incident.is_open else "was not needed"
    return Runbook(name, version, told, stage)


def _calls(incident: Incident) -> tuple[Call, ...]:
    return tuple(
        Call(
            page.n,
            moment(page.created_at),
            page.let_out_at is None,
            moment(page.acknowledged_at),
            page.acknowledged_by,
            moment(page.ended_at),
            page.ended_by,
        )
        for page in Page.objects.filter(incident=incident.pk).order_by("n")[:TOLD]
    )


def _messages(incident: Incident) -> tuple[Message, ...]:
    return tuple(
        Message(
            moment(notice.sent_at or notice.tried_at or notice.created_at),
            f"customer: {notice.moment}" if notice.purpose == Notice.CUSTOMER else notice.purpose,
            notice.channel,
            notice.recipient,
            notice.subject,
            *DELIVERED[notice.state],
            notice.attempts,
            notice.answer,
        )
        for notice in Notice.objects.filter(incident=incident.pk).order_by("created_at", "id")[:TOLD]
    )
