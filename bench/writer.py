"""A customer who commits numbered rows as fast as one connection can, and remembers which of them were acknowledged,
and when. Whatever is acknowledged has to be on the leader for ever; what was not may be there or not."""

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import psycopg

from fleet.transports.base import Database

PAUSE_S = 0.005
CONNECT_S = 2
TABLE = "CREATE TABLE IF NOT EXISTS writes (n bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())"


def connect(target: Database, **more: Any) -> psycopg.Connection[Any]:
    """As a customer connects; psycopg.Error if that does not work."""
    return psycopg.connect(
        host=target.address, port=target.port, dbname=target.dbname, user=target.user, password=target.password,
        sslmode="require", connect_timeout=CONNECT_S, autocommit=True, **more,
    )  # fmt: skip


class Writer:
    """Writes from `start` to `stop`. `acked` are the numbers that were acknowledged, each with its time (epoch, s)."""

    def __init__(self, target: Database, first: int = 0):
        self.target, self.next = target, first
        self.acked: list[tuple[int, float]] = []
        self.why = ""
        self.began = time.time()
        self._ends = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "Writer":
        self._thread.start()
        return self

    def stop(self) -> None:
        """What is under way is cut off, not cancelled: a commit that is cancelled would count as acknowledged."""
        self._ends.set()
        if self._connection is not None:
            with suppress(OSError, psycopg.Error):
                wire = socket.socket(fileno=os.dup(self._connection.pgconn.socket))
                with wire:
                    wire.shutdown(socket.SHUT_RDWR)
        self._thread.join(2 * CONNECT_S)

    def since(self, moment: float) -> int:
        """How many were acknowledged after a moment."""
        return sum(at > moment for _n, at in list(self.acked))

    def gap(self, moment: float) -> tuple[float, float]:
        """The longest time without an acknowledgement that ended after a moment (s), and when it ended."""
        times = [at for _n, at in list(self.acked)]
        pairs = [(after - before, after) for before, after in zip(times, times[1:], strict=False) if after > moment]
        return max(pairs, default=(float("inf"), float("inf")))

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                with connect(self.target) as self._connection:
                    while not self._ends.is_set():
                        self.next += 1
                        self._connection.execute("INSERT INTO writes (n) VALUES (%s)", [self.next])
                        self.acked.append((self.next, time.time()))
            except psycopg.Error as error:
                self.why = str(error).strip()
                self._ends.wait(PAUSE_S)


def rows(target: Database) -> set[int]:
    """The numbers that are there."""
    with connect(target) as connection:
        return {n for (n,) in connection.execute("SELECT n FROM writes").fetchall()}
