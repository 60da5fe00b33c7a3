"""Lines that wait for their drains. As many as find room; beyond that the oldest go, and are counted."""

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F

from observations.drains.meters import Reading
from observations.drains.models import Drain, Line

# So many lines of a drain may wait, an hour's worth, besides those on their way.
ROOM = 60


def keep(readings: Iterable[Reading]) -> int:
    """Put each line into the buffer of each drain that its resource has. Returns how many were put."""
    by_resource = {reading.resource.pk: reading for reading in readings}
    drains = Drain.objects.filter(active=True, resource__in=by_resource).values_list("pk", "resource")
    lines = [
        Line(drain_id=drain, at=by_resource[resource].at, text=by_resource[resource].text) for drain, resource in drains
    ]
    with transaction.atomic():
        Line.objects.bulk_create(lines)
        _make_room([line.drain_id for line in lines])
    return len(lines)


def _make_room(drains: list[UUID]) -> None:
    waiting = Line.objects.filter(drain__in=drains, framed=False)
    full = waiting.order_by().values("drain").annotate(n=Count("pk")).filter(n__gt=ROOM)
    for drain in full.values_list("drain", flat=True):
        oldest = waiting.filter(drain=drain).order_by("-at", "-id").values("pk")[ROOM:]
        gone, _by_model = Line.objects.filter(pk__in=list(oldest.values_list("pk", flat=True))).delete()
        Drain.objects.filter(pk=drain).update(dropped=F("dropped") + gone)
