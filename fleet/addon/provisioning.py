"""Provision, change of plan, deprovision: what each writes into our own database, and its answer. Beats do the rest.
Everything can be asked twice, also at the same moment."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from fleet import intents
from fleet.addon import config, copies, life, options, steps
from fleet.addon.asked import Asked
from fleet.addon.http import Refusal, invalid, not_now
from fleet.addon.models import WIPED, Addon
from fleet.addon.platform import Away
from fleet.models import Customer, Resource
from fleet.states import AVAILABLE, DESTROYED, DESTROYING

log = structlog.get_logger("addon")

CREATED, PROMISED = 201, 202
# In settings.ADDON_DEPROVISION: the platform is answered 202, and told when the database is gone.
LATER = "later"
POLL_S = 0.05
# How many requests may wait at once; the other threads of this process serve whoever else comes.
_waiting = threading.BoundedSemaphore(8)


@dataclass(frozen=True)
class Answer:
    """Status and body."""

    status: int
    body: Mapping[str, Any]


def provision(asked: Asked) -> Answer:
    """One database for each add-on, however often it is asked for. Raises Refusal."""
    addon = find(asked) or _make(asked)
    if addon.over or addon.gave_up or addon.resource.state in (DESTROYING, DESTROYED):
        raise Refusal(422, "deprovisioned", "This database is being destroyed, or is destroyed. Create another one.")
    if addon.resource.plan_id != asked.plan:
        log.warning("another plan was requested", addon=str(addon), plan=asked.plan)
    _take_grant(addon, asked)
    if addon.answered is None:
        _settle(addon)
    return _answer(addon)


def find(asked: Asked) -> Addon | None:
    """The add-on that was made of this before."""
    known = Addon.objects.select_related("resource__plan", "resource__instance__server")
    if asked.uuid:
        return known.filter(uuid=asked.uuid).first()
    return known.filter(uuid=None, heroku_id=asked.heroku_id, ended_at=None).first()


def _make(asked: Asked) -> Addon:
    try:
        with transaction.atomic():
            resource = _resource(asked)
            grant = asked.grant
            Addon.objects.create(
                uuid=asked.uuid,
                heroku_id=asked.heroku_id,
                resource=resource,
                generation=asked.generation,
                name=asked.name,
                app_id=asked.heroku_id,
                region=asked.region,
                options=_plain(asked.options),
                callback_url=asked.callback_url,
                log_input_url=asked.log_input_url,
                log_drain_token=asked.log_drain_token,
                code=grant.code if grant else "",
                code_expires_at=grant.expires_at if grant else None,
            )
            log.info(
                "provision", addon=asked.name, resource=resource.name, plan=asked.plan, customer=str(resource.customer)
            )
    except IntegrityError:
        # Asked for at the same moment by another request, which was first.
        if (addon := find(asked)) is None:
            raise
        return addon
    except intents.AskError as error:
        raise invalid(str(error)) from error
    addon = find(asked)
    if addon is None:
        raise not_now("The database was destroyed at the same moment. Please try again.")
    return addon


def _resource(asked: Asked) -> Resource:
    copy = options.copy(asked, _now())
    major = options.major(asked.options, copy.source if copy else None)
    if copy:
        return copies.create(asked, copy)
    name = steps.customer_name(asked.heroku_id) if asked.heroku_id else steps.placeholder(asked.uuid)
    customer, _new = Customer.objects.get_or_create(name=name)
    return intents.create_resource(
        customer,
        asked.plan,
        actor=steps.ACTOR,
        zone=asked.zone,
        major=major,
        reason=f"add-on {asked.name or asked.uuid or asked.heroku_id}",
        key=f"addon/{asked.uuid}" if asked.uuid else None,
    )


def _plain(given: Mapping[str, str]) -> dict[str, str]:
    """Options for the record: a URL has a password in it."""
    return {name: "(a URL)" if "://" in value else value for name, value in given.items()}


def _take_grant(addon: Addon, asked: Asked) -> None:
    """A repetition brings a grant of its own; it is wanted as long as no other was exchanged."""
    if asked.grant and asked.grant.code != addon.code and not addon.access_token:
        Addon.objects.filter(pk=addon.pk, ended_at=None).update(
            code=asked.grant.code, code_expires_at=asked.grant.expires_at, due_at=Now(), declined=[], tries=0
        )


def _settle(addon: Addon) -> None:
    """Decide what the answer is: a shared database is soon there, so it is waited for a moment. The first to decide
    decides for all."""
    present = _wait(addon) if addon.resource.plan.shared else {}
    unsettled = Addon.objects.filter(pk=addon.pk, answered=None)
    if present:
        unsettled.update(answered=CREATED, pushed=config.digest(present), told_at=Now())
    else:
        unsettled.update(answered=PROMISED)
    addon.refresh_from_db(fields=["answered"])


def _wait(addon: Addon) -> dict[str, str]:
    """Its config, if it gets available while somebody still waits for the answer."""
    if not _waiting.acquire(blocking=False):
        return {}
    try:
        return _poll(addon, time.monotonic() + settings.ADDON_WAIT_S)
    finally:
        _waiting.release()


def _poll(addon: Addon, end: float) -> dict[str, str]:
    while True:
        addon.resource = Resource.objects.select_related("plan", "instance__server").get(pk=addon.resource_id)
        if addon.resource.state == AVAILABLE:
            return config.of(addon.resource)
        if addon.resource.state in (DESTROYING, DESTROYED) or time.monotonic() >= end:
            return {}
        time.sleep(POLL_S)


def _answer(addon: Addon) -> Answer:
    body: dict[str, Any] = {"id": str(addon.resource_id)}
    if settings.ADDON_LOG_DRAIN_URL:
        body["log_drain_url"] = settings.ADDON_LOG_DRAIN_URL
    if addon.answered == CREATED:
        body |= {"config": config.of(addon.resource), "message": "Your database is ready."}
        return Answer(CREATED, body)
    body["message"] = "Your database is being created. The URL is set when the database is ready, in a minute or two."
    return Answer(PROMISED, body)


def change_plan(id: str, plan: str) -> Answer:
    """Another plan for a database. Raises Refusal."""
    addon = _living(id)
    resource = addon.resource
    if resource.state == DESTROYING:
        raise gone()
    if copies.resize(resource, plan):
        return Answer(
            202, {"message": f"The database is moving to {plan}. If the URL changes, your app gets the new one."}
        )
    log.info("same plan", addon=str(addon), plan=plan)
    return Answer(200, {"message": f"The database is on {plan} already.", "config": config.of(resource)})


def deprovision(id: str, third: bool) -> bool:
    """Ask for its end, in whatever state it is. True if the platform is told when it has come: that is asked for as
    often as it likes. Raises Refusal; else 410 when it was asked before."""
    addon = _known(id)
    if addon.leaving_at and not addon.ended_at:
        return True
    later = third and settings.ADDON_DEPROVISION == LATER and _can_be_told(addon)
    wanted: dict[str, Any] = {"leaving_at": Now()} if later else {"ended_at": Now(), **WIPED}
    with transaction.atomic():
        mine = Addon.objects.filter(pk=addon.pk, ended_at=None, leaving_at=None)
        if not mine.update(due_at=Now(), tries=0, **wanted):
            # Asked at the same moment by another request, which was first.
            return deprovision(id, third)
        # What hinders it is out of the way soon: the round asks again until then.
        with suppress(Away, intents.AskError):
            steps.depart(addon)
            if not later:
                Addon.objects.filter(pk=addon.pk).update(due_at=None)
    log.info("deprovision", addon=str(addon), resource=addon.resource.name, told_later=later)
    return later


def _can_be_told(addon: Addon) -> bool:
    """Whether there is a way to say later that it is gone. A code may still run out, so only a token counts."""
    return bool(addon.uuid and addon.access_token) and not {life.GONE, life.REFRESH} & set(addon.declined)


def _living(id: str) -> Addon:
    """As `_known`, if the platform has not asked for its end."""
    if (addon := _known(id)).leaving_at:
        raise gone()
    return addon


def _known(id: str) -> Addon:
    """The add-on of our id. Raises Refusal: 404 for one that there never was, 410 for one that has ended."""
    try:
        found = (
            Addon.objects.select_related("resource__plan", "resource__instance__server")
            .filter(resource=UUID(id))
            .first()
        )
    except ValueError:
        found = None
    if found is None:
        raise Refusal(404, "not_found", "There is no such database.")
    if found.ended_at or found.resource.state == DESTROYED:
        raise gone()
    return found


def gone() -> Refusal:
    return Refusal(410, "gone", "This database has been destroyed.")


def _now() -> datetime:
    """The database's time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
