"""`/`: the herd on one screen."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from fleet.states import STATES, states_of
from herdsite.portal import census
from herdsite.portal.access import operators_only
from herdsite.portal.filters import Filters
from herdsite.portal.lists import Listing, lists
from herdsite.portal.live import database_now, live
from herdsite.portal.map import Map, draw
from herdsite.portal.moving import Moving, moving
from herdsite.portal.troubles import badged


@dataclass(frozen=True)
class Herd:
    """All that the page shows. `map` is left out when less than the herd was asked for."""

    kinds: tuple[census.Kind, ...]
    silence: census.Silence | None
    moving: Moving
    map: Map | None
    lists: tuple[Listing, ...]
    filters: Filters
    empty: bool


@operators_only
@require_safe
def herd(request: HttpRequest) -> HttpResponse:
    filters = Filters.read(request.GET)
    now = database_now()
    counted = census.take(now)
    data = Herd(
        census.kinds(counted),
        census.silence(counted, now),
        moving(),
        None if filters.narrowed else draw(counted, filters.zone),
        badged(lists(filters, counted, now)),
        filters,
        empty=not counted,
    )
    choices = {
        "kinds": census.PLURALS.items(),
        "states": [STATES[name] for name in STATES if any(name in states_of(kind) for kind in census.PLURALS)],
        "zones": census.zones(counted),
    }
    return live(request, "herd", data, now, {"filters": filters, **choices})
