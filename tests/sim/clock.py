"""One virtual time. While a schedule runs, what Python and what our own database call "now" come from one number, which
only the scheduler moves.

In SQL a schema `sim` shadows PostgreSQL's clocks: it stands before pg_catalog in the search path, so every unqualified
`clock_timestamp()`, `statement_timestamp()` and `now()` finds it, and the columns' defaults are pointed at it.
"""

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest import mock

from django.db import connection
from django.utils import timezone

# 2026-06-01 12:00 UTC: no drill is due at noon, and no daylight saving begins.
BEGIN = 1_780_315_200.0
SHADOWED = ("clock_timestamp", "statement_timestamp", "transaction_timestamp", "now")
_FUNCTION = """CREATE FUNCTION sim.{}() RETURNS timestamptz LANGUAGE sql STABLE
               AS $$ SELECT to_timestamp(current_setting('sim.now')::float8) $$"""
_DEFAULTS = """SELECT format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT sim.clock_timestamp()',
                      adrelid::regclass, attname)
                 FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
                WHERE pg_get_expr(adbin, adrelid) ~* '^\\(?(statement_timestamp|now|clock_timestamp)\\(\\)\\)?$'
                  AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = adrelid)"""
_NO_CLOCK = ("SAVEPOINT", "ROLLBACK", "RELEASE")
# Defaults of columns tell the time where something is inserted.
_CLOCK = re.compile(r"timestamp\(|\bnow\(|\binsert\b", re.IGNORECASE)


class Clock:
    """`now` is the one time (epoch, s); `skew` gives by how much the clock of whoever runs now is off (s)."""

    def __init__(self, skew: Callable[[], float] = lambda: 0.0) -> None:
        self.now, self.skew = BEGIN, skew
        self._told: float | None = None

    def time(self) -> float:
        return self.now + self.skew()

    def telling(self, sql: str) -> str:
        """What goes before the next statement, so that our database knows the time; "" when it knows it."""
        if self._told == self.now or sql.startswith(_NO_CLOCK) or not _CLOCK.search(sql):
            return ""
        self._told = self.now
        return f"SET sim.now = '{self.now!r}'"

    def forget(self) -> None:
        """What our database was told may have been rolled back."""
        self._told = None

    @contextmanager
    def python(self, sleep: Callable[[float], None], seed: int) -> Iterator[None]:
        """Python's clocks are this one, and its sleep is the scheduler's; what is random comes from the seed."""
        rng, state = random.Random(seed), random.getstate()
        random.seed(seed)
        with (
            mock.patch.multiple(
                time, time=self.time, monotonic=lambda: self.now, clock_gettime=lambda _which: self.now, sleep=sleep
            ),
            mock.patch.object(timezone, "now", lambda: datetime.fromtimestamp(self.time(), UTC)),
            mock.patch.object(os, "urandom", rng.randbytes),
        ):
            yield
        random.setstate(state)


def shadow(now: float) -> None:
    """Lay the schema over this transaction's clocks."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA sim")
        for name in SHADOWED:
            cursor.execute(_FUNCTION.format(name))
        cursor.execute(_DEFAULTS)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
        cursor.execute("SELECT set_config('search_path', 'sim, public, pg_catalog', true)")
        cursor.execute("SELECT set_config('sim.now', %s, false)", [repr(now)])
