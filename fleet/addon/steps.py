"""The steps of life.py, one call to the platform each. A step returns the columns that it changes; what goes wrong is
the platform's exception. Each can be repeated."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import ProtectedError

from fleet import intents
from fleet.addon import config, life
from fleet.addon.models import WIPED, Addon
from fleet.addon.platform import DEPROVISIONED, PROVISIONED, Away, Declined, Gone, Platform, Tokens
from fleet.models import Customer, Resource
from fleet.states import DESTROYED, DESTROYING

ACTOR = "platform"
Changes = dict[str, Any]


def exchange(addon: Addon, platform: Platform, now: datetime) -> Changes:
    """The grant's code for tokens; what was declined for want of a token may go through now."""
    return kept(platform.exchange(addon.code), now) | {"code": "", "code_expires_at": None, "declined": []}


def refresh(addon: Addon, platform: Platform, now: datetime) -> Changes:
    return kept(platform.refresh(addon.refresh_token), now)


def kept(tokens: Tokens, now: datetime) -> Changes:
    """Tokens as columns. One that lives for less than a few looks would be refreshed for ever."""
    lives = None if tokens.lives_s is None else max(tokens.lives_s, life.REFRESH_S + 3 * life.LOOK_S)
    return {
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "token_expires_at": None if lives is None else now + timedelta(seconds=lives),
    }


def push(addon: Addon, platform: Platform, _now: datetime) -> Changes:
    """The config as it is now; the next beat sees whether it has changed meanwhile."""
    present = config.of(addon.resource)
    if addon.uuid and addon.access_token:
        platform.push_config(addon.uuid, addon.access_token, present)
    else:
        platform.push_app_config(addon.heroku_id, present)
    return {"pushed": config.digest(present)}


def tell(addon: Addon, platform: Platform, now: datetime) -> Changes:
    """Ready. If the platform would not hear it, it may have heard it before: an answer of its own can get lost. The
    first generation has no word for it: with the config it knows."""
    if addon.uuid and addon.access_token:
        try:
            platform.provisioned(addon.uuid, addon.access_token)
        except Declined:
            if platform.info(addon.uuid, addon.access_token).state != PROVISIONED:
                raise
    return {"told_at": now}


def inform(addon: Addon, platform: Platform, now: datetime) -> Changes:
    """Whose it is: add-ons of one app belong to one customer."""
    if addon.uuid and addon.access_token:
        info = platform.info(addon.uuid, addon.access_token)
    else:
        info = platform.app_info(addon.heroku_id)
    changes: Changes = {"informed_at": now}
    if info.app_id:
        changes |= {"app_id": info.app_id[:200], "app_name": info.app_name[:200]}
        owner, _made = Customer.objects.get_or_create(name=customer_name(info.app_id))
        if info.owner_email:
            changes["owner_email"] = info.owner_email[:254]
            write_to(addon, owner, info.owner_email[:254])
        _move(addon, owner)
    if info.name:
        changes["name"] = info.name[:200]
    if info.log_input_url and info.log_input_url != addon.log_input_url:
        changes |= {"log_input_url": info.log_input_url, "logs_passed_on": False}
    return changes


def write_to(addon: Addon, owner: Customer, email: str) -> None:
    """The platform's word on whom to write to counts as long as nobody here has set another."""
    Customer.objects.filter(pk=owner.pk, email__in=("", addon.owner_email)).update(email=email)


def subscribe(addon: Addon, platform: Platform, now: datetime) -> Changes:
    """Ask to be told of what changes there. The secret is kept first: what is told before its answer comes, or although
    that gets lost, is signed with it."""
    if not addon.webhook_secret:
        addon.webhook_secret = secrets.token_urlsafe(32)
        Addon.objects.filter(pk=addon.pk, ended_at=None).update(webhook_secret=addon.webhook_secret)
    if addon.uuid:
        url = f"{settings.URL}/heroku/webhooks/{addon.resource_id}"
        try:
            platform.subscribe(addon.uuid, addon.access_token, url, settings.ADDON_WEBHOOKS, addon.webhook_secret)
        except Gone as error:
            # It may be the webhooks that this platform does not know, and not the add-on.
            platform.info(addon.uuid, addon.access_token)
            raise Declined(str(error)) from error
    return {"subscribed_at": now}


def _move(addon: Addon, owner: Customer) -> None:
    """Its database belongs to that customer from now on; the one that it was made for in ignorance goes."""
    before = addon.resource.customer
    Resource.objects.filter(pk=addon.resource_id).update(customer=owner)
    if before.name == placeholder(addon.uuid) and not before.resources.exists():
        with suppress(ProtectedError):
            before.delete()


def give_up(addon: Addon, _platform: Platform, _now: datetime) -> Changes:
    """Ask for its end ourselves; once it goes, the platform is told."""
    _destroy(addon, "the database was not ready in time for the platform")
    return {"gave_up": True}


def withdraw(addon: Addon, platform: Platform, now: datetime) -> Changes:
    """It is no more. If the platform would not hear it, it may have heard it before. The first generation has no word
    for that either."""
    if addon.uuid and addon.access_token:
        try:
            platform.deprovisioned(addon.uuid, addon.access_token)
        except Declined:
            if platform.info(addon.uuid, addon.access_token).state != DEPROVISIONED:
                raise
    return end(addon, platform, now)


def end(_addon: Addon, _platform: Platform, now: datetime) -> Changes:
    return {"ended_at": now, "due_at": None} | WIPED


def leave(addon: Addon, _platform: Platform, now: datetime) -> Changes:
    """Deprovisioned: ask for its end. What follows it goes on as a database of its own. Who waits to be told of the end
    is told in another step."""
    depart(addon)
    return {"due_at": None if addon.ended_at else now + timedelta(seconds=life.SOON_S)}


def depart(addon: Addon) -> None:
    """Ask for its end on the platform's behalf. Raises Away and AskError."""
    _destroy(addon, "the platform deprovisions the add-on")


def _destroy(addon: Addon, reason: str) -> None:
    """Ask once for the end of its resource, whatever state it is in. Away: others have to be parted from it first."""
    resource = addon.resource
    if resource.state in (DESTROYING, DESTROYED):
        return
    followers = resource.followers.exclude(state__in=(DESTROYING, DESTROYED))
    for follower in followers:
        key = f"addon/{addon.pk}/unfollow/{follower.pk}"
        intents.ask(follower, "unfollow", actor=ACTOR, reason=f"{resource.name}: {reason}", key=key)
    if followers:
        raise Away("the followers become databases of their own first")
    key = f"addon/{addon.pk}/destroy"
    intents.ask(resource, "destroy", actor=ACTOR, reason=reason, confirm=resource.name, key=key)


def customer_name(app_id: str) -> str:
    """How the customer behind an app of the platform is called here."""
    return f"app {app_id}"[:120]


def placeholder(uuid: UUID | None) -> str:
    """The same, as long as it is not known whose app it is for."""
    return f"add-on {uuid}"


STEPS: dict[str, Callable[[Addon, Platform, datetime], Changes]] = {
    life.LEAVE: leave,
    life.EXCHANGE: exchange,
    life.REFRESH: refresh,
    life.PUSH: push,
    life.TELL: tell,
    life.INFORM: inform,
    life.SUBSCRIBE: subscribe,
    life.GIVE_UP: give_up,
    life.WITHDRAW: withdraw,
    life.END: end,
}
