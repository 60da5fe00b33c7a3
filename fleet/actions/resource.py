"""What can be done about a database as its customer sees it. What needs the instance is handed down to it as an intent
of its own."""

from fleet import context, intents, placement
from fleet.actions.base import Acting, Action, ActionError, fulfil, refuse
from fleet.actions.instance import limits
from fleet.models import Credential, Instance, Resource
from fleet.postgres import control
from fleet.subject import Subject
from fleet.transports.base import Shell


def place(resource: Resource, _acting: Acting) -> str:
    """Give it an instance; a new one builds itself in its own beats."""
    try:
        instance = placement.place(resource)
    except placement.NoRoom as error:
        raise ActionError(str(error)) from error
    return f"{instance.name} on {instance.server.name}"


def create_database(resource: Resource, acting: Acting) -> None:
    """Its database and its role in the instance; makes good what is missing of them."""
    shell, subject = _instance(resource, acting)
    owner = resource.credentials.get(purpose=Credential.OWNER)
    control.create_resource(shell, subject, resource.dbname, owner.role, owner.secret, limits(resource.plan))


def drop_database(resource: Resource, acting: Acting) -> None:
    shell, subject = _instance(resource, acting)
    owner = resource.credentials.get(purpose=Credential.OWNER)
    control.drop_resource(shell, subject, resource.dbname, owner.role)
    resource.attrs["dropped"] = "true"
    Resource.objects.filter(pk=resource.pk).update(attrs=resource.attrs)


def hand_down(resource: Resource, acting: Acting) -> str:
    """Ask the same of its instance, once for each asking."""
    intent, instance = acting.intent, resource.instance
    if intent is None or instance is None:
        raise ActionError("There is nothing to hand down, or nobody to hand it to.")
    intents.hand_down(instance, intent)
    return f"{intent.verb} {instance.name}"


def _instance(resource: Resource, acting: Acting) -> tuple[Shell, Subject]:
    """The Shell of the host of its instance, and the instance as a Subject."""
    instance = Instance.objects.select_related("server").get(pk=resource.instance_id)
    subject = context.instance_subject(instance, acting.subject.now)
    if subject.host is None:
        raise ActionError(f"{instance.server} has no pinned host key: nothing can be done there.")
    return acting.ports.shell(subject.host), subject


ACTIONS: dict[str, Action] = {
    "place": place,
    "create_database": create_database,
    "drop_database": drop_database,
    "hand_down": hand_down,
    "fulfil": fulfil,
    "refuse": refuse,
}
