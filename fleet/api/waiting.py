"""Waiting for the end of what was asked. One thread of each web process looks for all who wait in it, with one query,
and only while somebody waits; who waits holds neither a database connection nor anything else but a thread. How many
may wait at once is a setting well below the number of threads, so that other requests are always answered."""

import threading
import time
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection

from fleet.models import Intent

log = structlog.get_logger("api")

LOOK_EVERY_S = 0.2


class Waiting:
    """Those who wait in this process, each with a bell of its own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.bells: dict[threading.Event, UUID] = {}
        self.looking = False

    def for_end(self, intent: UUID, seconds: float) -> None:
        """Return when the intent is not open any more, when the time is over, or at once if too many wait already."""
        bell = threading.Event()
        with self.lock:
            if len(self.bells) >= settings.API_MOST_WAITS:
                return
            self.bells[bell] = intent
            if not self.looking:
                self.looking = True
                threading.Thread(target=self._look, name="waiting", daemon=True).start()
        if not connection.in_atomic_block:
            connection.close()
        try:
            bell.wait(min(seconds, settings.API_LONGEST_WAIT_S))
        finally:
            with self.lock:
                self.bells.pop(bell, None)

    def _look(self) -> None:
        """Until nobody waits any more. A database that is away for a moment ends no wait."""
        try:
            while bells := self._now():
                try:
                    self._ring(bells)
                except Exception:
                    log.warning("waiting", exc_info=True)
                    connection.close()
                time.sleep(LOOK_EVERY_S)
        finally:
            connection.close()

    def _now(self) -> dict[threading.Event, UUID]:
        """Those who wait; the looking ends together with the last of them."""
        with self.lock:
            self.looking = bool(self.bells)
            return dict(self.bells)

    def _ring(self, bells: dict[threading.Event, UUID]) -> None:
        open_ = set(Intent.objects.filter(pk__in=set(bells.values()), state=Intent.OPEN).values_list("pk", flat=True))
        for bell, intent in bells.items():
            if intent not in open_:
                bell.set()


WAITING = Waiting()
