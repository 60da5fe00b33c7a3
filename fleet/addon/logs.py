"""Where platforms want our lines: the log_input_url of each add-on, for whoever sends them (above the fleet)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from fleet.addon.models import Addon
from fleet.models import Resource

BATCH = 100
# A platform is not asked for another URL more often than this.
ASK_AGAIN = timedelta(minutes=5)


def pass_on(put: Callable[[Resource, str], Any]) -> int:
    """Give every URL that is new to `put`, and "" for what has ended. Returns how many there were."""
    news = list(Addon.objects.filter(logs_passed_on=False).select_related("resource")[:BATCH])
    for addon in news:
        if addon.log_input_url or addon.ended_at:
            put(addon.resource, addon.log_input_url)
        # Unless it has changed again meanwhile.
        still = Addon.objects.filter(pk=addon.pk, ended_at=addon.ended_at, informed_at=addon.informed_at)
        still.update(logs_passed_on=True)
    return len(news)


def known(resource: UUID) -> str | None:
    """The URL that is known for a resource; the platform is asked for a newer one in the next round."""
    addon = Addon.objects.filter(resource=resource, ended_at=None).first()
    if addon is None:
        return None
    Addon.objects.filter(pk=addon.pk, informed_at__lt=Now() - ASK_AGAIN).update(informed_at=None, due_at=Now())
    return addon.log_input_url or None
