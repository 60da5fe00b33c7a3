"""Where a new database goes: the choice is pure, the placing one transaction under one lock."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, F, Q, QuerySet

from fleet import archiving, names
from fleet.models import Credential, Instance, Resource, Server, Timeline
from fleet.models.instance import FIRST_PORT
from fleet.postgres.config import MONITOR, REPLICA
from fleet.states import AVAILABLE, CREATING, DESTROYED, RETIRING

_LOCK = 4_711_002
# How much of a resource's name its instances carry, so that their numbers find room in a name too.
_STEM = 48


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
        _alone()
        if placed := Instance.objects.filter(resources=resource.pk).select_related("server").first():
            return placed
        instance = (_shared(resource) if resource.plan.shared else None) or _new(resource)
        Resource.objects.filter(pk=resource.pk, instance=None).update(instance=instance)
        return instance


def _shared(resource: Resource) -> Instance | None:
    return (
        Instance.objects.filter(plan__tier=resource.plan.tier, major=resource.major, state__in=(CREATING, AVAILABLE))
        .exclude(server__state=RETIRING)
        .exclude(server__in=_shut())
        .annotate(living=Count("resources", filter=~Q(resources__state=DESTROYED)))
        .filter(living__lt=F("plan__shared_by"))
        # One that is available before one that is still being built.
        .order_by("state", "living", "name")
        .first()
    )


def place_standby(resource: Resource, also: int | None = None) -> Instance:
    """A hidden standby for the resource's leader, in another zone if there is one and never on its server; on one that
    has the major version `also` too. Raises NoRoom."""
    with transaction.atomic():
        _alone()
        leader = Instance.objects.select_related("server", "timeline").get(pk=resource.instance_id)
        taken = Instance.objects.filter(standby_for=resource).exclude(state=DESTROYED).select_related("server")
        servers = {leader.server_id, *(one.server_id for one in taken)}
        server = _server(resource, servers, frozenset({leader.server.zone}), "", also)
        # A stable address leads to another machine at the same port.
        return _copy(resource, leader, server, leader.port, standby_for=resource)


def _new(resource: Resource) -> Instance:
    """A new instance for it, in state creating: its own beats build it."""
    server = _server(resource, set(), frozenset(), resource.zone)
    if resource.follows_id:
        leader = Instance.objects.select_related("timeline").get(resources=resource.follows_id)
        return _copy(resource, leader, server, _port())
    return _leader(resource, server, _port(), resource.attrs if "from_timeline" in resource.attrs else {})


def place_restored(resource: Resource, origin: Mapping[str, str]) -> Instance:
    """An instance that is built beside the resource's leader from what its archive holds, to take its place then; never
    on its server, and where a stable address can lead to it. `origin` is that of copies.origin. Raises NoRoom."""
    with transaction.atomic():
        _alone()
        leader = Instance.objects.select_related("server").get(pk=resource.instance_id)
        same_port = Instance.objects.filter(port=leader.port).exclude(state=DESTROYED)
        taken = {leader.server_id, *same_port.values_list("server", flat=True)}
        server = _server(resource, taken, frozenset(), leader.server.zone)
        return _leader(resource, server, leader.port, origin)


def _leader(resource: Resource, server: Server, port: int, origin: Mapping[str, str]) -> Instance:
    """One that leads a timeline of its own, which begins empty or where `origin` says."""
    name = _name(resource)
    source = Timeline.objects.get(pk=origin["from_timeline"]) if origin else None
    instance = Instance(
        name=name,
        server=server,
        plan=resource.plan,
        # What is restored is of the version that it was written by.
        major=source.major if source else resource.major,
        port=port,
        role=Instance.LEADER,
    )
    instance.generation, instance.attrs = resource.generation, dict(origin)
    instance.timeline = archiving.begin(
        f"{name}-line",
        str(instance.pk),
        archived=resource.plan.keep_days > 0 and not resource.plan.shared,
        parent=source,
        plan=resource.plan,
        major=instance.major,
        resource=None if resource.plan.shared else resource,
        timeline_id=source.timeline_id + 1 if source else 1,
        system_identifier=source.system_identifier if source else "",
    )
    instance.save(force_insert=True)
    if source:
        _same_roles(instance, Instance.objects.get(pk=source.writer))
    else:
        for purpose, role in ((Credential.MONITOR, MONITOR), (Credential.REPLICA, REPLICA)):
            secret = secrets.token_urlsafe(24)
            Credential.objects.create(purpose=purpose, instance=instance, role=role, secret=secret)
    return instance


def _copy(resource: Resource, leader: Instance, server: Server, port: int, **more: object) -> Instance:
    """An instance that is to stream from the leader: it has the leader's roles, since they come with the data."""
    instance = Instance.objects.create(
        name=_name(resource),
        server=server,
        timeline=leader.timeline,
        plan=resource.plan,
        major=leader.major,
        port=port,
        role=Instance.STANDBY,
        upstream=leader,
        generation=leader.generation,
        **more,
    )
    _same_roles(instance, leader)
    return instance


def _same_roles(instance: Instance, other: Instance) -> None:
    for one in Credential.objects.filter(instance=other):
        Credential.objects.create(purpose=one.purpose, instance=instance, role=one.role, secret=one.secret)


def _server(resource: Resource, taken: set[UUID], avoid: frozenset[str], zone: str, also: int | None = None) -> Server:
    wanted = [str(major) for major in (resource.major, also) if major]
    servers = {
        server.pk: server
        for server in Server.objects.filter(state=AVAILABLE, pg__has_keys=wanted)
        .exclude(pk__in=_shut())
        .annotate(living=Count("instances", filter=~Q(instances__state=DESTROYED)))
    }
    free = [Place(s.pk, s.zone, s.living, s.capacity) for s in servers.values() if s.pk not in taken]
    best = choose(free, zone, avoid)
    if best is None:
        shut = _shut().values_list("name", flat=True)
        raise NoRoom(
            f"No available server with PostgreSQL {' and '.join(wanted)} has room for another instance: add a server "
            f"(manage.py add_server), or raise the capacity of one. {len(servers)} are available, all full or taken."
            + (f" No new SSH login works on {', '.join(shut)}: nothing is placed there." if shut else "")
        )
    return servers[best.id]


def _shut() -> QuerySet[Server]:
    """Servers on which no new login was possible when that was last tried: only connections that are held still live,
    and what is placed there could be lost to us at any moment."""
    return Server.objects.filter(state__in=(AVAILABLE, RETIRING), facts__lets_in="false")


def _name(resource: Resource) -> str:
    """A production instance carries its resource's name and a number, a shared one a name of its own."""
    if resource.plan.shared:
        return f"shared-{names.fresh()}"
    stem = resource.name[:_STEM].rstrip("-")
    n = 1
    while names.holder(f"{stem}-{n}"):
        n += 1
    return f"{stem}-{n}"


def move_port(instance: Instance, busy: Collection[int]) -> None:
    """Give one that was not built yet another port: its own, or one of `busy`, is somebody else's on its host."""
    with transaction.atomic():
        _alone()
        instance.port = _port(busy)
        Instance.objects.filter(pk=instance.pk).update(port=instance.port, attrs=instance.attrs)


def move_elsewhere(instance: Instance, resource: Resource) -> Server:
    """Another server for one of which nothing is on a host yet. Raises NoRoom."""
    with transaction.atomic():
        _alone()
        mine = Instance.objects.filter(Q(standby_for=resource) | Q(resources=resource))
        same_port = Instance.objects.filter(port=instance.port).exclude(state=DESTROYED)
        taken = {*mine.values_list("server", flat=True), *same_port.values_list("server", flat=True)}
        server = _server(resource, {instance.server_id, *taken}, frozenset(), instance.server.zone)
        Instance.objects.filter(pk=instance.pk).update(server=server, facts={}, probed={})
        return server


def _alone() -> None:
    """Two placings at once could both take the last slot, or the same port."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _port(busy: Collection[int] = ()) -> int:
    """The lowest port that is free in the whole herd: what is copied elsewhere later can have the same one there, which
    is what a stable address needs. Whether its host has it free is asked when it is built (actions/fitness.py)."""
    taken = {*Instance.objects.exclude(state=DESTROYED).values_list("port", flat=True), *busy}
    return next(port for port in range(FIRST_PORT, 65_536) if port not in taken)
