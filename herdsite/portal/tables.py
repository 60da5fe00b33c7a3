"""`/tables`: the LIFE tables, as they decide at this moment."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fleet.rules import ANY, Rule
from fleet.states import STATES, State
from fleet.think import LIFE
from herdsite.portal.access import operators_only
from herdsite.portal.census import plural
from incidents.life import LIFE as INCIDENT_LIFE

TABLES = LIFE | {"incident": INCIDENT_LIFE}


@operators_only
@require_safe
def tables(request: HttpRequest) -> HttpResponse:
    shown = [
        {"kind": kind, "label": plural(kind), "rows": [_shown(rule) for rule in table]}
        for kind, table in TABLES.items()
    ]
    return render(request, "portal/tables.html", {"tables": shown})


def _shown(rule: Rule) -> dict[str, Any]:
    """A row in words. A condition can be called, and a template would."""
    return {
        "row": rule.row,
        "looks": _looks(rule.states),
        "when": str(rule.when),
        "then": str(rule.then),
        "because": rule.because,
    }


def _looks(states: str) -> list[State]:
    """The states that a row is for; none for a row that is for all of them."""
    return [] if states == ANY else [STATES[name] for name in states.split()]
