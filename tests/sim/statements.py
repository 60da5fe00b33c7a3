"""How a schedule's statements reach our database: each is planned once and not at every beat, and what needs no answer
(the time, savepoints) goes along with the next that does. What comes back is the same.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from unittest import mock

from django.db import connection
from psycopg import Error, ServerCursor
from psycopg.adapt import Transformer
from psycopg.types.hstore import HstoreLoader

from tests.sim.clock import Clock

PLANNED = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
SAVEPOINTS = ("SAVEPOINT ", "RELEASE SAVEPOINT ")
# What a literal of such a value would be.
TYPES = {float: "float8", int: "int4", timedelta: "interval", datetime: "timestamptz"}
_PLACE = re.compile(r"%(?:\((\w+)\)s|s|%)")


class Plan:
    """One statement's text: `parts` around its parameters, `places` which parameter comes where, and the name by which
    our database has its plan ("": it is sent as it is)."""

    def __init__(self, sql: str) -> None:
        self.sql, self.name, self.used = sql, "", 0
        self.order: list[str | int] = []
        known: dict[str | int, int] = {}
        numbers = count(0)

        def place(match: re.Match[str]) -> str:
            if match[0] == "%%":
                return "%"
            key: str | int = match[1] or next(numbers)
            if key not in known:
                known[key] = len(known) + 1
                self.order.append(key)
            return f"${known[key]}"

        self.numbered = _PLACE.sub(place, sql)


class Statements:
    """What stands between Django and our database while schedules run. `writes` counts what may have changed it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock, self.writes = clock, 0
        self._waiting: list[str] = []
        self._named = 0
        self._answers: dict[str, tuple[int, Any]] = {}
        self._plans: dict[tuple[str, tuple[type, ...]], Plan] = {}

    def __enter__(self) -> "Statements":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        self._literals = Transformer.from_context(connection.connection)
        self._hstores = mock.patch.object(HstoreLoader, "load", _remembering(HstoreLoader.load))
        self._hstores.start()
        return self

    def __exit__(self, *_: object) -> None:
        with connection.cursor() as cursor:
            cursor.cursor.execute("DEALLOCATE ALL")
        self._hstores.stop()

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        text = str(sql)
        if text.startswith(SAVEPOINTS):
            self._wait(text)
            return None
        if not text.lstrip().startswith("SELECT"):
            self.writes += 1
        cursor = context["cursor"].cursor
        if many or isinstance(cursor, ServerCursor):
            self.flush()
            return execute(sql, params, many, context)
        first = self._first(text)
        plan = self._planned(text, params)
        if plan is None or not plan.name:
            if not first:
                return execute(sql, params, many, context)
            body = cursor.mogrify(text, params) if params else text
        else:
            literals = b", ".join(self._literals.as_literal(params[key]) for key in plan.order).decode()
            body = f"EXECUTE {plan.name} ({literals})" if literals else f"EXECUTE {plan.name}"
        result = execute(";".join([*first, body]), None, False, context)
        for _ in first:
            cursor.nextset()
        return result

    def known(self, name: str, ask: Callable[[], Any]) -> Any:
        """What was asked of our database, asked anew once something may have changed there."""
        writes, answer = self._answers.get(name, (-1, None))
        if writes != self.writes:
            answer = ask()
            self._answers[name] = (self.writes, answer)
        return answer

    def flush(self) -> None:
        """Send what waits."""
        if first := self._first(""):
            with connection.cursor() as cursor:
                cursor.cursor.execute(";".join(first))

    def _wait(self, text: str) -> None:
        # One that is released before anything happened never was.
        if text.startswith("RELEASE ") and self._waiting and self._waiting[-1] == text.removeprefix("RELEASE "):
            self._waiting.pop()
        else:
            self._waiting.append(text)

    def _first(self, text: str) -> list[str]:
        first, self._waiting = self._waiting, []
        if self.clock and (telling := self.clock.telling(text)):
            first.append(telling)
        return first

    def _planned(self, sql: str, params: Any) -> Plan | None:
        if not sql.lstrip().startswith(PLANNED):
            return None
        values = params.values() if isinstance(params, dict) else params or ()
        key = (sql, tuple(type(value) for value in values))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = Plan(sql)
        plan.used += 1
        if plan.used == 2:
            self._prepare(plan, params)
        return plan

    def _prepare(self, plan: Plan, params: Any) -> None:
        """Where the types of its parameters can't be known from its text, it is sent as it is."""
        name, self._named = f"sim_{self._named}", self._named + 1
        types = ", ".join(TYPES.get(type(params[key]), "unknown") for key in plan.order)
        self.flush()
        with connection.cursor() as cursor:
            raw = cursor.cursor
            raw.execute("SAVEPOINT sim_prepare")
            try:
                raw.execute(f"PREPARE {name}{types and f'({types})'} AS {plan.numbered}")
                plan.name = name
            except Error:
                raw.execute("ROLLBACK TO SAVEPOINT sim_prepare")
            raw.execute("RELEASE SAVEPOINT sim_prepare")


def _remembering(load: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Facts are read again and again; the driver takes them apart in Python."""
    known: dict[bytes, Any] = {}

    def loaded(loader: Any, data: Any) -> Any:
        raw = bytes(data)
        if raw not in known:
            known[raw] = load(loader, data)
        return dict(known[raw])

    return loaded
