"""`/tables`: the LIFE tables, as they decide at this moment."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fleet.rules import ANY
from fleet.states import STATES, State
from fleet.think import LIFE
from herdsite.portal.access import operators_only
from herdsite.portal.census import PLURALS


@operators_only
@require_safe
def tables(request: HttpRequest) -> HttpResponse:
    shown = [
        {"kind": kind, "label": PLURALS[kind], "rows": [{"rule": rule, "looks": _looks(rule.states)} for rule in table]}
        for kind, table in LIFE.items()
    ]
    return render(request, "portal/tables.html", {"tables": shown})


def _looks(states: str) -> list[State]:
    """The states that a row is for; none for a row that is for all of them."""
    return [] if states == ANY else [STATES[name] for name in states.split()]
