"""How copies of a database are asked for: followers, forks to now or to a moment in the past, and bringing back what
was destroyed. All that can be refused is refused here, before anything begins."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from fleet import archiving, choices, lifecycle, placement, retaining, ring
from fleet.archives import holes
from fleet.choices import AskError
from fleet.intake import asked_before, insert, write
from fleet.lifecycle import Because
from fleet.models import Backup, Changeover, Credential, Instance, Intent, Member, Resource, Timeline
from fleet.plans import PRODUCTION
from fleet.states import AVAILABLE, CANCELLED, DESTROYED, DESTROYING, DONE, WAITING_FOR_WINDOW


def timed(params: Mapping[str, Any]) -> dict[str, Any]:
    """The params of a copy, with the moment that they name."""
    at = params.get("at")
    return {**params, "at": datetime.fromisoformat(at) if at else None}


def follow(
    leader: Resource,
    *,
    actor: str,
    name: str = "",
    plan: str = "",
    zone: str = "",
    reason: str = "",
    key: str | None = None,
) -> Resource:
    """Ask for a follower: a database of its own name and address that shows what the leader holds, read-only."""
    if made := asked_before(key, "create", Resource.KIND):
        return Resource.objects.get(pk=made.subject)
    resource = _like(leader, name, plan, zone)
    resource.follows = leader
    owner = leader.credentials.get(purpose=Credential.OWNER)
    return insert(
        resource,
        name,
        actor,
        reason or f"to follow {leader.name}",
        key,
        lambda: _owner(resource, owner.role, owner.secret),
    )


def fork(
    source: Resource,
    *,
    actor: str,
    at: datetime | None = None,
    name: str = "",
    plan: str = "",
    zone: str = "",
    reason: str = "",
    key: str | None = None,
) -> Resource:
    """Ask for a fork: what the source held at a moment (None: now), as a database of its own; it is not touched."""
    if made := asked_before(key, "create", Resource.KIND):
        return Resource.objects.get(pk=made.subject)
    resource = _like(source, name, plan, zone)
    resource.forked_from = source
    resource.attrs = origin(source, at)
    role = source.credentials.get(purpose=Credential.OWNER).role
    return insert(
        resource,
        name,
        actor,
        reason or f"a fork of {source.name}" + (f" at {at:%Y-%m-%d %H:%M:%S}" if at else ""),
        key,
        lambda: _owner(resource, role, secrets.token_urlsafe(24)),
    )


def undelete(resource: Resource, *, actor: str, reason: str = "", key: str | None = None) -> Resource:
    """Bring a destroyed database back under its name, as it was last, while its archive lives."""
    if asked_before(key, "create", Resource.KIND):
        return resource
    resource.attrs = origin(resource, None)
    resource.instance, resource.generation = None, resource.generation + 1
    Resource.objects.filter(pk=resource.pk).update(
        attrs=resource.attrs, instance=None, generation=resource.generation, quorum={}, due_at=Now(), facts={}
    )
    Intent.objects.create(
        kind=resource.KIND, subject=resource.pk, name=resource.name, verb="create", actor=actor, reason=reason, key=key
    )
    lifecycle.move(resource, "undelete", Because(None, reason or "asked for", actor))
    ring.nudge(Resource.KIND, [resource.pk])
    return resource


def origin(source: Resource, at: datetime | None) -> dict[str, str]:
    """From which timeline and base backup a copy begins; as attributes of the copy. AskError when there is none that
    reaches there, with the window that there is."""
    last = lines(source)
    if not last:
        raise AskError(unkept(source))
    now = datetime.now(UTC)
    _from, newest = window(source)
    oldest = min((one.ended_at for line in last for one in retaining.good(line) if one.ended_at), default=None)
    if oldest is None:
        raise AskError(
            f"{source.name} has no base backup yet: one is taken within minutes of its creation. Ask again then."
        )
    if at is not None and (at < oldest or at > now):
        raise AskError(
            f"{at:%Y-%m-%d %H:%M:%S} UTC is outside the range that can be restored: from {oldest:%Y-%m-%d %H:%M:%S} "
            f"to {newest or now:%Y-%m-%d %H:%M:%S} UTC."
        )
    # Each led from when it began until the next one did.
    line = next((one for one in last if at is None or one.created_at <= at), last[-1])
    line = _following(last, line, at)
    found = retaining.reachable(line, at, last[last.index(line) + 1 :])
    if found is None:
        raise AskError(f"No base backup of {source.name} was complete by {at or now:%Y-%m-%d %H:%M:%S} UTC.")
    began, backup = found
    for one in last[last.index(line) : last.index(began) + 1]:
        _whole(one, backup.first_wal if one == began else "", at, backup)
    writer = Instance.objects.select_related("plan").filter(pk=line.writer or None).first()
    return {
        "copied": "true",
        "from_timeline": str(line.pk),
        "from_backup": str(backup.pk),
        "connections": str(max(400, (writer.plan.connections if writer else 0) + 50)),
    } | ({"moment": at.isoformat()} if at else {})


def _following(lines: list[Timeline], line: Timeline, at: datetime | None) -> Timeline:
    """The line that a recovery to that moment of `line` follows: the next one, if that parted later. The last that was
    written before somebody else led is whole there only, since its leader's last segment was never full."""
    if at is None or line == lines[0]:
        return line
    child = lines[lines.index(line) - 1]
    parted = child.parent_id == line.pk and child.major == line.major and child.forked_at
    return child if parted and parted > at else line


def _whole(line: Timeline, first_wal: str, at: datetime | None, backup: Backup) -> None:
    """AskError when WAL is missing on the way from the base backup to that moment."""
    hole = holes.crossed(holes.known(line.facts.get("archive_holes")), first_wal, at)
    if hole is None:
        return
    since = f"since {hole.since:%Y-%m-%d %H:%M:%S} UTC" if hole.since else "from its beginning"
    healed = next((one for one in retaining.good(line) if hole.last and one.first_wal[8:] > hole.last[8:]), None)
    until = f" until {healed.ended_at:%Y-%m-%d %H:%M:%S} UTC" if healed and healed.ended_at else ""
    raise AskError(
        f"The archive of {line.name} misses {hole.name}: what was written {since}{until} is lost, and {backup.name} "
        "leads no further. Choose another moment."
    )


def window(resource: Resource) -> tuple[datetime | None, datetime | None]:
    """From when to when one can go back to every moment; None where that is not known. Before a hole in the archive
    there may be others, which can be asked for. The newest is that of the last archived segment."""
    past = lines(resource)
    ends = [
        backup.ended_at
        for place, line in enumerate(past)
        for backup in retaining.good(line)
        if backup.ended_at and not _cut_off(past[:place], line, backup)
    ]
    newest = None
    for line in past[:1]:
        age = line.facts.get("archive_last_age_s")
        if age and line.felt_at:
            newest = line.felt_at - timedelta(seconds=float(age))
    return min(ends, default=None), newest


def _cut_off(after: list[Timeline], line: Timeline, backup: Backup) -> bool:
    """Whether WAL is missing between the base backup and the present."""
    ways = [(line, backup.first_wal), *((one, "") for one in after)]
    return any(holes.crossed(holes.known(one.facts.get("archive_holes")), first, None) for one, first in ways)


def lines(resource: Resource) -> list[Timeline]:
    """Those that it was written on and whose archive lives, the last first. What it was forked from is another's past;
    a follower's is that of its leader."""
    instance = resource.instance
    last = instance.timeline if instance else Timeline.objects.filter(resource=resource).order_by("-created_at").first()
    return [one for one in archiving.ancestry(last) if one.resource_id == last.resource_id] if last else []


def unkept(resource: Resource) -> str:
    return f"{resource.name} has no WAL archive: its plan {resource.plan} does not restore to a time."


def _like(source: Resource, name: str, plan: str, zone: str) -> Resource:
    """A resource of the same customer with the same database inside."""
    offer = choices.plan(plan, PRODUCTION) if plan else source.plan
    choices.zone(zone)
    if offer.disk_mb < source.plan.disk_mb:
        choices.room(source, offer)
    return Resource(
        name=name,
        customer=source.customer,
        plan=offer,
        zone=zone,
        major=source.major,
        dbname=source.dbname,
        queue="work",
    )


def _owner(resource: Resource, role: str, secret: str) -> Any:
    return Credential.objects.create(purpose=Credential.OWNER, resource=resource, role=role, secret=secret)


def restore(resource: Resource, *, actor: str, at: datetime, reason: str = "", key: str | None = None) -> Intent:
    """Ask for the database as it was at a moment, under its own name and address: it is built beside the present one,
    and then takes its place. The present one's archive stays for its retention."""
    params = {"origin": origin(resource, at)}
    return write(resource, "restore", actor, reason or f"back to {at:%Y-%m-%d %H:%M:%S}", params, key)


def instance_for(changeover: Changeover) -> Instance | None:
    """The instance that a restore in place is built on; None for another changeover. Raises NoRoom."""
    if changeover.reason != Changeover.RESTORE:
        return None
    asked = Intent.objects.get(pk=changeover.marks["intent"])
    return placement.place_restored(changeover.resource, asked.params["origin"])


def tidy() -> list[str]:
    """See to the copies that were built to take somebody's place and that nobody waits for: a changeover that waits for
    its copy is called off once the old leader answers again, and what was built for one that was called off is
    destroyed. Returns what was asked for; all of it is asked once."""
    back = Changeover.objects.filter(state=WAITING_FOR_WINDOW, marks__has_key="replay", source__state=AVAILABLE)
    asked: list[tuple[Member, str, str]] = [(one, "cancel", "the old leader answers again") for one in back]
    awaited = Changeover.objects.filter(target=OuterRef("pk")).exclude(state__in=(DONE, CANCELLED))
    left = (
        Instance.objects.filter(taken__state=CANCELLED, role=Instance.LEADER, resources=None)
        .exclude(state__in=(DESTROYING, DESTROYED))
        .exclude(Exists(awaited))
    )
    asked += [(one, "destroy", "the changeover that the copy was built for was cancelled") for one in left.distinct()]
    fresh = [
        (member, verb, why) for member, verb, why in asked if not asked_before(_left(member, verb), verb, member.KIND)
    ]
    for member, verb, why in fresh:
        write(member, verb, "herdsite", why, {}, _left(member, verb))
    return [f"{verb} {member.name}" for member, verb, _why in fresh]


def _left(member: Member, verb: str) -> str:
    return f"{member.pk}/{verb}/left"
