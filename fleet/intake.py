"""Writes down what was asked for: an Intent, once for each key, with its first Event. Whether it may be asked is not
decided here: doors go through fleet/intents.py. Only what herdsite's own tables ask for is written here directly.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from fleet import names, ring
from fleet.choices import AskedAlready, AskError
from fleet.lifecycle import Because, story
from fleet.models import Changeover, Intent, Member, Resource
from fleet.states import CANCELLED

# Who asks for what somebody else asked for so short a time ago is told of that.
JUST_NOW = timedelta(seconds=60)
KEY_LENGTH = 120
ACTOR_LENGTH = 120


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
    if again:
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
    if isinstance(member, Resource) and member.instance_id and member.own_instance:
        return [member.pk, member.instance_id]
    return [member.pk]


def hand_down(instance: Member, intent: Intent) -> Intent:
    """A resource's intent, asked of its instance on behalf of the same actor; asking twice asks once."""
    key = f"{intent.pk}/{instance.pk}"
    if known := Intent.objects.filter(key=key).first():
        return known
    return write(instance, intent.verb, intent.actor, intent.reason, {}, key, intent)


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
