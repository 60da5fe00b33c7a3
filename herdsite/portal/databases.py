"""`/metrics/databases` for Prometheus, where the settings ask for it: the facts of each database by its name, as its
last look had them. Nobody is asked anew for them.

A database has one `herdsite_database_info` with its labels, and its numbers carry its name alone. What is not known,
and what was felt too long ago, is left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from fleet import facts
from fleet.models import Resource
from fleet.states import DESTROYED
from herdsite.portal.live import database_now
from herdsite.portal.metrics import told

# Facts of what has not been felt for so long say nothing of now.
STALE = timedelta(seconds=150)


@dataclass(frozen=True)
class Seen:
    """A database, and what is known of it and of the instance beneath; nothing where that is stale."""

    resource: Resource
    own: facts.Facts
    beneath: facts.Facts


@dataclass(frozen=True)
class Number:
    """One gauge: its name after `herdsite_database_`, what it says, and how it is had of what was seen."""

    name: str
    words: str
    of: Callable[[Seen], Any]


def _own(name: str, factor: float = 1) -> Callable[[Seen], Any]:
    return lambda seen: None if seen.own[name] is None else seen.own[name] * factor


def _beneath(name: str) -> Callable[[Seen], Any]:
    return lambda seen: seen.beneath[name]


def _felt_at(seen: Seen) -> float | None:
    return seen.resource.felt_at.timestamp() if seen.resource.felt_at else None


NUMBERS = (
    Number("up", "Whether the customer could log in.", _own("service_available")),
    Number("size_bytes", "Size of the database with its indexes.", _own("db_size_bytes")),
    Number("size_limit_bytes", "The disk of its plan.", lambda seen: seen.resource.plan.disk_mb * 2**20),
    Number("tables", "Number of tables.", _own("tables")),
    Number("rows", "Number of rows, as the planner estimates it.", _own("estimated_rows")),
    Number("rows_limit", "The rows of its plan, where that has a limit.", lambda seen: seen.resource.plan.rows),
    Number("connections", "Number of connections.", _own("connections")),
    Number("connections_limit", "The connections of its plan.", lambda seen: seen.resource.plan.connections),
    Number("table_hit_ratio", "Table blocks found in shared memory, of all.", _own("table_hit_pct", 0.01)),
    Number("index_hit_ratio", "Index blocks found in shared memory, of all.", _own("index_hit_pct", 0.01)),
    Number("transaction_id", "The next transaction's number.", _own("transaction_id")),
    Number("replay_lag_seconds", "How far a follower's data is behind its leader's.", _beneath("replay_lag_s")),
    Number("standby_lag_bytes", "WAL that its slowest standby has not replayed.", _beneath("standby_lag_bytes")),
    Number("wal_bytes", "WAL that is kept on the disk of its instance.", _beneath("wal_bytes")),
    Number("felt_timestamp_seconds", "Time of the last look.", _felt_at),
)


class Databases:
    """What prometheus-client takes for a registry: it collects, and holds nothing."""

    def __init__(self, only: str = "") -> None:
        self.only = only

    def collect(self) -> Iterator[Metric]:
        alive = Resource.objects.exclude(state=DESTROYED).select_related("plan", "instance__server", "follows")
        found = alive.filter(name=self.only) if self.only else alive
        most = settings.METRICS_DATABASES
        there = list(found.order_by("name")[: most + 1])
        yield GaugeMetricFamily(
            "herdsite_databases_left_out",
            "Databases beyond HERDSITE_METRICS_DATABASES, which are not listed here.",
            value=found.count() - most if len(there) > most else 0,
        )
        now = database_now()
        looks = [Seen(one, _known(one, now), _known(one.instance, now)) for one in there[:most]]
        yield _info(looks)
        for number in NUMBERS:
            family = GaugeMetricFamily(f"herdsite_database_{number.name}", number.words, labels=("database",))
            for seen in looks:
                value = number.of(seen)
                if value is not None:
                    family.add_metric((seen.resource.name,), float(value))
            yield family


def _info(looks: list[Seen]) -> Metric:
    labels = ("database", "state", "plan", "zone", "role", "major")
    family = InfoMetricFamily("herdsite_database", "Plan, customer and state of the database.", labels=labels)
    for seen in looks:
        one = seen.resource
        zone = one.instance.server.zone if one.instance else ""
        role = "follower" if one.follows_id else "leader"
        family.add_metric((one.name, one.state, one.plan_id, zone, role, str(one.major)), {})
    return family


def _known(member: Any, now: datetime) -> facts.Facts:
    fresh = member is not None and member.felt_at is not None and now - member.felt_at < STALE
    return facts.read(now, member.facts if fresh else {})


@never_cache
@require_safe
def databases(request: HttpRequest) -> HttpResponse:
    """All databases, or `?database=NAME` alone. 404 where it is not asked for in the settings; else as /metrics."""
    if not settings.METRICS_DATABASES:
        return HttpResponse(
            "Set HERDSITE_METRICS_DATABASES to the number of databases that this page lists.\n", status=404
        )
    return told(request, Databases(request.GET.get("database", "").replace("\0", "")))
