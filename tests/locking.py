"""What tests of locks share: which rows a transaction takes, in which order, and two transactions that get in each
other's way as far as they can."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any

from django.db import connection

from fleet.locking import ORDER

_TAKES = (
    re.compile(r'^UPDATE (?:ONLY )?"?(\w+)"?'),
    re.compile(r'^DELETE FROM "?(\w+)"?'),
    re.compile(r'^SELECT .*? FROM "?(\w+)"? .*FOR (?:NO KEY )?UPDATE(?! SKIP)(?!.*SKIP LOCKED)', re.S),
    re.compile(r"^\s*WITH locked AS \(SELECT id FROM (\w+)", re.S),
)


def taken(sql: str) -> str:
    """The table of which this statement takes rows and waits for them; "" for none whose order matters."""
    found = next((match[1] for pattern in _TAKES if (match := pattern.match(sql.strip()))), "")
    return found if found in ORDER else ""


class Watch:
    """Remembers of each transaction in which order it came to the tables, and of those that went back a step what they
    did: `wrong`. `many` counts transactions that took rows of several tables."""

    def __init__(self) -> None:
        self.base = len(connection.savepoint_ids) if connection.in_atomic_block else -1
        self.inside: Any = None
        self.came: list[str] = []
        self.wrong: list[str] = []
        self.many = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        table = taken(sql)
        if table:
            self._took(table)
        return execute(sql, params, many, context)

    def _took(self, table: str) -> None:
        depth = connection.savepoint_ids
        mine = depth[self.base] if 0 <= self.base < len(depth) else None
        if mine is None or mine != self.inside:
            self.inside, self.came = mine, []
        if mine is None or table in self.came:
            return
        self.came.append(table)
        self.many += len(self.came) == 2
        if sorted(self.came, key=ORDER.index) != self.came:
            self.wrong.append(" → ".join(self.came))


@contextmanager
def watched() -> Iterator[Watch]:
    watch = Watch()
    with connection.execute_wrapper(watch):
        yield watch


class Pair:
    """Two transactions at once, each in a thread with a connection of its own. Each stops once it has taken its first
    rows, until the other has taken some too, or waits for what this one has. So two that take the same rows in
    different orders always meet."""

    def __init__(self, *works: Callable[[], Any]):
        self.works = works
        self.holds = [Event(), Event()]
        self.pids = [0, 0]
        self.known = Lock()
        self.errors: list[BaseException] = []

    def run(self) -> list[BaseException]:
        """Both to their ends; what they raised."""
        threads = [Thread(target=self._work, args=(number,), daemon=True) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads), "they wait for each other for ever"
        return self.errors

    def _work(self, number: int) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self.pids[number] = cursor.fetchone()[0]
            with connection.execute_wrapper(self._stops(number)):
                self.works[number]()
        except BaseException as error:
            self.errors.append(error)
        finally:
            self.holds[number].set()
            connection.close()

    def _stops(self, number: int) -> Callable[..., Any]:
        def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            result = execute(sql, params, many, context)
            if taken(sql) and connection.in_atomic_block and not self.holds[number].is_set():
                self.holds[number].set()
                self._meet(1 - number, execute, context)
            return result

        return wrapper

    def _meet(self, other: int, execute: Any, context: Any) -> None:
        while not self.holds[other].is_set() and not self._waits(other):
            pass

    def _waits(self, other: int) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [self.pids[other]])
            return bool(cursor.fetchone()[0])
