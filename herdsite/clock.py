"""The clock: keeps as many turns queued as the workers can take, and looks after what has a date of its own.

Several may run; an advisory lock elects one, and when it dies the next one ticks within a second. The clock holds
nothing that matters: without it nothing is lost, turns only stop being handed out.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.conf import settings
from django.db import connection
from django.db.utils import Error
from django_q.brokers import get_broker
from django_q.tasks import async_task

from fleet import planes, workers
from herdsite import hints, pressure, wiring
from incidents import ourselves, work
from incidents.notices import desk as notices
from incidents.notices import outbox
from observations import retention

log = structlog.get_logger("clock")

TICK_S = 1.0
HOUSEKEEPING_S = 600.0
_LOCK = 4_711_000


def elected() -> bool:
    """Whether this clock is the one that ticks. The lock is the session's: it goes when the process or the database
    does, and is asked for anew at each tick."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = %(lock)s AND classid = 0 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND pid = pg_backend_pid()) OR pg_try_advisory_lock(%(lock)s)",
            {"lock": _LOCK},
        )
        return cursor.fetchone()[0]


def tick() -> dict[str, int]:
    """Queue the turns that are missing: as many should wait as a queue has workers. Returns what was queued."""
    queued: dict[str, int] = {}
    for queue, size in settings.QUEUES.items():
        waiting = get_broker(queue).queue_size()
        for _turn in range(max(0, size["workers"] - waiting)):
            async_task("herdsite.turns.turn", queue, cluster=queue, task_name=queue)
            queued[queue] = queued.get(queue, 0) + 1
    return queued


def keep_house() -> None:
    """Once in a while: partitions for the days to come, old ones dropped, workers that are gone forgotten."""
    made, dropped = retention.keep()
    workers.forget_gone()
    if made or dropped:
        log.info("partitions", made=len(made), dropped=len(dropped))


def look_at_ourselves(watch: ourselves.Watch) -> None:
    """Open incidents about herdsite itself and call a person, also when no worker lives that would."""
    try:
        watch.look()
        work.go_round(wiring.ports(), workers.vantage(), notices, queue=ourselves.QUEUE)
        if ourselves.nobody_sends():
            # One at a time: a channel that hangs must not keep turns waiting for long.
            outbox.send_due(1)
    except Error:
        raise
    except Exception:
        # Whatever is wrong with looking, the turns must go on.
        log.exception("raised")


def run() -> None:
    """Tick for ever."""
    with _surviving():
        if planes.start():
            log.warning(
                "another database", why="this database may be an older copy: the control plane's epoch is raised"
            )
    house_at, look_at, watch, fresh = 0.0, 0.0, ourselves.Watch(), True
    helpers, ends = dict.fromkeys((hints.listen, pressure.watch), threading.Thread()), threading.Event()
    try:
        while True:
            began = time.monotonic()
            with _surviving():
                if elected():
                    if fresh:
                        ourselves.begin_watching()
                        fresh = False
                    # Before the first turns, since a beat needs today's partition; nothing here keeps turns waiting.
                    if began >= house_at:
                        house_at = began + HOUSEKEEPING_S
                        with _surviving():
                            keep_house()
                    tick()
                    for what, helper in helpers.items():
                        if not helper.is_alive():
                            helpers[what] = threading.Thread(target=what, args=(ends,), daemon=True)
                            helpers[what].start()
                    if began >= look_at:
                        look_at = began + ourselves.EVERY_S
                        look_at_ourselves(watch)
            time.sleep(max(0.0, TICK_S - (time.monotonic() - began)))
    finally:
        ends.set()
        for helper in helpers.values():
            if helper.is_alive():
                helper.join(hints.CONNECT_S)


@contextmanager
def _surviving() -> Iterator[None]:
    """The database may be away for a while: say so, let go of the connection, and go on."""
    try:
        yield
    except Error as error:
        log.warning(
            "database away", why=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        )
        connection.close()
