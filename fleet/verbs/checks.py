"""Why it can't be asked of a thing: `unfit` functions judge the thing as it is, checks judge the params as well. They
run when it is asked for; what changes until its beat, the tables and actions refuse."""

from typing import Any

from fleet import changing, choices, copies, loads, retiring, tenants, upgrading
from fleet.choices import AskError, Unknown
from fleet.models import Instance, Resource
from fleet.states import DESTROYED, DESTROYING
from fleet.verbs.row import Params, Request

_GOING = (DESTROYING, DESTROYED)


def occupied(server: Any) -> str:
    alive = server.instances.exclude(state__in=_GOING).count()
    return f"{alive} instance(s) are on {server.name}: destroy or move them first." if alive else ""


def stays(server: Any) -> str:
    return "" if retiring.date(server) else f"{server.name} is not to retire: there is nothing to take back."


def inhabited(instance: Any) -> str:
    living = instance.resources.exclude(state=DESTROYED).count()
    return f"{living} resource(s) are on {instance.name}: destroy those first." if living else ""


def leads(instance: Any) -> str:
    return "" if instance.role == Instance.STANDBY else f"{instance.name} is no standby: only one can be rebuilt."


def clean(instance: Any) -> str:
    return "" if instance.outdated else f"{instance.name} is no former leader: it has no stray writes to let go."


def shared(resource: Resource) -> str:
    if resource.own_instance:
        return ""
    return f"{resource.name} shares its instance with others: ask its instance {resource.instance} instead."


def unarchived(resource: Resource) -> str:
    if resource.instance and resource.instance.timeline.archive:
        return ""
    return f"{resource.name} keeps no archive (plan {resource.plan}): ask for a logical backup instead (dump)."


def follows_for_password(resource: Resource) -> str:
    if resource.follows_id is None:
        return ""
    return f"{resource.name} has the password of {resource.follows}, which it follows: rotate that one's."


def leads_itself(resource: Resource) -> str:
    return "" if resource.follows_id else f"{resource.name} is not a follower."


def followed(resource: Resource) -> str:
    names = [one.name for one in resource.followers.exclude(state__in=_GOING)]
    return f"{', '.join(names)} follow(s) {resource.name}: unfollow or destroy these first." if names else ""


def failover(resource: Resource) -> str:
    return changing.obstacle(resource, "failover")


def switchover(resource: Resource) -> str:
    return changing.obstacle(resource, "switchover")


def not_alone(resource: Resource) -> str:
    if resource.own_instance:
        return ""
    return f"{resource.name} shares its instance with others: move it to a production plan first."


def not_its_own(resource: Resource) -> str:
    if resource.follows_id:
        return f"{resource.name} follows {resource.follows}: ask that one instead."
    if resource.own_instance:
        return ""
    return f"{resource.name} shares its instance with others: its leader never changes, so records of it stay right."


def not_restorable(resource: Resource) -> str:
    if resource.follows_id:
        return f"{resource.name} follows {resource.follows}: restore that, or unfollow first."
    return not_alone(resource) or unkept(resource)


def not_suspended(resource: Resource) -> str:
    return "" if tenants.until(resource.attrs) else f"{resource.name} is not suspended."


def not_forkable(resource: Resource) -> str:
    return not_alone(resource) or unkept(resource)


def unkept(resource: Resource) -> str:
    return "" if copies.lines(resource) else copies.unkept(resource)


def not_loadable(resource: Resource) -> str:
    if resource.follows_id is None:
        return ""
    return f"{resource.name} follows another and is read-only: load into the one that it follows."


def to_lead(resource: Resource, asked: Request) -> Params | None:
    """An instance that may lead, and what may be lost."""
    if why := changing.obstacle(resource, asked.verb, asked.params.get("to", "")):
        raise AskError(why)
    if asked.params.get("force") and not asked.params.get("accept_loss"):
        raise Unknown("accept_loss", "To force it, say what may be lost: a number of bytes, or unknown.")
    return None


def resize(resource: Resource, asked: Request) -> Params | None:
    choices.resize(resource, asked.params.get("plan", ""))
    return None


def upgrade(resource: Resource, asked: Request) -> Params:
    return {"major": upgrading.chosen(resource, asked.params.get("major"))}


def load(resource: Resource, asked: Request) -> Params | None:
    loads.check(resource, asked.params, asked.by)
    return None
