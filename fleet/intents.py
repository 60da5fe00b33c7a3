"""The only way in: whoever asks for anything, by whatever door, asks here. The verb's row (fleet/verbs/table.py) says
who may, what has to be given and what stands in the way; what is left is an Intent, and a beat does it.

A refusal is an AskError whose message says what to do instead. Nothing here touches the fleet.
"""

import secrets
from typing import Any

from fleet import askers, choices, verbs
from fleet.askers import Asker, Forbidden
from fleet.choices import AskError
from fleet.intake import asked_before, asked_just_now, insert
from fleet.models import Credential, Customer, Intent, Member, Resource, Server
from fleet.roles import ASK
from fleet.verbs.row import Missing, Request, Verb

__all__ = ["AskError", "Forbidden", "Missing", "ask", "create_resource", "create_server", "row"]


def ask(
    member: Member,
    verb: str,
    *,
    actor: str | Asker,
    reason: str = "",
    confirm: str = "",
    params: dict[str, Any] | None = None,
    key: str | None = None,
    again: bool = False,
) -> Intent:
    """Write down that `actor` wants `verb` of a thing, and make its next beat due. An actor that is a name is herdsite
    itself, or whoever has a shell on its machine. The same `key` again gives the same intent. What leaves data behind
    wants the thing's name typed (`confirm`) and a reason. `again` says that it is meant although the same was asked for
    a moment ago. Raises AskError."""
    by = askers.named(actor)
    known_as = row(member.KIND, verb)
    if known := asked_before(key, known_as.bears or verb, member.KIND):
        if not known_as.bears and known.subject != member.pk:
            raise AskError(f"The key {key!r} belongs to what was asked of {known.name}. Use another.")
        return known
    if why := known_as.forbids(by):
        raise Forbidden(why)
    if why := known_as.gone(member):
        raise AskError(why)
    read = known_as.read(member, params or {})
    if why := known_as.forbids(by, read):
        raise Forbidden(why)
    if why := known_as.obstacle(member):
        raise AskError(why)
    asked = Request(verb, read, by, reason, key, again)
    read |= known_as.check(member, asked) or {}
    if known_as.is_grave(read):
        _meant(member, known_as, confirm, reason)
    if known_as.each_time:
        asked_just_now(member, verb, by.name, again)
    return known_as.carry(member, asked, read)


def row(kind: str, verb: str) -> Verb:
    """The row of the table. Raises AskError where that kind knows no such verb."""
    if found := verbs.verb(kind, verb):
        return found
    known = ", ".join(one.name for one in verbs.verbs_of(kind)) or "nothing"
    raise AskError(f"A {kind} can't be asked to {verb[:40]!r}. Choose one of: {known}.")


def _meant(member: Member, known_as: Verb, confirm: str, reason: str) -> None:
    """What leaves data behind is asked for by name and with a reason, or not at all."""
    if confirm != member.name:
        why = f"To {known_as.name} {member.name}, type its name to confirm."
        raise (AskError(why) if confirm.strip() else Missing("confirm", why))
    if not reason.strip():
        raise Missing("reason", f"To {known_as.name} {member.name}, give a reason: it is kept with the event.")


def create_resource(
    customer: Customer,
    plan: str,
    *,
    actor: str | Asker,
    name: str = "",
    zone: str = "",
    major: int = 17,
    reason: str = "",
    key: str | None = None,
) -> Resource:
    """Ask for a new database: the row, its credential and an Intent; beats build it. AskError for bad input."""
    by = askers.named(actor)
    askers.may(by, ASK)
    if by.platform or (by.customer and by.customer != customer):
        raise Forbidden("A database is created for the customer who asks, and for no other.")
    if known := asked_before(key, "create", Resource.KIND):
        return Resource.objects.get(pk=known.subject)
    offer = choices.plan(plan)
    choices.zone(zone)
    choices.major(major)
    secret = secrets.token_hex(8)
    resource = Resource(
        name=name, customer=customer, plan=offer, zone=zone, major=major, dbname=f"d{secret}", queue="work"
    )
    return insert(resource, name, by.name, reason, key, lambda: _credential(resource, f"u{secret}"))


def create_server(
    name: str,
    *,
    actor: str | Asker,
    provider: str = "local",
    zone: str = "a",
    disk_mb: int = 20_480,
    capacity: int = 4,
    reason: str = "",
    key: str | None = None,
) -> Server:
    """Ask for a server: made by its provider, or adopted where the provider has it already."""
    by = askers.named(actor)
    askers.may(by, ASK)
    if by.customer:
        raise Forbidden("Servers are the operators' business.")
    if known := asked_before(key, "create", Server.KIND):
        return Server.objects.get(pk=known.subject)
    adopted = {"adopted": "true"} if choices.provider(provider, name) else {}
    server = Server(
        name=name, provider=provider, zone=zone, disk_mb=disk_mb, capacity=capacity, queue="work", attrs=adopted
    )
    return insert(server, name, by.name, reason, key, lambda: None)


def _credential(resource: Resource, role: str) -> None:
    Credential.objects.create(purpose=Credential.OWNER, resource=resource, role=role, secret=secrets.token_urlsafe(24))
