"""For whatever watches this process: no login, one line, 200 or 503. The log has what the line leaves out."""

from collections.abc import Callable

import structlog
from django.db import Error, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

log = structlog.get_logger("health")


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """This process runs, and its database answers."""
    return _answer(_database)


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """It also has the tables that this code wants."""
    return _answer(_migrations)


def _answer(check: Callable[[], str]) -> HttpResponse:
    try:
        problem = check()
    except Error as error:
        log.warning("unhealthy", error=str(error).strip())
        problem = f"the database does not answer ({type(error).__name__})"
    return HttpResponse(
        f"{problem or 'ok'}\n", status=503 if problem else 200, content_type="text/plain; charset=utf-8"
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
