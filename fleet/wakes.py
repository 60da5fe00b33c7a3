"""Whoever makes a beat due soon tells the workers of its queue, so that they can rest until then and need not ask. A
call that is missed costs no more than the longest rest: what is due stands in the rows."""

import select
import time
from collections.abc import Iterable
from typing import Any

from django.db import connection

CHANNEL = "herdsite_due"
# What is due within this time is worth a call (s): nobody rests for longer.
SOON_S = 0.5


def call(queues: Iterable[str]) -> None:
    """Wake whoever rests in one of these queues, once the transaction has committed."""
    wanted = sorted(set(queues))
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, queue) FROM unnest(%s::text[]) AS queue", [CHANNEL, wanted])


class Ear:
    """One worker's ear for the calls to its `queue`, on this thread's connection to our database."""

    def __init__(self, queue: str):
        self.queue = queue
        self._on: Any = None
        self._heard = False

    def rest(self, seconds: float) -> bool:
        """Until there is a call, and for so long at the most; whether there was one. A call that came while the worker
        was busy counts."""
        end = time.monotonic() + seconds
        with connection.wrap_database_errors:
            raw = self._attach()
            poll = select.poll()
            poll.register(raw.fileno(), select.POLLIN)
            while not self._heard and (left := end - time.monotonic()) > 0:
                if poll.poll(left * 1000):
                    raw.pgconn.consume_input()
                    while (note := raw.pgconn.notifies()) is not None:
                        self._hear(note.extra.decode())
        heard, self._heard = self._heard, False
        return heard

    def _attach(self) -> Any:
        connection.ensure_connection()
        raw = connection.connection
        if raw is not self._on:
            # What comes in the middle of another question is handed over by the driver.
            raw.add_notify_handler(lambda note: self._hear(note.payload))
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            # Whatever became due before that was told to nobody here.
            self._on, self._heard = raw, True
        return raw

    def _hear(self, queue: str) -> None:
        self._heard |= queue == self.queue
