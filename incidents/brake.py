"""The brake: when a large part of a zone, of a provider or of the herd turns doubtful within minutes, it is more likely
that we, or the place, are ill than that they all are. One incident, a storm, is opened for the place; those of the
things in it hang under it, call nobody and mend nothing, until the storm is over or a person lets go of the brake.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from fleet import askers, policy, quorums
from fleet.askers import Asker
from fleet.models import Instance, Member, Resource, Server
from fleet.roles import DESTROY
from fleet.states import AVAILABLE, CREATING, DESTROYED, DESTROYING, DOWN, UNCERTAIN
from fleet.succession.quorum import CANT_LOSE
from incidents import desk
from incidents.models import BrakeRelease, Incident
from incidents.models.incident import HERD, STORM
from incidents.watch import PAGE

# The share of its servers that makes a storm, how many they must be at least, and within which time (s) they fell ill.
# It is over when no more than half of that share is left of those that fell ill with it, or fewer than make one.
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
    return not released(scope) and _stormy(scope)


def _stormy(scope: str) -> bool:
    return bool(desk.open_incidents().filter(type=STORM, subject=_id(scope)).exists())


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
    """Whether so many of its servers have fallen ill within minutes of the last one that it is a storm. A doubt counts
    once a second look has not ended it."""
    lately = len(_since(scope, _began(scope)))
    return lately >= LEAST and lately >= SHARE * _servers(scope).count()


def goes_on(incident: Incident) -> bool:
    """Whether a storm is not over yet. What was ill long before it is no part of it."""
    scope = str(incident.evidence["scope"])
    left = len(_since(scope, incident.evidence.get("began", 0.0)))
    return not released(scope) and left >= LEAST and left > SHARE / 2 * _servers(scope).count()


def costs_nothing(leader: Member) -> bool:
    """Whether a failover of the database on it can lose no acknowledged write, and a standby that has them all is in a
    place that is well: holding that back would protect nothing."""
    resource = Resource.objects.filter(instance=leader.pk).exclude(state__in=(DESTROYING, DESTROYED)).first()
    if resource is None or not resource.own_instance:
        return False
    record = quorums.record(resource.quorum)
    there = resource.standbys.filter(state=AVAILABLE, outdated=False, server__state=AVAILABLE).select_related("server")
    return record.says == CANT_LOSE and any(
        one.slot in record.required and not _stormy(f"zone/{one.server.zone}") for one in there
    )


def released(scope: str) -> bool:
    return BrakeRelease.objects.filter(scope=scope, until__gt=Now()).exists()


def release(scope: str, seconds: float, actor: str | Asker, reason: str) -> BrakeRelease:
    """A person takes it on himself: playbooks act there again, whatever the shares are, for so long. What they may lose
    takes the right to destroy. Raises Forbidden and DeskError."""
    by = askers.named(actor)
    askers.may(by, DESTROY)
    place, _, name = scope.partition("/")
    if scope != "herd" and (place not in ("zone", "provider") or not name):
        raise desk.DeskError(f"{scope!r} is no scope: say herd, zone/NAME or provider/NAME.")
    known = sorted(set(Server.objects.exclude(state=DESTROYED).values_list(place, flat=True))) if name else []
    if known and name not in known:
        raise desk.DeskError(f"There is no {place} {name!r}. Choose one of: {', '.join(known)}.")
    if not reason.strip():
        raise desk.DeskError("Give a reason. The reason is kept with the event.")
    until: Any = Now() + timedelta(seconds=seconds)
    made = BrakeRelease.objects.create(scope=scope, until=until, actor=by.name, reason=reason)
    for storm in desk.open_incidents().filter(type=STORM, subject=_id(scope)):
        desk.write(storm, "released", reason, by.name)
    return made


def _open(scope: str) -> Incident | None:
    facts = {"servers": _servers(scope).count(), "in doubt": len(_ill(scope))}
    evidence = {"scope": scope, "began": _began(scope), "facts": facts}
    because = "Many servers failed at once: suspect the control plane or the zone first"
    return desk.raise_incident(STORM, HERD, _id(scope), scope.replace("/", "-").lower(), PAGE, evidence, because)


def _ill(scope: str) -> list[Server]:
    """Those of its servers that are down, or in a doubt that has outlasted a second look."""
    return [one for one in _servers(scope).filter(ILL) if one.state == DOWN or _outlasts(one)]


def _began(scope: str) -> float:
    """From when on whatever fell ill belongs to a storm that is on now: within minutes of the last one (epoch, s)."""
    return max((one.state_since.timestamp() for one in _ill(scope)), default=0.0) - WITHIN_S


def _since(scope: str, began: float) -> list[Server]:
    return [one for one in _ill(scope) if one.state_since.timestamp() > began]


def _outlasts(server: Server) -> bool:
    """Whether more than one look in a row got nothing. Whoever looks notes when; the doubt itself is as old as the
    first of them."""
    since, wires = server.evidence.get("since"), (server.evidence.get(wire, {}) for wire in ("ssh", "sql"))
    again = since is not None and any(said["at"] > since for wire in wires for said in wire.values())
    return again or datetime.now(UTC) - server.state_since > timedelta(seconds=policy.SERVER_S)


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
