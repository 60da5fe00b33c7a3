"""What the workers tell of themselves: who they are, how many beats they do, how much memory they hold."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import psutil
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from fleet.models import Worker
from fleet.policy import SUSPECT

TELL_EVERY_S = 2.0
# A worker that has not told anything for this long is gone.
GONE_S = 20.0


def vantage() -> str:
    """Who looks: the place, and this process."""
    return f"{settings.VANTAGE}/{os.getpid()}"


@dataclass
class Report:
    """One turn's reports: the row in fleet_worker is the same for all turns of a process."""

    queue: str
    name: str
    _told_at: float = field(default_factory=time.monotonic)
    _beats: int = 0
    _errors: int = 0

    def tell(self, beats: int, errors: int, late_s: Callable[[float], float]) -> None:
        """Write down the totals of this turn so far, every couple of seconds, and how late the process was."""
        passed = time.monotonic() - self._told_at
        if passed < TELL_EVERY_S:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO fleet_worker AS worker
                    (name, queue, started_at, seen_at, beats, errors, beats_per_s, rss_mb, late_s)
                VALUES (%(name)s, %(queue)s, now(), now(), %(beats)s, %(errors)s, %(rate)s, %(rss)s, %(late)s)
                ON CONFLICT (name) DO UPDATE SET queue = excluded.queue, seen_at = now(),
                    beats = worker.beats + excluded.beats, errors = worker.errors + excluded.errors,
                    beats_per_s = excluded.beats_per_s, rss_mb = excluded.rss_mb, late_s = excluded.late_s
                """,
                {
                    "name": self.name,
                    "queue": self.queue,
                    "beats": beats - self._beats,
                    "errors": errors - self._errors,
                    "rate": (beats - self._beats) / passed,
                    "rss": psutil.Process().memory_info().rss / 2**20,
                    "late": late_s(self._told_at),
                },
            )
        self._told_at, self._beats, self._errors = time.monotonic(), beats, errors


def places() -> set[str]:
    """From where workers look at what is in doubt, as those that live say: hosts, or zones."""
    alive = Worker.objects.filter(queue=SUSPECT, seen_at__gt=Now() - timedelta(seconds=GONE_S))
    return {name.rsplit("/", 1)[0] for name in alive.values_list("name", flat=True)}


def forget_gone() -> None:
    """Remove the rows of workers that have not told anything for a while."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM fleet_worker WHERE seen_at < now() - %s * interval '1 s'", [GONE_S])
