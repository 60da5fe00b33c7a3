"""Where a platform wants our lines: its log_input_url, in which there is a token that it changes from time to time.

Whoever deals with the platform plugs in here, from either side: `put` when it learns of a URL, and settings.LOG_INPUTS,
a dotted path to `(resource id) -> URL or None`, which is asked whenever a token was not taken. It answers from what it
has and sets fetching another in motion; it doesn't wait for the platform.
"""

from collections.abc import Callable
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models.functions import Now
from django.db.utils import Error
from django.utils.module_loading import import_string

from fleet.models import Resource
from observations.drains.models import Drain

log = structlog.get_logger("drains")

Known = Callable[[UUID], str | None]


def put(resource: Resource, url: str) -> None:
    """From now on the resource's lines go to this log_input_url, those that wait as well; "" ends it. What is under way
    to the old one counts for nothing."""
    if not url:
        Drain.objects.filter(resource=resource, kind=Drain.INPUT).update(active=False)
        return
    fresh = {"active": True, "rotated_at": None, "next_at": Now(), "lease": None, "leased_until": None}
    Drain.objects.update_or_create(resource=resource, kind=Drain.INPUT, defaults=fresh | {"url": url})


def renew(drain: Drain) -> None:
    """Take over the URL that is known by now, for an input whose token was not taken."""
    url = _known(drain.resource_id)
    if url and url != drain.url:
        drain.url, drain.rotated_at = url, None
        drain.save(update_fields=["url", "rotated_at"])


def _known(resource: UUID) -> str | None:
    known: Known | None = import_string(settings.LOG_INPUTS) if settings.LOG_INPUTS else None
    try:
        return known(resource) if known else None
    except Error:
        raise
    except Exception:
        # What is wrong with one add-on must not keep the lines of others waiting.
        log.exception("raised", resource=str(resource))
        return None
