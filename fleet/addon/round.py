"""The round of add-ons: each is looked at when it is due or when its database has moved, and its platform is told the
next thing that it does not know (life.py). A worker that dies in between loses nothing: the next beat says it again.
"""

import random
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from fleet.addon import config, life
from fleet.addon.models import Addon
from fleet.addon.platform import Away, Declined, Gone, Platform, PlatformError, Unauthorised
from fleet.addon.steps import STEPS, Changes, refresh
from fleet.policy import MOST_TRIES
from fleet.states import AVAILABLE, DESTROYED, DESTROYING

log = structlog.get_logger("addon")

# Longer than one step may take, with its token refreshed on the way (s).
LEASE_S = 60
# How long one round goes on beginning new steps (s), and how many add-ons it takes at a time.
BUDGET_S, BATCH = 3.0, 50
# A platform that is silent for one add-on is silent for all: so long nobody else waits for it (s).
QUIET_S = 30.0
# A move is dated from before its commit, so it may come to light a moment later.
SETTLE, PAUSE = timedelta(seconds=2), timedelta(seconds=1)


@dataclass(frozen=True)
class Beat:
    """One add-on at one beat, `now` by the database's clock; `saying` is the digest of its config."""

    addon: Addon
    now: datetime
    standing: life.Standing
    saying: str
    row: life.Row


def go_round(platform: Platform) -> tuple[int, int]:
    """Beats of the add-ons that are due: how many there were, and how many went wrong."""
    end, beats, errors = time.monotonic() + BUDGET_S, 0, 0
    while time.monotonic() < end:
        lease = uuid.uuid4()
        claimed = claim(lease)
        if not claimed:
            break
        rest([beat for beat in claimed if beat.row.step == life.WAIT], lease)
        busy = [beat for beat in claimed if beat.row.step != life.WAIT]
        beats += len(claimed) - len(busy)
        while busy and time.monotonic() < end:
            trouble = take(busy.pop(0), lease, platform)
            beats += 1
            errors += trouble is not None
            if isinstance(trouble, Away) and trouble.silent:
                end = 0.0
        _hand_back(busy, lease)
        if not end:
            _keep_quiet()
    return beats, errors


def claim(lease: uuid.UUID) -> list[Beat]:
    """Take what is due, or has moved since it was looked at, and is nobody else's."""
    free = Q(leased_until=None) | Q(leased_until__lte=Now())
    moved = Q(resource__state_since__gt=F("looked_at") - SETTLE, looked_at__lt=Now() - PAUSE, tries=0)
    with transaction.atomic():
        found = list(
            Addon.objects.filter(free, Q(due_at__lte=Now()) | moved, due_at__isnull=False)
            .annotate(now=Now())
            .select_related("resource__instance__server", "resource__customer")
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("due_at")[:BATCH]
        )
        _these(found).update(lease=lease, leased_until=Now() + timedelta(seconds=LEASE_S), looked_at=Now())
    return [ponder(addon, addon.now) for addon in found]


def ponder(addon: Addon, now: datetime) -> Beat:
    """What it stands at, and the row that follows from it. Changes nothing."""
    resource = addon.resource
    present = config.of(resource) if resource.state == AVAILABLE else {}
    saying = config.digest(present) if present else ""
    expires = addon.token_expires_at if addon.refresh_token else None
    spoken_with = bool(addon.access_token) or (addon.generation == Addon.V1 and bool(addon.heroku_id))
    standing = life.Standing(
        age_s=(now - addon.created_at).total_seconds(),
        answered=addon.answered,
        grant=bool(addon.code) and addon.code_expires_at is not None and now < addon.code_expires_at,
        voice=spoken_with and life.GONE not in addon.declined and life.REFRESH not in addon.declined,
        left_s=(expires - now).total_seconds() if expires else None,
        ready=bool(present),
        going=resource.state in (DESTROYING, DESTROYED),
        gone=resource.state == DESTROYED,
        fresh=saying == addon.pushed,
        told=addon.told_at is not None,
        informed=addon.informed_at is not None,
        hears=bool(settings.ADDON_WEBHOOKS and settings.URL and addon.uuid and addon.access_token),
        subscribed=addon.subscribed_at is not None,
        ended=addon.ended_at is not None,
        leaving=addon.leaving_at is not None,
        gave_up=addon.gave_up,
    )
    return Beat(addon, now, standing, saying, life.think(standing, addon.declined, saying))


def take(beat: Beat, lease: uuid.UUID, platform: Platform) -> Exception | None:
    """Do the one thing that the row wants, and write down what came of it. Returns what went wrong."""
    addon, row = beat.addon, beat.row
    key = life.key(row.step, beat.saying)
    try:
        changes = _do(beat, platform)
    except (Declined, Gone) as error:
        # Asking again would get the same answer: it is on record, and a person may look.
        declined = [*addon.declined, life.GONE if isinstance(error, Gone) else key]
        _write(addon, lease, declined=declined, problem=_plain(error, beat), due_at=Now())
        log.error("declined", addon=str(addon), step=row.step, why=_plain(error, beat))
        return error
    except Exception as error:
        asked = error.wait_s if isinstance(error, Away) else None
        wait = life.retry_s(addon.tries, asked) * random.uniform(1.0, 1.5)
        _write(
            addon,
            lease,
            tries=min(addon.tries + 1, MOST_TRIES),
            problem=_plain(error, beat),
            due_at=beat.now + timedelta(seconds=wait),
        )
        log.warning("not told", addon=str(addon), step=row.step, attempt=addon.tries + 1, why=_plain(error, beat))
        return error
    # What the platform took, it took, whoever's beat it is by now; only what has ended stays so.
    declined = [one for one in addon.declined if one != key]
    left = {"declined": declined, "tries": 0, "due_at": Now(), "lease": None, "leased_until": None}
    if not changes.get("declined", declined):
        left["problem"] = ""
    _these([addon]).filter(ended_at=addon.ended_at).update(**left | changes)
    log.info("told", addon=str(addon), step=row.step, row=row.row, why=row.because)
    return None


def _do(beat: Beat, platform: Platform) -> Changes:
    """The step; with a new token, and once more, if the platform would not have the old one."""
    addon, step = beat.addon, STEPS[beat.row.step]
    try:
        return step(addon, platform, beat.now)
    except Unauthorised:
        if beat.row.step in (life.EXCHANGE, life.REFRESH) or not addon.refresh_token:
            raise
        tokens = refresh(addon, platform, beat.now)
        _these([addon]).filter(ended_at=None).update(**tokens)
        for name, value in tokens.items():
            setattr(addon, name, value)
        return step(addon, platform, beat.now)


def rest(beats: Sequence[Beat], lease: uuid.UUID) -> None:
    """Nothing to tell: look again later, never in step with others."""
    for soon in {life.look_s(beat.standing) for beat in beats}:
        addons = [beat.addon for beat in beats if life.look_s(beat.standing) == soon]
        due = Now() + timedelta(seconds=soon * random.uniform(0.9, 1.0))
        _these(addons).filter(lease=lease).update(due_at=due, lease=None, leased_until=None)


def _hand_back(beats: Sequence[Beat], lease: uuid.UUID) -> None:
    _these([beat.addon for beat in beats]).filter(lease=lease).update(lease=None, leased_until=None)


def _keep_quiet() -> None:
    """Leave the platform alone for a moment, whatever is due: each silence costs this worker seconds."""
    until = Now() + timedelta(seconds=QUIET_S * random.uniform(1.0, 1.2))
    Addon.objects.filter(due_at__lt=until, leased_until=None).update(due_at=until)


def _write(addon: Addon, lease: uuid.UUID, **changes: Any) -> None:
    _these([addon]).filter(lease=lease, ended_at=addon.ended_at).update(lease=None, leased_until=None, **changes)


def _these(addons: Collection[Addon]) -> Any:
    return Addon.objects.filter(pk__in=[addon.pk for addon in addons])


def _plain(error: Exception, beat: Beat) -> str:
    """What went wrong, in a line without a secret, whatever the platform made of what it was sent."""
    if not isinstance(error, PlatformError):
        return f"{type(error).__name__} in herdsite"
    text, addon = str(error), beat.addon
    secrets = [
        addon.access_token,
        addon.refresh_token,
        addon.code,
        addon.webhook_secret,
        *config.of(addon.resource).values(),
    ]
    owner = addon.resource.credentials.first()
    for secret in [*secrets, owner.secret if owner else ""]:
        text = text.replace(secret, "***") if secret else text
    return text
