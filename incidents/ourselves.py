"""What is wrong with herdsite itself: rings that nobody goes round, eyes that see nothing anywhere, and calls for
people that do not get through.

The clock looks, since it is the process that still runs when workers are dead; it gives such an incident the beats that
call a person. While we are blind, what we seem to see of the herd is our trouble and not theirs, and hangs under it.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q
from django.db.models.functions import Now

from fleet import copies
from fleet.models import MEMBERS, Authority, ControlPlane, Worker
from fleet.policy import AUTHORITY_WARNED_DAYS, QUEUES, SLOW, WORK
from fleet.states import UNCERTAIN
from incidents import desk
from incidents.models import Incident
from incidents.models.incident import HERDSITE
from incidents.models.notices import Notice
from incidents.notices import outbox
from incidents.watch import PAGE, WARN

# Until a person has been called, its beats are the clock's, whoever else lives.
QUEUE = "herdsite"
# A beat may be so late (s), a worker silent for so long, and nothing at all seen well for so long. An incident goes on
# until no beat is later than half of that.
LATE_S, SILENT_S, BLIND_S = 60.0, 30.0, 60.0
# A silent queue matters once something in it has been due for so long (s).
WAITED_S = 30.0
# The clock looks every so often (s), and believes what it has seen so many times in a row: after a night without any
# process everything is late, and that is no news.
EVERY_S, IN_A_ROW = 5.0, 3
# Workers that are woken so late (s), and the share of them that makes it the machine's trouble.
STARVED_S, STARVED_SHARE = 0.5, 0.5
# After so long without a look (s) the first ones find what was stopped or broke meanwhile: for a moment (s) nobody is
# told, while the tables start what they start by themselves.
ABSENT_S, QUIET_S = 10.0, 30.0

_OURS = uuid.UUID("5b0c7f5e-9d7c-4a57-8f0e-1c3d5f7a9b20")
_Evidence = Mapping[str, Any]


@dataclass(frozen=True)
class Failing:
    """`found` gives the evidence, or nothing when all is well; it is asked with 1 to open and with less to go on.
    `when` says the same in words."""

    type: str
    when: str
    found: Callable[[float], _Evidence]
    because: str
    runbook: str
    severity: str = PAGE


def stalled(share: float = 1.0) -> _Evidence:
    """Queues whose beats are late by more than that share of LATE_S, or that have work and no worker that lives: none
    has told of itself lately, as one does between actions, and none holds a lease, as one does during them."""
    told = set(Worker.objects.filter(seen_at__gt=Now() - timedelta(seconds=SILENT_S)).values_list("queue", flat=True))
    waiting = _waiting(WAITED_S)
    # Workers that get no processor are late with everything: that is one incident, and it is not this one.
    late = {} if starved(share) or _open("starved").exists() else _waiting(LATE_S * share)
    silent = sorted(waiting.keys() - told)
    silent = [queue for queue in silent if queue not in _leased()] if silent else []
    if not late and not silent:
        return {}
    return {"queues": ", ".join(sorted({*late, *silent})), "late": sum(late.values()), "silent": ", ".join(silent)}


def blind(_share: float = 1.0) -> _Evidence:
    """Things have been in doubt for a minute, were looked at within it, and nothing anywhere in the herd was seen well.
    What is known to be down says nothing about our eyes."""
    lately = Now() - timedelta(seconds=BLIND_S)
    if any(model.objects.filter(seen_at__gt=lately).exists() for model in MEMBERS.values()):
        return {}
    doubted = Q(state=UNCERTAIN, state_since__lt=lately, felt_at__gt=lately)
    in_doubt = sum(model.objects.filter(doubted).count() for model in MEMBERS.values())
    return {"in doubt": in_doubt, "seen well": 0} if in_doubt else {}


def starved(share: float = 1.0) -> _Evidence:
    """Half of the workers that live, or more, were woken late by that share of STARVED_S: what they did not hear may
    have been said."""
    living = Worker.objects.filter(seen_at__gt=Now() - timedelta(seconds=SILENT_S))
    found = living.aggregate(all=Count("name"), late=Count("name", Q(late_s__gt=STARVED_S * share)), most=Max("late_s"))
    if not found["late"] or found["late"] < STARVED_SHARE * found["all"]:
        return {}
    return {"workers": found["all"], "late": found["late"], "latest by (s)": round(found["most"], 2)}


def unheard(_share: float = 1.0) -> _Evidence:
    """The channels by which the last message for people on call did not get through, and what each answered. One that
    gets through, be it a test, is the proof that the channel is well again."""
    return {channel: answer or "no answer" for channel, answer in outbox.failing().items()}


def ending(_share: float = 1.0) -> _Evidence:
    """The CA that signs ends within AUTHORITY_WARNED_DAYS. Rotating it takes as long as clients take to trust the next
    one, and none of its certificates lasts longer than it does."""
    soon = Now() + timedelta(days=AUTHORITY_WARNED_DAYS)
    found = Authority.objects.filter(state=Authority.CURRENT, ends_at__lt=soon).first()
    return {"authority": str(found), "ends_at": found.ends_at.isoformat()} if found else {}


FAILINGS = {
    failing.type: failing
    for failing in (
        Failing(
            "ring_stalled",
            f"a beat is {LATE_S:g} s late, or one has been due for {WAITED_S:g} s in a queue without a running worker",
            stalled,
            "Monitoring is behind: checks are late, so failures are detected late or not at all",
            "Symptom: beats are late, or a queue has work and no worker.\nLook first: run `manage.py rings`. Do the "
            "`manage.py worker QUEUE` processes run? Is one of them killed again and again?\nSteps: start the missing "
            "workers, or more of them. If herdsite's own database is slow, repair that first: it slows every worker.",
        ),
        Failing(
            "portal_blind",
            f"something has been in doubt for {BLIND_S:g} s, and no check of anything succeeded meanwhile",
            blind,
            "Every check fails: suspect the control plane and its network before the herd",
            "Symptom: every check fails, from every worker.\nLook first: the network of the control plane, its DNS and "
            "routes, its SSH key and monitoring passwords. Can one of the databases be reached from elsewhere?\nSteps: "
            "repair the network or the credentials of the control plane. No failover begins until a check succeeds.",
        ),
        Failing(
            "starved",
            f"half of the workers or more get the processor late, by {STARVED_S:g} s or more",
            starved,
            "The control plane is short of CPU: verdicts and playbooks are suspended until workers run on time",
            "Symptom: workers get the processor late, so checks time out though databases answer.\nLook first: load "
            "and memory of the machines that run workers. Is their CPU quota used up? Do they swap?\nSteps: stop what "
            "competes, or move workers to another machine. Doubts carry on from where they were once workers run on "
            "time.",
        ),
        Failing(
            "channel_failing",
            "the last message for people on call was refused, put off, or not accepted three times by a channel",
            unheard,
            "A paging channel fails: pages go out by another channel, or not at all",
            "Symptom: a channel of HERDSITE_PAGING does not accept messages; pages go out by the next one.\nLook "
            "first: the channel's answer, in the evidence. Is its key or password still valid? Can its address be "
            "reached from the workers?\nSteps: repair the channel, then prove it by `manage.py page --test --channel "
            "NAME`; the first message that is accepted ends this incident. Take a channel that is given up out of "
            "HERDSITE_PAGING.",
        ),
        Failing(
            "authority_ends",
            f"the herd's CA ends within {AUTHORITY_WARNED_DAYS} days",
            ending,
            "Once the herd's CA has ended, no client that verifies its server can connect",
            "Symptom: the CA that signs the servers' certificates ends soon.\nLook first: `manage.py ca`; who verifies "
            "against /ca.pem?\nSteps: `manage.py rotate_ca` makes the next CA, and says what comes next; give /ca.pem "
            "to the clients that verify before the next one signs.",
            WARN,
        ),
    )
}


@dataclass
class Watch:
    """How often in a row each failing has been seen by this process."""

    seen: dict[str, int] = field(default_factory=dict)

    def look(self) -> list[Incident]:
        """One look at ourselves, and at what was left lying about; returns the incidents that it opened."""
        opened = []
        for failing in FAILINGS.values():
            evidence = failing.found(1.0)
            self.seen[failing.type] = self.seen.get(failing.type, 0) + 1 if evidence else 0
            if self.seen[failing.type] >= IN_A_ROW and not _open(failing.type).exists():
                incident = desk.raise_incident(
                    failing.type,
                    HERDSITE,
                    _OURS,
                    HERDSITE,
                    failing.severity,
                    {"facts": dict(evidence)},
                    failing.because,
                )
                if incident:
                    Incident.objects.filter(pk=incident.pk).update(queue=QUEUE)
                    opened.append(incident)
        copies.tidy()
        return opened


def goes_on(incident: Incident) -> bool:
    """Whether it is not over yet."""
    failing = FAILINGS.get(incident.type)
    return failing is not None and bool(failing.found(0.5))


def blindness() -> Incident | None:
    """The incident that we are blind or starved, while we are: it explains whatever is seen of the herd."""
    return _open("portal_blind").first() or _open("starved").first()


def begin_watching() -> None:
    """To be called before the first turns: after a while without any look, alarms are held back for a moment."""
    lately = Now() - timedelta(seconds=ABSENT_S)
    members = (model.objects.filter(due_at__isnull=False) for model in MEMBERS.values())
    looked = [(rows.exists(), rows.filter(felt_at__gt=lately).exists()) for rows in members]
    if any(there for there, _lately in looked) and not any(was for _there, was in looked):
        ControlPlane.objects.get_or_create(only=True)
        ControlPlane.objects.update(quiet_until=Now() + timedelta(seconds=QUIET_S))


def quiet_since() -> datetime | None:
    """Since when the herd is being looked at again, while that is so lately that alarms of what was not seen well since
    are held back; None otherwise."""
    until = ControlPlane.objects.filter(quiet_until__gt=Now()).values_list("quiet_until", flat=True).first()
    return until and until - timedelta(seconds=QUIET_S)


def nobody_sends() -> bool:
    """Whether no worker lives that lets pages out, repeats them and sends messages."""
    return not Worker.objects.filter(queue=SLOW, seen_at__gt=Now() - timedelta(seconds=SILENT_S)).exists()


def _waiting(late_s: float) -> dict[str, int]:
    """How many beats and messages have been due for longer than that, by queue."""
    due: dict[str, int] = {}
    before = Now() - timedelta(seconds=late_s)
    for model in MEMBERS.values():
        rows = model.objects.filter(queue__in=QUEUES, due_at__lt=before).order_by()
        for queue, n in rows.values_list("queue").annotate(Count("pk")):
            due[queue] = due.get(queue, 0) + n
    more = ((WORK, Incident.objects.filter(queue=WORK, due_at__lt=before)), (SLOW, _messages(late_s)))
    for queue, rows in more:
        if n := rows.count():
            due[queue] = due.get(queue, 0) + n
    return due


def _leased() -> set[str]:
    """The queues in which somebody has something in hand."""
    held = [model.objects.filter(leased_until__gt=Now()) for model in (*MEMBERS.values(), Incident)]
    queues = {queue for rows in held for queue in rows.order_by().values_list("queue", flat=True).distinct()}
    return queues | ({SLOW} if Notice.objects.filter(leased_until__gt=Now()).exists() else set())


def _messages(late_s: float) -> Any:
    return Notice.objects.filter(state=Notice.QUEUED, next_at__lt=Now() - timedelta(seconds=late_s))


def _open(type_: str) -> Any:
    return desk.open_incidents().filter(type=type_, subject=_OURS)
