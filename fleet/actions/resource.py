"""What can be done about a database as its customer sees it. What needs the instance is handed down to it as an intent
of its own."""

import secrets
from datetime import datetime

from django.db import transaction

from fleet import believing, changing, choices, intake, placement, subjects, tenants
from fleet.actions import dumps, hosts, parting
from fleet.actions.base import Acting, Action, ActionError, answer, fulfil, refuse
from fleet.actions.instance import limits
from fleet.lifecycle import Because
from fleet.models import Address, Changeover, Credential, Instance, Intent, Plan, Resource
from fleet.postgres import control
from fleet.states import DESTROYED
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
        raise ActionError("The request is gone, or the database has no instance.")
    intake.hand_down(instance, intent)
    return f"{intent.verb} {instance.name}"


def change_over(resource: Resource, acting: Acting) -> str:
    """Begin the changeover that was asked for."""
    intent = acting.intent
    if intent is None:
        raise ActionError("The request is gone.")
    try:
        return begin(resource, intent, acting.because).name
    except changing.Busy as error:
        raise ActionError(str(error)) from error
    except changing.CantMove as error:
        answer(Intent.objects.filter(pk=intent.pk), Intent.REFUSED, str(error))
        return str(error)


def begin(resource: Resource, intent: Intent, because: Because) -> Changeover:
    """The changeover that an Intent asks for. Raises Busy and CantMove."""
    params = intent.params
    return changing.begin(
        resource,
        intent.verb,
        Because(because.row, intent.reason or because.why, intent.actor),
        wanted=params.get("to", ""),
        force=bool(params.get("force")),
        accept_loss=str(params.get("accept_loss", "")),
        not_before=datetime.fromisoformat(params["not_before"]) if params.get("not_before") else None,
        plan=Plan.objects.filter(pk=params.get("plan")).first() if params.get("plan") else None,
        marks={"intent": str(intent.pk)},
    )


def resize_in_place(resource: Resource, acting: Acting) -> str:
    """Give what shares its instance another plan where it is: the two differ in limits alone. Cut off between
    PostgreSQL and our record, the next beat sets them once more."""
    if acting.intent is None:
        raise ActionError("The request is gone.")
    try:
        plan = choices.plan(acting.intent.params["plan"])
        choices.fits(resource, plan)
    except choices.AskError as error:
        answer(Intent.objects.filter(pk=acting.intent.pk), Intent.REFUSED, str(error))
        return str(error)
    shell, subject = _instance(resource, acting)
    owner = resource.credentials.get(purpose=Credential.OWNER)
    control.set_limits(shell, subject, resource.dbname, owner.role, limits(plan))
    Resource.objects.filter(pk=resource.pk).update(plan=plan)
    fulfil(resource, acting)
    return plan.name


def refuse_move(resource: Resource, acting: Acting) -> str | None:
    """Answer the intent: it could not change over, and why."""
    if acting.intent is None:
        return None
    changeover = Changeover.objects.filter(marks__intent=str(acting.intent.pk)).first()
    why = (changeover.marks.get("why") if changeover else "") or acting.because.why
    answer(Intent.objects.filter(pk=acting.intent.pk), Intent.REFUSED, why)
    return f"{acting.intent.verb} of {resource.name}: {why}"


def add_standby(resource: Resource, _acting: Acting) -> str:
    try:
        standby = placement.place_standby(resource)
    except placement.NoRoom as error:
        raise ActionError(str(error)) from error
    return f"{standby.name} on {standby.server.name}"


def drop_standby(resource: Resource, acting: Acting) -> str:
    """Take one away that the plan does not promise: the one that is least well."""
    order = {state: n for n, state in enumerate(("fenced", "stopped", "down", "uncertain", "creating", "available"))}
    standbys = [one for one in resource.standbys.all() if one.state in order]
    if not standbys:
        return "there is none"
    needed = resource.quorum.get("required", ())
    worst = min(standbys, key=lambda one: (one.slot in needed, not one.outdated, order[one.state], one.name))
    intake.write(worst, "destroy", acting.because.actor, acting.because.why, {}, key=f"{worst.pk}/idle")
    return worst.name


def reserve_address(resource: Resource, acting: Acting) -> str:
    """Its stable address; its own beats have the provider make it."""
    instance = resource.instance
    if instance is None:
        raise ActionError("The database has no instance yet.")
    if not acting.ports.provider(instance.server.provider).has_addresses:
        resource.attrs["addresses"] = "none"
        Resource.objects.filter(pk=resource.pk).update(attrs=resource.attrs)
        return f"the provider {instance.server.provider} has none: its URL changes with its leader"
    address = Address(
        name=f"{resource.name[:54]}-address", resource=resource, provider=instance.server.provider, port=instance.port
    )
    address.save(force_insert=True)
    return address.name


def backup(resource: Resource, acting: Acting) -> str | None:
    """Have a base backup taken of the timeline that it is on; a follower's is that of its leader."""
    if acting.intent is None:
        return None
    timeline = resource.instance.timeline if resource.instance else None
    if timeline is None or not timeline.archive:
        why = f"{resource.name} has no WAL archive: its plan {resource.plan} does not restore to a time"
        answer(Intent.objects.filter(pk=acting.intent.pk), Intent.REFUSED, why)
        return why
    intake.hand_down(timeline, acting.intent)
    fulfil(resource, acting)
    return timeline.name


def rotate(resource: Resource, acting: Acting) -> str:
    """Another password for its owner. What follows it replays the change, so it has the new one as well. Cut off
    between PostgreSQL and our record, the next beat sets one more."""
    shell, subject = _instance(resource, acting)
    owner = resource.credentials.get(purpose=Credential.OWNER)
    secret = secrets.token_urlsafe(24)
    control.set_password(shell, subject, owner.role, secret)
    with transaction.atomic():
        for one in (resource, *_followers(resource)):
            for credential in Credential.objects.filter(resource=one, purpose=Credential.OWNER):
                credential.secret = secret
                credential.save(update_fields=["secret"])
    fulfil(resource, acting)
    return f"of {owner.role}"


def lift(resource: Resource, acting: Acting) -> str:
    """End the suspension: its owner may log in again. Cut off between PostgreSQL and our record, the next beat does it
    once more."""
    instance = Instance.objects.select_related("server").get(pk=resource.instance_id)
    shell, subject = hosts.orders(instance, acting, instance.epoch)
    owner = resource.credentials.get(purpose=Credential.OWNER)
    control.lift(shell, subject, resource.dbname, owner.role)
    tenants.lift(resource)
    fulfil(resource, acting)
    return f"{owner.role} can log in"


def _followers(resource: Resource) -> list[Resource]:
    """Whoever follows it, and whoever follows those."""
    direct = list(resource.followers.exclude(state=DESTROYED))
    return [*direct, *(far for near in direct for far in _followers(near))]


def unfollow(resource: Resource, acting: Acting) -> str:
    """Make the follower a leader of a timeline of its own; what it followed goes on unharmed."""
    return parting.unfollow(resource, acting)


def _instance(resource: Resource, acting: Acting) -> tuple[Shell, Subject]:
    """The Shell of the host of its instance, and the instance as a Subject."""
    instance = Instance.objects.select_related("server").get(pk=resource.instance_id)
    subject = subjects.instance_subject(instance, acting.subject.now)
    if subject.host is None:
        raise ActionError(f"{instance.server} has no pinned host key: nothing can be done on it.")
    return acting.ports.shell(subject.host), subject


def believe(resource: Resource, acting: Acting) -> str:
    """Record who leads, as the hosts show it."""
    if acting.intent is None:
        raise ActionError("The request is gone.")
    hosts.right(acting)
    return believing.record(resource, acting.intent, acting.because)


ACTIONS: dict[str, Action] = {
    **dumps.ACTIONS,
    "place": place,
    "create_database": create_database,
    "drop_database": drop_database,
    "hand_down": hand_down,
    "change_over": change_over,
    "refuse_move": refuse_move,
    "resize_in_place": resize_in_place,
    "add_standby": add_standby,
    "drop_standby": drop_standby,
    "reserve_address": reserve_address,
    "backup": backup,
    "unfollow": unfollow,
    "rotate": rotate,
    "lift": lift,
    "believe": believe,
    "fulfil": fulfil,
    "refuse": refuse,
}
