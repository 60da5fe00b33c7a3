"""What a wish may name: plans, zones, hosts, versions, instances. Each is checked here, for whoever asks by whatever
door, and a name of nothing is refused with the same words everywhere."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils.module_loading import import_string

from fleet import changing, retiring
from fleet.models import Instance, Intent, Plan, Resource, Server
from fleet.plans import PRODUCTION, STARTER
from fleet.states import DESTROYED, DESTROYING, ENDS


class AskError(ValueError):
    """What was asked for can't be; the message says why and what to do."""


class NotNow(AskError):
    """It can't be now, and may be later: what stands in the way ends by itself."""


class AskedAlready(AskError):
    """Somebody asked for the same a moment ago."""

    def __init__(self, who: str, verb: str, name: str, age: timedelta, done: str) -> None:
        before = f"{who or 'herdsite'} asked to {verb} {name} {age.total_seconds():.0f} s ago, and that is {done}"
        super().__init__(f"{before}. To have it done once more, ask with `again`.")


class Unknown(AskError):
    """It names what there is not. `field` is what it was given as."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def plan(name: str, tier: str = "") -> Plan:
    """A plan that is offered, of that tier if one is named."""
    offered = Plan.objects.filter(Q(tier=tier) if tier else Q(), offered=True)
    found = offered.filter(name=name).first()
    if found is None:
        sort = f"{tier} plan" if tier else "plan"
        names = offered.values_list("name", flat=True)
        raise Unknown("plan", f"There is no {sort} {_quoted(name)}. Choose one of: {_listed(names)}.")
    return found


def zone(name: str) -> str:
    """A zone that servers are in; "" is anywhere. Where there is no server yet nobody knows the zones to come."""
    zones = sorted(set(Server.objects.exclude(state=DESTROYED).values_list("zone", flat=True)))
    if name and zones and name not in zones:
        raise Unknown("zone", f"There is no zone {_quoted(name)}. Choose one of: {_listed(zones)}.")
    return name


def major(version: int) -> int:
    """A major version of PostgreSQL that servers have; any, where there is no server yet."""
    known = sorted({major for pg in Server.objects.exclude(pg={}).values_list("pg", flat=True) for major in pg})
    if known and str(version) not in known:
        raise Unknown("major", f"No server has PostgreSQL {version}. There is: {_listed(known)}.")
    return version


def provider(name: str, host: str) -> bool:
    """Whether the provider adopts `host`, which it has to know then, rather than makes it."""
    if name not in settings.PROVIDERS:
        raise Unknown(
            "provider", f"There is no provider {_quoted(name)}. Choose one of: {_listed(settings.PROVIDERS)}."
        )
    if name not in settings.ADOPTING_PROVIDERS:
        return False
    hosts = sorted(import_string(settings.ADOPTING_PROVIDERS[name])())
    if host not in hosts:
        known = f"Choose one of: {_listed(hosts)}." if hosts else "The list is empty."
        raise Unknown(
            "name", f"The provider {name} has no host {_quoted(host)}. {known} Add the host to its list first."
        )
    return True


def leader(resource: Resource, name: str) -> str:
    """An instance that could lead the resource."""
    known = candidates(resource)
    if name not in known:
        others = f"Choose one of: {_listed(known)}." if known else f"{resource.name} has no standby."
        raise Unknown("to", f"{_quoted(name)} can't lead {resource.name}. {others}")
    return name


def member(resource: Resource, name: str) -> str:
    """An instance of the resource, whatever it is to it: its leader, or a standby for it."""
    mine = Instance.objects.filter(Q(pk=resource.instance_id) | Q(standby_for=resource)).exclude(state__in=ENDS)
    known = sorted(mine.values_list("name", flat=True))
    if name not in known:
        raise Unknown("leader", f"{_quoted(name)} is no instance of {resource.name}. Choose one of: {_listed(known)}.")
    return name


def candidates(resource: Resource) -> list[str]:
    """The instances that could lead it: its standbys, and those of its followers."""
    alive = Instance.objects.exclude(state__in=ENDS).exclude(state=DESTROYING)
    own = alive.filter(standby_for=resource, outdated=False)
    theirs = alive.filter(resources__follows=resource)
    return sorted({one.name for found in (own, theirs) for one in found})


def plans_to_move_to(resource: Resource) -> str:
    """The refusal of a resize that names no plan."""
    tier = STARTER if resource.plan.shared else PRODUCTION
    names = Plan.objects.filter(offered=True, tier=tier).exclude(pk=resource.plan_id).values_list("name", flat=True)
    return f"Say the plan that {resource.name} is to move to. Choose one of: {_listed(names)}."


def resize(resource: Resource, name: str) -> Plan:
    """The plan that a resource could move to: one of the same tier that has room for what the resource holds."""
    other = plan(name)
    if under_way := open_resize(resource, name):
        raise NotNow(
            f"{resource.name} is moving to {under_way.params.get('plan')}, as {under_way.actor} asked. Ask again when "
            "that is done, or cancel that first."
        )
    if other == resource.plan:
        raise AskError(f"{resource.name} has the plan {other} already.")
    fits(resource, other)
    return other


def fits(resource: Resource, other: Plan) -> None:
    """Whether the resource can be on that plan, as it was last seen. Raises AskError."""
    held = resource.plan
    if other.shared != held.shared:
        raise AskError(
            f"A database can't move between {held} and {other}: one of them shares a server with others. Create a "
            f"database of {other} and move the data to it."
        )
    if other.shared and (other.memory_mb, other.shared_by) != (held.memory_mb, held.shared_by):
        raise AskError(
            f"{resource.name} can't move from {held} to {other}, which shares another kind of server. Create a "
            f"database of {other} and move the data to it."
        )
    room(resource, other)


def open_resize(resource: Resource, name: str = "") -> Intent | None:
    """What was asked of the resource's plan and is not answered yet; to another plan than `name`."""
    asked = Intent.objects.filter(subject=resource.pk, verb="resize", state=Intent.OPEN)
    return asked.exclude(params__plan=name).order_by("asked_at").last()


def room(resource: Resource, other: Plan) -> None:
    """Whether the plan has room for what the resource was last seen to hold. Raises AskError."""
    held = resource.facts.get("db_size_bytes") or ""
    if held.isdigit() and int(held) > other.disk_mb * 2**20:
        raise AskError(f"{resource.name} holds {int(held) >> 20} MB, and {other} has room for {other.disk_mb} MB.")
    rows = resource.facts.get("estimated_rows") or ""
    if other.rows is not None and rows.isdigit() and int(rows) > other.rows:
        raise AskError(f"{resource.name} holds {int(rows)} rows, and {other} has room for {other.rows}.")


def loss(text: str) -> str:
    """Returns the accepted loss as it is stored. ValueError for text that names no loss."""
    try:
        changing.accepted(text)
    except ValueError as error:
        raise Unknown("accept_loss", f"{error}.") from error
    return text


def moment_to_come(text: str) -> datetime:
    """A time that is not over. ValueError for others."""
    try:
        at = retiring.moment(text)
    except ValueError as error:
        raise ValueError(f"{error}.") from error
    if at < datetime.now(UTC):
        raise ValueError(f"{at:%Y-%m-%d %H:%M} UTC is over: give a time in the future.")
    return at


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _quoted(name: str) -> str:
    """What was given, as far as it can be read."""
    return repr(name if len(name) <= 63 else name[:60] + "…")
