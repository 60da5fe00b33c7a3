"""Where a new database goes: the choice is pure, the placing one transaction under one lock."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, F, Q

from fleet import names
from fleet.models import Credential, Instance, Resource, Server, Timeline
from fleet.models.instance import FIRST_PORT
from fleet.postgres.config import MONITOR
from fleet.states import AVAILABLE, CREATING, DESTROYED

_LOCK = 4_711_002
# How much of a resource's name its instances carry, so that their numbers find room in a name too.
_STEM = 56


class NoRoom(Exception):
    """No server can take it now; the message says what to add."""


@dataclass(frozen=True)
class Place:
    """A server as placing sees it: instances on it, and how many it takes."""

    id: UUID
    zone: str
    instances: int
    capacity: int


def choose(places: Sequence[Place], zone: str = "", avoid: frozenset[str] = frozenset()) -> Place | None:
    """The emptiest server with room: in the wanted zone if there is one, outside the zones to avoid if possible."""
    free = [place for place in places if place.instances < place.capacity]
    return min(
        free,
        key=lambda place: (bool(zone) and place.zone != zone, place.zone in avoid, place.instances, str(place.id)),
        default=None,
    )


def place(resource: Resource) -> Instance:
    """Give the resource an instance: of its own, or a shared one with room. One that has a place keeps it. Raises
    NoRoom."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Two placings at once could both take the last slot.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if placed := Instance.objects.filter(resources=resource.pk).select_related("server").first():
            return placed
        instance = (_shared(resource) if resource.plan.shared else None) or _new(resource)
        Resource.objects.filter(pk=resource.pk, instance=None).update(instance=instance)
        return instance


def _shared(resource: Resource) -> Instance | None:
    return (
        Instance.objects.filter(plan__tier=resource.plan.tier, major=resource.major, state__in=(CREATING, AVAILABLE))
        .annotate(living=Count("resources", filter=~Q(resources__state=DESTROYED)))
        .filter(living__lt=F("plan__shared_by"))
        # One that is available before one that is still being built.
        .order_by("state", "living", "name")
        .first()
    )


def _new(resource: Resource) -> Instance:
    """A new instance for it, in state creating: its own beats build it."""
    server = _server(resource)
    name = _name(resource)
    instance = Instance.objects.create(
        name=name,
        server=server,
        timeline=Timeline.objects.create(name=name),
        plan=resource.plan,
        major=resource.major,
        port=_port(server),
    )
    Credential.objects.create(
        purpose=Credential.MONITOR, instance=instance, role=MONITOR, secret=secrets.token_urlsafe(24)
    )
    return instance


def _server(resource: Resource) -> Server:
    servers = {
        server.pk: server
        for server in Server.objects.filter(state=AVAILABLE, pg__has_key=str(resource.major)).annotate(
            living=Count("instances", filter=~Q(instances__state=DESTROYED))
        )
    }
    best = choose([Place(s.pk, s.zone, s.living, s.capacity) for s in servers.values()], resource.zone)
    if best is None:
        raise NoRoom(
            f"No available server with PostgreSQL {resource.major} has room for another instance: add a server "
            f"(manage.py add_server), or raise the capacity of one. {len(servers)} are available, all full."
        )
    return servers[best.id]


def _name(resource: Resource) -> str:
    """A production instance carries its resource's name and a number, a shared one a name of its own."""
    if resource.plan.shared:
        return f"shared-{names.fresh()}"
    stem = resource.name[:_STEM].rstrip("-")
    n = 1
    while names.holder(f"{stem}-{n}"):
        n += 1
    return f"{stem}-{n}"


def _port(server: Server) -> int:
    """The lowest free port on the server."""
    taken = set(server.instances.exclude(state=DESTROYED).values_list("port", flat=True))
    return next(port for port in range(FIRST_PORT, 65_536) if port not in taken)
