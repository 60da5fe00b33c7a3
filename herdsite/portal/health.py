"""For whatever watches herdsite: no login, a line or two, 200 or 503. The log has what the line leaves out.

Each address answers one question, so that whoever asks draws the right conclusion: `/healthz`, is this process to be
restarted; `/readyz`, may it get requests; `/herdz`, does anybody look after the herd. The last is no reason to take the
portal away from people, who want to see why.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog
from django.db import Error, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from fleet import ring, workers
from fleet.models import Worker
from fleet.policy import LONGEST_S, QUEUES
from fleet.workers import GONE_S

log = structlog.get_logger("health")

# The one that herdsite/clock.py elects by.
CLOCK_LOCK = 4_711_000


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """This process runs, and its database answers."""
    return _answer(_database)


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """It also has the tables that this code wants. Where all looks come from one place, that is said."""
    return _answer(_migrations, _one_place)


@never_cache
@require_safe
def herdz(_request: HttpRequest) -> HttpResponse:
    """A clock hands out turns, every queue has a worker that told so lately, and no beat is later than any may be."""
    return _answer(_looking)


def _answer(check: Callable[[], str], also: Callable[[], str] = str) -> HttpResponse:
    """`also` is said where all is well."""
    more = ""
    try:
        problem = check()
        more = "" if problem else also()
    except Error as error:
        log.warning("unhealthy", error=str(error).strip())
        problem = f"the database does not answer ({type(error).__name__})"
    return HttpResponse(
        f"{problem or 'ok'}\n{more}", status=503 if problem else 200, content_type="text/plain; charset=utf-8"
    )


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _migrations() -> str:
    missing = []
    for alias in connections:
        executor = MigrationExecutor(connections[alias])
        missing += [
            f"{step.app_label}.{step.name}" for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())
        ]
    return f"migrations are not applied: {', '.join(missing)}" if missing else ""


def _one_place() -> str:
    places = workers.places()
    if len(places) != 1:
        return ""
    return f"all looks come from {places.pop()}: a fault of its network looks like databases that are down\n"


def _looking() -> str:
    told = Worker.objects.filter(seen_at__gt=Now() - timedelta(seconds=GONE_S)).values_list("queue", flat=True)
    idle = [queue for queue in QUEUES if queue not in set(told)]
    late = sorted({standing.queue for standing in ring.standings() if standing.late_s > LONGEST_S})
    problems = (
        "" if clock_ticks() else "no clock hands out turns",
        f"no worker runs for {', '.join(idle)}" if idle else "",
        f"beats are late on {', '.join(late)}" if late else "",
    )
    return "; ".join(filter(None, problems))


def clock_ticks() -> bool:
    """Whether a clock is elected: it holds its lock for as long as it and its connection live."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0 "
            "AND objid = %s AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            [CLOCK_LOCK],
        )
        return cursor.fetchone()[0]
