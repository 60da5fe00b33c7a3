"""`/metrics` for Prometheus: the herd, its rings, who works on them, what is wrong, and what waits to be told.

Everything is read from the database at each scrape, in a handful of grouped counts, so that every web process tells
the same and none has to be asked twice. Labels are kinds, states, plans, zones, queues and channels: never a name.
"""

import hmac
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import structlog
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from herdsite.portal import gauges

log = structlog.get_logger("metrics")

# Every family that is told, in this order.
FAMILIES: tuple[Callable[[], Iterator[Metric]], ...] = (
    gauges.build,
    gauges.things,
    gauges.rings,
    gauges.workers,
    gauges.clock,
    gauges.intents,
    gauges.incidents,
    gauges.notices,
    gauges.hooks,
    gauges.drains,
)
# Headers that only a proxy sends, besides X-Forwarded-….
FORWARDED = ("Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip")


class Herd:
    """What prometheus-client takes for a registry: it collects, and holds nothing."""

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            yield from family()


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    return told(request, Herd())


def told(request: HttpRequest, registry: Any) -> HttpResponse:
    """What a registry collects, in the format that the scraper asks for. 403 for whoever may not, 503 while there is no
    database to read it from."""
    if not may_scrape(request):
        return HttpResponse(
            f"From elsewhere, {request.path} wants a bearer token: HERDSITE_METRICS_TOKEN.\n", status=403
        )
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    try:
        return HttpResponse(encode(registry), content_type=content_type)
    except Error as error:
        log.warning("not told", error=str(error).strip())
        return HttpResponse("The database does not answer.\n", status=503)


def may_scrape(request: HttpRequest) -> bool:
    """Whoever knows the token, and whoever asks from this machine itself: not through a proxy on it, which asks on
    behalf of anybody. Where settings.METRICS_LOCAL says that there may be one, loopback proves nothing."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token = settings.METRICS_TOKEN
    if token and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return True
    forwarded = any(name.startswith("X-Forwarded") or name in FORWARDED for name in request.headers)
    return settings.METRICS_LOCAL and not forwarded and _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        # A unix socket, behind which is a proxy.
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback
