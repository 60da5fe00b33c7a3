"""How anybody asks for anything: pages, API and commands write an Intent here, and a beat does it.

A refusal is an AskError whose message says what to do instead. Nothing here touches the fleet.
"""

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from fleet import changing, choices, names, ring
from fleet.choices import AskedAlready, AskError
from fleet.lifecycle import Because, story
from fleet.models import Changeover, Credential, Customer, Intent, Member, Resource, Server
from fleet.states import CANCELLED, DESTROYED, DESTROYING, ENDS

# What may be asked of each kind, and what it means to the one who asks.
VERBS: dict[str, dict[str, str]] = {
    "server": {
        "retire": "take it out of service by a date: all that lives on it moves elsewhere, then the machine goes",
        "keep": "leave a retiring server in service after all",
        "destroy": "take the machine away; nothing may live on it any more",
    },
    "instance": {
        "restart": "restart PostgreSQL",
        "stop": "stop PostgreSQL and leave it so",
        "start": "start PostgreSQL again",
        "retry": "try a failed build or removal again",
        "rebuild": "copy a standby anew from its leader",
        "discard": "let a former leader's stray writes go, where they can't be read out",
        "destroy": "stop PostgreSQL and remove its data directory",
    },
    "resource": {
        "restart": "restart its PostgreSQL",
        "stop": "stop its PostgreSQL: maintenance",
        "start": "end the maintenance",
        "failover": "promote a standby now, whatever the leader does",
        "switchover": "let a standby lead; the leader takes part, and nothing is lost",
        "resize": "move it to another plan, on a server with room",
        "rotate": "give its owner another password; whoever is connected stays",
        "unfollow": "make a follower a database of its own",
        "backup": "take a base backup now",
        "dump": "take a logical backup now",
        "destroy": "remove the database with all of its data",
    },
    "timeline": {"backup": "take a base backup now", "drill": "restore it to a scratch place, for a trial"},
    "backup": {},
    "address": {"detach": "lead it nowhere; it finds back by itself"},
    "changeover": {"cancel": "leave it, if the old leader can go on", "retry": "try again where it stopped"},
}
DESTRUCTIVE = ("destroy", "discard")
# What is done once more each time that it is asked for; the others end in a state, and are done once.
EACH_TIME = (
    "restart", "rebuild", "failover", "switchover", "resize", "upgrade", "restore", "load", "rotate", "backup", "dump",
    "drill",
)  # fmt: skip
# Who asks for what somebody else asked for so short a time ago is told of that.
JUST_NOW = timedelta(seconds=60)
KEY_LENGTH = 120
ACTOR_LENGTH = 120


def ask(
    member: Member,
    verb: str,
    *,
    actor: str,
    reason: str = "",
    confirm: str = "",
    params: dict[str, Any] | None = None,
    key: str | None = None,
    again: bool = False,
) -> Intent:
    """Write down that `actor` wants `verb` of a thing, and make its next beat due. The same `key` again gives the
    same intent. Destructive verbs want the thing's name typed (`confirm`) and a reason. `again` says that it is meant
    although the same was asked for a moment ago."""
    if known := asked_before(key, verb, member.KIND):
        if known.subject != member.pk:
            raise AskError(f"The key {key!r} belongs to what was asked of {known.name}. Use another.")
        return known
    _may(member, verb, reason, confirm, str((params or {}).get("to") or ""))
    choices.check(member, verb, params or {})
    asked_just_now(member, verb, actor, again)
    return write(member, verb, actor, reason, params or {}, key)


def write(
    member: Member,
    verb: str,
    actor: str,
    reason: str,
    params: dict[str, Any],
    key: str | None,
    parent: Intent | None = None,
) -> Intent:
    try:
        with transaction.atomic():
            intent = Intent.objects.create(
                kind=member.KIND,
                subject=member.pk,
                name=member.name,
                verb=verb,
                params=params,
                actor=actor[:ACTOR_LENGTH],
                reason=reason,
                key=key,
                parent=parent,
            )
            story(member, f"asked to {verb}", Because(None, reason or "no reason given", actor))
            transaction.on_commit(lambda: ring.nudge(member.KIND, [member.pk]))
    except IntegrityError:
        # Somebody asked with the same key at the same moment.
        if known := asked_before(key, verb, member.KIND):
            return known
        raise
    return intent


def asked_before(key: str | None, verb: str, kind: str) -> Intent | None:
    """The intent of that key; AskError when the key stands for something else that was asked."""
    if key and len(key) > KEY_LENGTH:
        raise AskError(f"A key has at most {KEY_LENGTH} characters; this one has {len(key)}.")
    known = Intent.objects.filter(key=key).first() if key else None
    if known and (known.verb, known.kind) != (verb, kind):
        raise AskError(f"The key {key!r} belongs to another asking: {known.verb} {known.name}. Use another.")
    return known


def asked_just_now(member: Member, verb: str, actor: str, again: bool = False) -> None:
    """AskedAlready when the same is under way, or was done a moment ago, for somebody else than `actor`, who does not
    ask for it `again`."""
    if again or verb not in EACH_TIME:
        return
    asked = Intent.objects.exclude(actor=actor).filter(
        Q(state=Intent.OPEN) | Q(state=Intent.DONE, asked_at__gt=Now() - JUST_NOW)
    )
    last = asked.filter(subject__in=_one_thing(member), verb=verb).annotate(age=Now() - F("asked_at")).first()
    if last:
        done = "under way" if last.state == Intent.OPEN else "done"
        raise AskedAlready(last.actor, verb, member.name, last.age, done)
    moved = Changeover.objects.filter(resource=member.pk, reason=verb, created_at__gt=Now() - JUST_NOW)
    if moved := moved.exclude(Q(state=CANCELLED) | Q(actor=actor)).annotate(age=Now() - F("created_at")).first():
        raise AskedAlready(moved.actor, verb, member.name, moved.age, moved.look.label.lower())


def _one_thing(member: Member) -> list[UUID]:
    """What is the same thing to whoever asks: a database that has an instance of its own, and that instance."""
    own = isinstance(member, Resource) and member.instance_id and member.own_instance
    return [member.pk, member.instance_id] if own else [member.pk]  # type: ignore[attr-defined]


def hand_down(instance: Member, intent: Intent) -> Intent:
    """A resource's intent, asked of its instance on behalf of the same actor; asking twice asks once."""
    key = f"{intent.pk}/{instance.pk}"
    if known := Intent.objects.filter(key=key).first():
        return known
    return write(instance, intent.verb, intent.actor, intent.reason, {}, key, intent)


def _may(member: Member, verb: str, reason: str, confirm: str, to: str) -> None:
    verbs = VERBS[member.KIND]
    if verb not in verbs:
        raise AskError(f"A {member.KIND} can't be asked to {verb!r}. It knows: {', '.join(verbs)}.")
    state = member.state
    if state in ENDS or (state == DESTROYING and verb != "retry"):
        raise AskError(f"{member.name} is {member.look.label.lower()}: nothing can be asked of it any more.")
    if verb in DESTRUCTIVE:
        if confirm != member.name:
            raise AskError(f"To {verb} {member.name}, type its name to confirm.")
        if not reason.strip():
            raise AskError(f"To {verb} {member.name}, give a reason: it is kept with the story.")
    if isinstance(member, Server) and verb == "destroy":
        alive = member.instances.exclude(state__in=(DESTROYING, DESTROYED)).count()
        if alive:
            raise AskError(f"{alive} instance(s) live on {member.name}: destroy or move them first.")
    if isinstance(member, Resource) and verb == "backup" and not _archived(member):
        raise AskError(f"{member.name} keeps no archive (plan {member.plan}): ask for a logical backup instead (dump).")
    if isinstance(member, Resource) and verb == "rotate" and member.follows_id is not None:
        raise AskError(f"{member.name} has the password of {member.follows}, which it follows: rotate that one's.")
    if isinstance(member, Resource) and verb == "unfollow" and member.follows_id is None:
        raise AskError(f"{member.name} follows nobody.")
    if isinstance(member, Resource) and (why := changing.obstacle(member, verb, to)):
        raise AskError(why)
    if isinstance(member, Resource) and verb == "destroy":
        followers = [one.name for one in member.followers.exclude(state__in=(DESTROYING, DESTROYED))]
        if followers:
            raise AskError(f"{', '.join(followers)} follow(s) {member.name}: unfollow or destroy these first.")
    if isinstance(member, Resource) and verb in ("restart", "stop", "start") and not member.own_instance:
        raise AskError(f"{member.name} shares its instance with others: ask its instance {member.instance} instead.")
    if member.KIND == "instance" and verb == "destroy":
        living = member.resources.exclude(state=DESTROYED).count()  # type: ignore[attr-defined]
        if living:
            raise AskError(f"{living} resource(s) live on {member.name}: destroy those first.")


def _archived(resource: Resource) -> bool:
    return bool(resource.instance and resource.instance.timeline.archive)


def create_resource(
    customer: Customer,
    plan: str,
    *,
    actor: str,
    name: str = "",
    zone: str = "",
    major: int = 17,
    reason: str = "",
    key: str | None = None,
) -> Resource:
    """Ask for a new database: the row, its credential and an Intent; beats build it. AskError for bad input."""
    if known := asked_before(key, "create", Resource.KIND):
        return Resource.objects.get(pk=known.subject)
    offer = choices.plan(plan)
    choices.zone(zone)
    choices.major(major)
    secret = secrets.token_hex(8)
    resource = Resource(
        name=name, customer=customer, plan=offer, zone=zone, major=major, dbname=f"d{secret}", queue="work"
    )
    return insert(resource, name, actor, reason, key, lambda: _credential(resource, f"u{secret}"))


def create_server(
    name: str,
    *,
    actor: str,
    provider: str = "local",
    zone: str = "a",
    disk_mb: int = 20_480,
    capacity: int = 4,
    reason: str = "",
    key: str | None = None,
) -> Server:
    """Ask for a server: made by its provider, or adopted where the provider has it already."""
    if known := asked_before(key, "create", Server.KIND):
        return Server.objects.get(pk=known.subject)
    adopted = {"adopted": "true"} if choices.provider(provider, name) else {}
    server = Server(
        name=name, provider=provider, zone=zone, disk_mb=disk_mb, capacity=capacity, queue="work", attrs=adopted
    )
    return insert(server, name, actor, reason, key, lambda: None)


def insert(member: Any, name: str, actor: str, reason: str, key: str | None, more: Any) -> Any:
    """Save a new member with its Intent and its first Event; a given name must be free, one of ours is drawn anew."""
    for _attempt in range(20):
        member.name = name or names.fresh()
        if other := names.holder(member.name):
            # Somebody may have asked with the same key, and so with the same name, a moment ago.
            if known := asked_before(key, "create", member.KIND):
                return type(member).objects.get(pk=known.subject)
            if not name:
                continue
            raise AskError(f"There is a {other.KIND} named {name!r} already. Choose another name.")
        try:
            # Whether the name is free, the database says.
            member.full_clean(exclude=["state"], validate_unique=False)
            with transaction.atomic():
                member.save(force_insert=True)
                more()
                Intent.objects.create(
                    kind=member.KIND,
                    subject=member.pk,
                    name=member.name,
                    verb="create",
                    actor=actor,
                    reason=reason,
                    key=key,
                )
                story(member, "asked to create", Because(None, reason or "no reason given", actor), target=member.state)
            return member
        except ValidationError as error:
            raise AskError(" ".join(f"{field}: {' '.join(m)}" for field, m in error.message_dict.items())) from error
        except IntegrityError as error:
            if known := asked_before(key, "create", member.KIND):
                return type(member).objects.get(pk=known.subject)
            if name:
                raise AskError(f"There is a {member.KIND} named {name!r} already. Choose another name.") from error
    raise AskError("No free name was found in twenty draws: give one.")


def _credential(resource: Resource, role: str) -> None:
    Credential.objects.create(purpose=Credential.OWNER, resource=resource, role=role, secret=secrets.token_urlsafe(24))
