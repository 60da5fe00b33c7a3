"""What `/metrics` tells, a function for each family of numbers: one or two counts in the database each."""

import platform
import tomllib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

import django
from django.conf import settings
from django.db.models import Count, F, Max, Min, Q, Sum, Value
from django.db.models.functions import Coalesce, Extract, Now
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from fleet import ring
from fleet.models import MEMBERS, Intent, Worker
from fleet.policy import QUEUES
from fleet.states import ENDS, RESOLVED
from fleet.workers import GONE_S
from herdsite.portal import health
from incidents.hooks.models import Delivery, Endpoint
from incidents.models import Incident, Notice, Page
from observations.drains.models import Drain, Line

# Where a kind's plan and zone are found. What has neither is counted by state alone.
PLANS = {"instance": "plan", "resource": "plan"}
ZONES = {"server": "zone", "instance": "server__zone", "resource": "instance__server__zone"}
NOWHERE = Value("")


def build() -> Iterator[Metric]:
    versions = {"version": _version(), "python": platform.python_version(), "django": django.get_version()}
    yield InfoMetricFamily("herdsite_build", "Versions of herdsite and of what it runs on.", versions)


@cache
def _version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def things() -> Iterator[Metric]:
    labels = ("kind", "state", "plan", "zone")
    found = _gauge("herdsite_things", "Objects that are not destroyed or finished.", labels)
    for kind, model in MEMBERS.items():
        plan = F(PLANS[kind]) if kind in PLANS else NOWHERE
        zone = Coalesce(F(ZONES[kind]), NOWHERE) if kind in ZONES else NOWHERE
        alive = model.objects.exclude(state__in=ENDS).order_by()
        groups = alive.values(is_in=F("state"), of=plan, at=zone).annotate(n=Count("pk"))
        for state, of, at, n in groups.values_list("is_in", "of", "at", "n"):
            found.add_metric((kind, state, of, at), n)
    yield found


def rings() -> Iterator[Metric]:
    labels, standings = ("kind", "queue"), ring.standings()
    for name, words in (
        ("members", "Objects on the ring."),
        ("due", "Beats that are due."),
        ("leased", "Beats in progress."),
        ("late_seconds", "How long the latest beat has been due."),
        ("age_seconds", "Age of the oldest look."),
    ):
        found = _gauge(f"herdsite_ring_{name}", words, labels)
        for one in standings:
            found.add_metric((one.kind, one.queue), getattr(one, name.replace("_seconds", "_s")))
        yield found


def workers() -> Iterator[Metric]:
    """Queues without any worker are told as well, with none."""
    there = Q(seen_at__gt=Now() - timedelta(seconds=GONE_S))
    counted: Any = (
        Worker.objects.order_by()
        .values("queue")
        .annotate(
            n=Count("pk", filter=there),
            sum_beats=Sum("beats"),
            sum_errors=Sum("errors"),
            rate=Sum("beats_per_s", filter=there),
            rss=Max("rss_mb", filter=there),
            silence=Extract(Now() - Max("seen_at"), "epoch"),
        )
    )
    rows = {row["queue"]: row for row in counted}
    per_queue = (
        ("workers", "n", 1, "Workers that have reported lately."),
        ("worker_beats", "sum_beats", 1, "Beats of the workers on record, since each began."),
        ("worker_errors", "sum_errors", 1, "Beats of these workers that failed."),
        ("beats_per_second", "rate", 1, "Beats a second, as the workers last reported."),
        ("worker_rss_bytes", "rss", 2**20, "Memory of the largest worker."),
        ("worker_silence_seconds", "silence", 1, "Seconds since a worker of the queue last reported."),
    )
    for name, key, factor, words in per_queue:
        found = _gauge(f"herdsite_{name}", words, ("queue",))
        for queue in QUEUES:
            if queue in rows:
                found.add_metric((queue,), (rows[queue][key] or 0) * factor)
            elif key in ("n", "rate"):
                found.add_metric((queue,), 0)
        yield found


def clock() -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "herdsite_clock_elected", "Whether a clock hands out turns.", value=int(health.clock_ticks())
    )


def intents() -> Iterator[Metric]:
    asked = Intent.objects.filter(state=Intent.OPEN)
    yield _counted("herdsite_intents_open", "Requests that are not answered yet.", asked, ("kind", "verb"))


def incidents() -> Iterator[Metric]:
    wrong = Incident.objects.exclude(state=RESOLVED)
    yield _counted("herdsite_incidents", "Incidents that are open.", wrong, ("type", "severity", "state"))


def notices() -> Iterator[Metric]:
    waiting = Notice.objects.filter(state__in=(Notice.QUEUED, Notice.HELD, Notice.FAILED))
    labels = ("channel", "purpose", "state")
    yield _counted("herdsite_notices", "Messages that wait, are held, or failed.", waiting, labels)
    queued = Notice.objects.filter(state=Notice.QUEUED)
    yield _oldest("herdsite_notices_oldest_seconds", "Age of the oldest message that waits.", queued)
    pages = Page.objects.filter(ended_at=None).aggregate(
        held=Count("pk", filter=Q(let_out_at=None)),
        calling=Count("pk", filter=Q(let_out_at__isnull=False, acknowledged_at=None)),
        acknowledged=Count("pk", filter=Q(let_out_at__isnull=False, acknowledged_at__isnull=False)),
    )
    yield _told("herdsite_pages", "Pages that have not ended.", "state", pages)


def hooks() -> Iterator[Metric]:
    wait = Delivery.objects.exclude(state=Delivery.SENT)
    yield _counted("herdsite_hook_deliveries", "Webhooks that wait or failed.", wait, ("state",))
    queued = Delivery.objects.filter(state=Delivery.QUEUED)
    yield _oldest("herdsite_hook_oldest_seconds", "Age of the oldest webhook that waits.", queued)
    endpoints = Endpoint.objects.aggregate(
        well=Count("pk", filter=Q(active=True, silences=0)),
        silent=Count("pk", filter=Q(active=True, silences__gt=0)),
        off=Count("pk", filter=Q(active=False)),
    )
    yield _told("herdsite_hook_endpoints", "Endpoints of webhooks.", "state", endpoints)


def drains() -> Iterator[Metric]:
    states = Drain.objects.aggregate(
        well=Count("pk", filter=Q(active=True, rotated_at=None)),
        rotated=Count("pk", filter=Q(active=True, rotated_at__isnull=False)),
        off=Count("pk", filter=Q(active=False)),
        lines_sent=Coalesce(Sum("sent"), 0),
        lines_dropped=Coalesce(Sum("dropped"), 0),
    )
    lines = {name: states.pop(f"lines_{name}") for name in ("sent", "dropped")} | {"waiting": Line.objects.count()}
    yield _told("herdsite_drains", "Drains of metrics lines.", "state", states)
    yield _told("herdsite_drain_lines", "Lines sent to the present drains.", "state", lines)


def _gauge(name: str, words: str, labels: Sequence[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, labels=labels)


def _counted(name: str, words: str, rows: Any, labels: Sequence[str]) -> Metric:
    """So many rows by each of these columns."""
    found = _gauge(name, words, labels)
    for *values, n in rows.order_by().values(*labels).annotate(n=Count("pk")).values_list(*labels, "n"):
        found.add_metric(values, n)
    return found


def _oldest(name: str, words: str, rows: Any) -> Metric:
    """For how long the oldest of these rows has been there; 0 when there is none."""
    age = rows.aggregate(age=Extract(Now() - Min("created_at"), "epoch"))["age"]
    return GaugeMetricFamily(name, words, value=float(age or 0))


def _told(name: str, words: str, label: str, values: dict[str, Any]) -> Metric:
    found = _gauge(name, words, (label,))
    for value, n in values.items():
        found.add_metric((value,), n)
    return found
