"""Whose databases an Event is about, for endpoints that hear of one customer's alone.

What several customers share (a server, an instance of starters) is about none of them: telling one of it would tell
of the others.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import FieldDoesNotExist

from fleet.models import Event, Instance, Resource, Timeline
from fleet.models.member import KINDS
from fleet.plans import STARTER
from incidents.models import Incident

About = Mapping[int, Resource]


def resources(events: Iterable[Event]) -> About:
    """By the Event's id, the resource that it is about; an Event that is about none is left out."""
    found = {event.pk: _resource_id(event.kind, event.subject) for event in events}
    known = Resource.objects.in_bulk([pk for pk in found.values() if pk])
    return {event: known[pk] for event, pk in found.items() if pk in known}


def _resource_id(kind: str, subject: UUID) -> UUID | None:
    if kind == Resource.KIND:
        return subject
    if kind == Instance.KIND:
        alone = Resource.objects.filter(instance=subject).exclude(plan__tier=STARTER)
        return alone.values_list("pk", flat=True).first()
    if kind == Incident.KIND:
        row = Incident.objects.filter(pk=subject).values_list("subject_kind", "subject").first()
        return _resource_id(*row) if row and row[0] != Incident.KIND else None
    return _pointed_at(kind, subject)


def _pointed_at(kind: str, subject: UUID) -> UUID | None:
    """What a changeover, a backup or a timeline is of: what its row points at."""
    model: Any = KINDS.get(kind)
    for field in (Resource.KIND, Instance.KIND, Timeline.KIND):
        if model is not None and _points(model, field):
            pk = model._default_manager.filter(pk=subject).values_list(f"{field}_id", flat=True).first()
            if pk:
                return _resource_id(field, pk)
    return None


def _points(model: Any, name: str) -> bool:
    try:
        return model._meta.get_field(name).many_to_one
    except FieldDoesNotExist:
        return False
