"""A server goes out of service on a date: move everything on it elsewhere before, then give the machine back.

Symptom: the provider announces that it will retire or stop the machine, or an operator retires the server.
Look first: is it a retirement, or only a reboot? By when? Is there room elsewhere?
Steps: place nothing new on the server; plan a changeover for each database that leads there, in its customer's
maintenance window, and tell the customer when; build the copies elsewhere at once, so that the window is short.
Standbys are replaced in the same windows, one at a time. When nothing is left on the server, the machine is given back.
Give up when: something is still on the server a day before the date. Shared instances and followers are never moved
automatically: load a logical backup elsewhere, or create another follower. If the server is to stay after all, run `ask
NAME keep`; changeovers that are planned stay planned (`manage.py changeover NAME --cancel`).
"""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction

from fleet import changing, placement, retiring, windows
from fleet.intents import AskError, ask
from fleet.lifecycle import Because
from fleet.models import Changeover, Customer, Instance, Resource, Server
from fleet.states import AVAILABLE, DESTROYED, DESTROYING, RETIRING
from incidents.notices import desk as notices
from incidents.outcomes import Case, Outcome, again, fixed, give_up

# What ends a machine; a reboot or maintenance does not.
ENDS = re.compile(r"retir|stop|terminat|decommission", re.IGNORECASE)
DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?")
# How long before the date the last window is, and a person is called.
SPARE, LAST = timedelta(hours=36), timedelta(hours=24)
# At this hour (UTC) for those without a window of their own.
HOUR = 3
LOOK_S, REBOOT_S = 1800.0, 4 * 3600.0


@dataclass(frozen=True)
class Planned:
    """What a customer is told of, as the desk of notices asks for it: one changeover, and no incident of theirs."""

    id: uuid.UUID
    name: str
    subject_name: str
    customer: Customer
    type: str = "server_retiring"
    severity: str = "warn"
    subject_kind: str = Resource.KIND
    summary: str = "the machine goes out of service"


def close(case: Case) -> Outcome:
    """Nothing new comes onto it."""
    if _server(case).state != RETIRING:
        if not ENDS.search(_events(case)):
            return again(REBOOT_S, f"the server stays in service: {_events(case)}")
        by = _by(case).isoformat()
        why = f"the provider says: {_events(case)}"
        try:
            ask(case.member, "retire", actor=case.actor, reason=why, params={"by": by}, key=f"{case.key}/retire")
        except AskError as error:
            return give_up(str(error))
        return again(1, "retirement was requested")
    return fixed(f"by {_by(case):%Y-%m-%d %H:%M} UTC everything on this server has to be elsewhere")


def move_away(case: Case) -> Outcome:
    """Plan what is not planned, replace what only stands by; what is left, and when it goes."""
    left = [_away(case, one) for one in _living(case)]
    note = "; ".join(left)
    if not left:
        return fixed("nothing is left on this server")
    if case.subject.now > _by(case) - LAST:
        return give_up(f"the date is near: {note}")
    return again(LOOK_S, note)


def give_back(case: Case) -> Outcome:
    """Its own table does it."""
    try:
        ask(
            case.member,
            "destroy",
            actor=case.actor,
            reason="the server goes out of service, and nothing is left on it",
            confirm=case.member.name,
            key=case.key,
        )
    except AskError as error:
        return give_up(str(error))
    return fixed("the machine is being given back")


STEPS = (close, move_away, give_back)


def _server(case: Case) -> Server:
    assert isinstance(case.member, Server)
    return case.member


def _living(case: Case) -> list[Instance]:
    found = Instance.objects.filter(server=case.member.pk).exclude(state__in=(DESTROYING, DESTROYED))
    return list(found.select_related("standby_for__plan", "upstream", "plan").order_by("name"))


def _away(case: Case, instance: Instance) -> str:
    """See to one instance; what is to become of it, in words."""
    if instance.standby_for:
        return _replaced(case, instance, instance.standby_for)
    resource = Resource.objects.filter(instance=instance).exclude(state=DESTROYED).select_related("plan").first()
    if resource is None:
        return f"{instance.name} serves no database: destroy it"
    if not resource.own_instance or resource.follows_id:
        return f"{instance.name} is {'a follower' if resource.follows_id else 'shared'}: a person moves it"
    moving = changing.open_of(resource)
    if moving is None:
        try:
            moving = _planned(case, resource)
        except (changing.Busy, changing.CantMove, placement.NoRoom) as error:
            return str(error)
    at = f" at {moving.not_before:%Y-%m-%d %H:%M} UTC" if moving.not_before else ""
    return f"{resource.name} moves{at}: {moving.look.label.lower()}"


def _planned(case: Case, resource: Resource) -> Changeover:
    """Its changeover, with a copy that is built now unless somebody stands by elsewhere; its customer is told."""
    because = Because(None, "the server goes out of service", case.actor)
    at = _window(resource, case)
    with transaction.atomic():
        ready = resource.standbys.filter(state=AVAILABLE, outdated=False).exclude(server=case.member.pk).exists()
        if ready:
            moving = changing.begin(resource, Changeover.SWITCHOVER, because, not_before=at)
        else:
            copy = placement.place_standby(resource)
            moving = changing.begin(resource, Changeover.RETIREMENT, because, not_before=at, target=copy)
        notices.tell_customer(Planned(moving.pk, moving.name, resource.name, resource.customer), notices.PLANNED, at)
    return moving


def _replaced(case: Case, standby: Instance, resource: Resource) -> str:
    """A standby is taken away in its resource's window, while that is well; its table has another built elsewhere."""
    at = _window(resource, case)
    if at > case.subject.now:
        return f"{standby.name} is a standby of {resource.name}, and is replaced at {at:%Y-%m-%d %H:%M} UTC"
    others = resource.standbys.exclude(pk=standby.pk).exclude(state__in=(AVAILABLE, DESTROYED))
    if resource.state != AVAILABLE or changing.open_of(resource) or others.exists():
        return f"{standby.name} is a standby of {resource.name}, which is not available or is changing over"
    try:
        why = "the server goes out of service: another standby is built elsewhere"
        ask(standby, "destroy", actor=case.actor, reason=why, confirm=standby.name, key=f"{case.key}/{standby.pk}")
    except AskError as error:
        return str(error)
    return f"{standby.name} is being replaced"


def _window(resource: Resource, case: Case) -> datetime:
    """When its customer would have it: in the window that is open or comes next, and in time before the date."""
    now = case.subject.now
    if resource.window:
        opens = windows.next_open(resource.window, now)
    else:
        opens = now.replace(hour=HOUR, minute=0, second=0, microsecond=0)
        opens += timedelta(days=0 if now < opens + windows.LENGTH else 1)
    return max(now, min(opens, _by(case) - SPARE))


def _by(case: Case) -> datetime:
    """The date: the one that is noted, the first that is announced, or a week from when this began."""
    if noted := retiring.date(_server(case)):
        return noted
    told = [moment for text in DATE.findall(_events(case)) if (moment := _moment(text))]
    return min(told, default=case.subject.now - timedelta(seconds=case.step_s) + retiring.NOTICE)


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _events(case: Case) -> str:
    return case.facts["scheduled_events"] or (case.evidence.get("facts") or {}).get("scheduled_events") or ""
