"""`/rings`: how each ring stands, and who works on it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from fleet import ring
from fleet.models import Worker
from fleet.policy import LONGEST_S
from fleet.workers import GONE_S
from herdsite.portal.access import operators_only
from herdsite.portal.census import plural
from herdsite.portal.live import database_now, live
from herdsite.portal.shown import Moment, moment

# Workers tell every couple of seconds that they are there.
QUIET = timedelta(seconds=GONE_S)


@dataclass(frozen=True)
class Ring:
    """One ring's standing. `late` says that a beat has waited longer than anything may."""

    label: str
    queue: str
    members: int
    due: int
    leased: int
    late_s: str
    age_s: str
    late: bool


@dataclass(frozen=True)
class Hand:
    """One worker as it last reported; `quiet` when that is too long ago."""

    name: str
    queue: str
    started: Moment | None
    seen: Moment | None
    beats: int
    errors: int
    beats_per_s: str
    rss_mb: str
    quiet: bool


@dataclass(frozen=True)
class Rings:
    rings: tuple[Ring, ...]
    workers: tuple[Hand, ...]


@operators_only
@require_safe
def rings(request: HttpRequest) -> HttpResponse:
    now = database_now()
    return live(request, "rings", Rings(_rings(), _workers(now)), now)


def _rings() -> tuple[Ring, ...]:
    return tuple(
        Ring(
            plural(standing.kind),
            standing.queue,
            standing.members,
            standing.due,
            standing.leased,
            f"{standing.late_s:.1f}",
            f"{standing.age_s:.0f}",
            standing.late_s > LONGEST_S,
        )
        for standing in ring.standings()
    )


def _workers(now: datetime) -> tuple[Hand, ...]:
    return tuple(
        Hand(
            worker.name,
            worker.queue,
            moment(worker.started_at),
            moment(worker.seen_at),
            worker.beats,
            worker.errors,
            f"{worker.beats_per_s:.1f}",
            f"{worker.rss_mb:.0f}",
            now - worker.seen_at > QUIET,
        )
        for worker in Worker.objects.all()
    )
