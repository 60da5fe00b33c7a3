"""Incidents as they are named on the pages of other things: a badge, a line, a number."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.http import HttpRequest

from fleet.states import State
from herdsite.portal.lists import Listing
from incidents import desk
from incidents.models import Incident
from incidents.watch import PAGE, WARN

MOST = 100
# What an alarm's severity looks like: its word and its colour.
SEVERITIES = {PAGE: ("Page", "bad"), WARN: ("Warning", "doubt")}


@dataclass(frozen=True)
class Trouble:
    """One incident, `what` in words, about `thing`."""

    name: str
    what: str
    thing: str
    look: State


def words(type_: str) -> str:
    """A type as a person says it: "Instance down"."""
    return type_.replace("_", " ").capitalize()


def trouble(incident: Incident) -> Trouble:
    return Trouble(incident.name, words(incident.type), incident.subject_name, incident.look)


def of(subject: UUID) -> tuple[Trouble, ...]:
    """Those that are open about a thing, the oldest first."""
    found = desk.open_incidents().filter(subject=subject).order_by("created_at", "name")
    return tuple(trouble(incident) for incident in found[:MOST])


def badged(lists: tuple[Listing, ...]) -> tuple[Listing, ...]:
    """The lists, each row with the number of incidents that are open about its thing. One query."""
    groups = desk.open_incidents().order_by().values_list("subject_kind", "subject_name").annotate(Count("pk"))
    counts = {(kind, name): count for kind, name, count in groups}
    return tuple(
        replace(one, rows=tuple(replace(row, incidents=counts.get((row.kind, row.name), 0)) for row in one.rows))
        for one in lists
    )


def standing(_request: HttpRequest) -> dict[str, Any]:
    """For every page: how many are open, counted where a page says so."""
    return {"open_incidents": desk.open_incidents().count}
