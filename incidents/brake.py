"""The brake: when a large part of a zone, of a provider or of the herd turns doubtful within minutes, it is more likely
that we, or the place, are ill than that they all are. One incident, a storm, is opened for the place; those of the
things in it hang under it, call nobody and mend nothing, until the storm is over or a person lets go of the brake.
"""

import uuid
from datetime import timedelta
from typing import Any

from django.db.models import Count, Max, Q
from django.db.models.functions import Now

from fleet.models import Instance, Member, Resource, Server
from fleet.states import CREATING, DESTROYED, DESTROYING, DOWN, UNCERTAIN
from incidents import desk
from incidents.models import BrakeRelease, Incident
from incidents.models.incident import HERD, STORM
from incidents.watch import PAGE

# The share of its servers that makes a storm, how many they must be at least, and within which time (s) they fell ill.
# It is over when no more than half of that share is left.
SHARE, LEAST, WITHIN_S = 0.5, 2, 300
# What waits for a storm to be over; that a disk fills does not.
HELD = ("server_down", "server_unreachable", "spare_down", "instance_down", "resource_down", "stuck")
ILL = Q(state__in=(UNCERTAIN, DOWN))
_SPACE = uuid.UUID("6f0f5d0e-3c0a-4b53-9f0c-2f4be2d0a2b7")


def scopes(member: Member) -> list[str]:
    """Where a thing is, the widest place first: herd, provider/NAME, zone/NAME."""
    server = server_of(member)
    return ["herd", f"provider/{server.provider}", f"zone/{server.zone}"] if server else []


def holds(scope: str) -> bool:
    """Whether nothing may fail over by itself there: a storm is on, and nobody has let go."""
    return not released(scope) and desk.open_incidents().filter(type=STORM, subject=_id(scope)).exists()


def storm_over(member: Member) -> Incident | None:
    """The storm that the thing is in; opens it where its place has just turned doubtful."""
    for scope in scopes(member):
        if released(scope):
            continue
        storm = desk.open_incidents().filter(type=STORM, subject=_id(scope))
        if not storm.exists() and begins(scope):
            _open(scope)
        if found := storm.first():
            return found
    return None


def begins(scope: str) -> bool:
    """Whether so many of its servers have fallen ill within minutes of the last one that it is a storm."""
    last = _servers(scope).filter(ILL).aggregate(at=Max("state_since"))["at"]
    if last is None:
        return False
    ill, all_ = _count(scope, Q(state_since__gt=last - timedelta(seconds=WITHIN_S)))
    return ill >= LEAST and ill >= SHARE * all_


def goes_on(incident: Incident) -> bool:
    """Whether a storm is not over yet."""
    scope = str(incident.evidence["scope"])
    ill, all_ = _count(scope)
    return not released(scope) and ill > SHARE / 2 * all_


def released(scope: str) -> bool:
    return BrakeRelease.objects.filter(scope=scope, until__gt=Now()).exists()


def release(scope: str, seconds: float, actor: str, reason: str) -> BrakeRelease:
    """A person takes it on himself: playbooks act there again, whatever the shares are, for so long. DeskError."""
    place, _, name = scope.partition("/")
    if scope != "herd" and (place not in ("zone", "provider") or not name):
        raise desk.DeskError(f"{scope!r} is no scope: say herd, zone/NAME or provider/NAME.")
    known = sorted(set(Server.objects.exclude(state=DESTROYED).values_list(place, flat=True))) if name else []
    if known and name not in known:
        raise desk.DeskError(f"There is no {place} {name!r}. Choose one of: {', '.join(known)}.")
    if not reason.strip():
        raise desk.DeskError("Give a reason: it is kept with the story.")
    until: Any = Now() + timedelta(seconds=seconds)
    made = BrakeRelease.objects.create(scope=scope, until=until, actor=actor, reason=reason)
    for storm in desk.open_incidents().filter(type=STORM, subject=_id(scope)):
        desk.write(storm, "released", reason, actor)
    return made


def _open(scope: str) -> Incident | None:
    ill, all_ = _count(scope)
    evidence = {"scope": scope, "facts": {"servers": all_, "in doubt": ill}}
    because = "many fell ill at once: suspect ourselves or the place first"
    return desk.raise_incident(STORM, HERD, _id(scope), scope.replace("/", "-").lower(), PAGE, evidence, because)


def _count(scope: str, lately: Q | None = None) -> tuple[int, int]:
    """How many of its servers are in doubt, and how many there are."""
    found = _servers(scope).aggregate(ill=Count("pk", ILL & (lately or Q())), all=Count("pk"))
    return found["ill"], found["all"]


def _servers(scope: str) -> Any:
    place, _, name = scope.partition("/")
    where = Q(**{place: name}) if name else Q()
    return Server.objects.filter(where).exclude(state__in=(CREATING, DESTROYING, DESTROYED))


def server_of(member: Member) -> Server | None:
    """The machine that it is, or on which it lives."""
    if isinstance(member, Server):
        return member
    if isinstance(member, Instance):
        return member.server
    return member.instance.server if isinstance(member, Resource) and member.instance else None


def _id(scope: str) -> uuid.UUID:
    """A place has no row of its own: its name makes its id."""
    return uuid.uuid5(_SPACE, scope)
