"""Whose line is due, and what it says. A line is made of the last look's facts: nobody is asked anew for it."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from fleet import facts
from fleet.models import Instance, Resource
from fleet.models.member import Member
from fleet.plans import PRODUCTION
from observations import lines
from observations.drains.models import Meter

EVERY_S = 60
# Facts of what has not been felt for so long say nothing of now.
STALE = timedelta(seconds=150)
MOST = 2_000

# First lines are spread over the minute, and so are all that come after. What is destroyed or shared has none.
_ENROL = """
    WITH metered AS (
        SELECT resource.id FROM fleet_resource AS resource JOIN fleet_plan AS plan ON plan.name = resource.plan_id
        WHERE plan.tier = %(tier)s AND resource.state <> 'destroyed'
    ), gone AS (
        DELETE FROM drains_meter WHERE resource_id NOT IN (SELECT id FROM metered)
    )
    INSERT INTO drains_meter (resource_id, due_at)
    SELECT id, clock_timestamp() + random() * %(every)s * interval '1 s' FROM metered
    WHERE NOT EXISTS (SELECT FROM drains_meter WHERE resource_id = id)
    ON CONFLICT DO NOTHING
"""

# A meter keeps its place in the minute; one that was late goes on from now.
_CLAIM = """
    WITH due AS (
        SELECT resource_id FROM drains_meter WHERE due_at <= statement_timestamp()
        ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
    )
    UPDATE drains_meter AS meter
    SET due_at = greatest(meter.due_at, statement_timestamp() - %(every)s / 2 * interval '1 s')
                 + %(every)s * interval '1 s'
    FROM due WHERE meter.resource_id = due.resource_id
    RETURNING meter.resource_id, clock_timestamp()
"""


@dataclass(frozen=True)
class Reading:
    """One line: of which look of which resource."""

    resource: Resource
    at: datetime
    text: str


def enrol() -> None:
    """A meter for each production database, and none for what is one no more."""
    with connection.cursor() as cursor:
        cursor.execute(_ENROL, {"tier": PRODUCTION, "every": EVERY_S})


def read(most: int = MOST) -> list[Reading]:
    """The lines that are due now, each once. A database that was not looked at since its last line has none."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"most": most, "every": EVERY_S})
        due = dict(cursor.fetchall())
    found = Resource.objects.filter(pk__in=due).select_related("instance__server", "follows__instance", "meter")
    read_ = [
        Reading(resource, resource.felt_at, line_of(resource, due[resource.pk]))
        for resource in found
        if resource.felt_at and resource.felt_at != resource.meter.told_at and _fresh(resource, due[resource.pk])
    ]
    Meter.objects.bulk_update([_told(reading) for reading in read_], ["told_at"])
    return read_


def line_of(resource: Resource, now: datetime) -> str:
    """The line of a resource, as far as it is known."""
    instance = resource.instance
    leader = resource.follows.instance if resource.follows else None
    return lines.line(
        source=source(resource),
        addon=resource.name,
        resource=_known(resource, now),
        instance=_known(instance, now),
        server=_server(instance, now),
        leader=None if resource.follows is None else _known(leader, now),
    )


def source(resource: Resource) -> str:
    """How the line names its emitter: HERDSITE_SERENE_ELEPHANT_42, or as the resource's attributes have it."""
    return resource.attrs.get("source") or f"HERDSITE_{resource.name.upper().replace('-', '_')}"


def write(readings: Iterable[Reading]) -> None:
    """To stdout, one line each; whoever collects the logs of the slow workers has them."""
    if settings.METRICS_LINES:
        sys.stdout.write("".join(f"at={reading.at.isoformat()} {reading.text}\n" for reading in readings))
        sys.stdout.flush()


def _fresh(member: Member, now: datetime) -> bool:
    return member.felt_at is not None and now - member.felt_at < STALE


def _known(member: Any, now: datetime) -> dict[str, Any]:
    return dict(facts.read(now, member.facts)) if member is not None and _fresh(member, now) else {}


def _server(instance: Instance | None, now: datetime) -> dict[str, Any]:
    """What is known of the server beneath, with what the PostgreSQL of this instance takes of its memory."""
    known = {} if instance is None else _known(instance.server, now)
    if instance is not None and known.get("postgres_memory"):
        where = instance.data.removeprefix(f"{instance.server.home}/")
        parts = (part.rpartition(":") for part in known["postgres_memory"].split(","))
        known["postgres_kb"] = next((int(kb) for place, _, kb in parts if place == where and kb.isdecimal()), None)
    return known


def _told(reading: Reading) -> Meter:
    meter = reading.resource.meter
    meter.told_at = reading.at
    return meter
