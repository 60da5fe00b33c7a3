"""Where schedules run: one transaction over the test's database with virtual clocks in it, a world that is built once
and taken back after every schedule, and the seams by which real beats run as tasks.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from django.db import connection, transaction

from fleet import planes, wakes
from fleet.models import ControlPlane
from herdsite import beat, pulse, turns
from tests.fakeherd import FakeHerd
from tests.premiumworld import Premium, premium
from tests.sim.clock import BEGIN, Clock, shadow
from tests.sim.compiled import compiled
from tests.sim.host import SimHerd
from tests.sim.schedule import Schedule
from tests.sim.statements import Statements

OURS = ("fleet", "observations", "incidents", "herdsite")
WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")
SETTLED_S = 3600.0


class Inline(Executor):
    """What a pool of threads does, one after the other and here."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def spacious(herd: FakeHerd) -> Premium:
    """A premium database with machines beside it on which more can be built."""
    world = premium(herd)
    for zone in "cd":
        herd.machine(zone=zone)
    return world


class Arena:
    """`world` is what every schedule begins with: `herd` is never run, only copied."""

    def __init__(self, build: Callable[[FakeHerd], Premium] = premium) -> None:
        self.build = build
        self.world: Premium
        self._stack = ExitStack()
        self.quiet = Quiet()
        self.depth = 0

    def __enter__(self) -> "Arena":
        self._stack.enter_context(transaction.atomic())
        self._stack.enter_context(_quiet(self.quiet))
        self._stack.enter_context(compiled())
        shadow(BEGIN - SETTLED_S)
        clock = Clock()
        clock.now = BEGIN - SETTLED_S
        self.statements = self._stack.enter_context(Statements(clock))
        with clock.python(lambda _s: None, 0), connection.execute_wrapper(self.statements):
            self.world = self.build(SimHerd())
            planes.start()
            self.statements.flush()
        with connection.cursor() as cursor:
            for table in ("server", "instance", "resource", "address", "timeline"):
                # No two are due at once, so that it is not the database's storage that says whose turn it is.
                cursor.execute(
                    f"UPDATE fleet_{table} AS row SET vantage = 'here/1', "
                    "due_at = to_timestamp(%s + ranked.nth / 1000.0) "
                    f"FROM (SELECT id, row_number() OVER (ORDER BY name) AS nth FROM fleet_{table}) AS ranked "
                    "WHERE ranked.id = row.id",
                    [BEGIN],
                )
        self.depth = len(connection.savepoint_ids)
        return self

    def keep(self) -> None:
        """A copy of our own database is taken."""
        self._raw("SAVEPOINT sim_copy")

    def restore(self) -> None:
        """Our own database is made of that copy, and the control plane starts on it."""
        connection.run_on_commit = []
        self._raw("ROLLBACK TO SAVEPOINT sim_copy")
        self.statements.writes += 1
        ControlPlane.objects.update(system="the one before")
        planes.start()

    def _raw(self, sql: str) -> None:
        self.statements.flush()
        if self.statements.clock:
            self.statements.clock.forget()
        with connection.cursor() as cursor:
            cursor.cursor.execute(sql)

    def __exit__(self, *error: Any) -> None:
        transaction.set_rollback(True)
        self._stack.__exit__(*error)

    @contextmanager
    def schedule(self, make: Callable[[], Schedule]) -> Iterator[Schedule]:
        """One schedule over the world as it was built; whatever it leaves is taken back."""
        schedule = make()
        savepoint = transaction.savepoint()
        self.statements.clock = schedule.clock
        self.statements.writes += 1
        base = len(connection.savepoint_ids)
        try:
            with (
                schedule.clock.python(schedule.sleep, schedule.seed),
                connection.execute_wrapper(_Wrapper(schedule, base)),
                connection.execute_wrapper(self.statements),
                _transactions(schedule, base),
                _inline(),
                mock.patch.object(beat.record, "write", lambda *_: None),
                mock.patch.object(pulse, "late_s", schedule.late_s),
                mock.patch.object(wakes, "call", lambda queues: schedule.stir() if list(queues) else None),
            ):
                yield schedule
                schedule.end()
        finally:
            connection.run_on_commit = []
            connection.needs_rollback = False
            self.statements.flush()
            transaction.savepoint_rollback(savepoint)


class _Wrapper:
    """Before a statement of its own a worker may be held up; every statement knows the time."""

    def __init__(self, schedule: Schedule, base: int) -> None:
        self.schedule, self.base = schedule, base

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        text = str(sql).lstrip()
        if text.startswith(WRITES) and len(connection.savepoint_ids) == self.base:
            _after_commit()
            self.schedule.point(f"{text.split(None, 1)[0].lower()}")
        return execute(sql, params, many, context)


def _after_commit() -> None:
    """What waits for the commit of a transaction that is over."""
    while connection.run_on_commit:
        waiting, connection.run_on_commit = connection.run_on_commit, []
        for _ids, what, _robust in waiting:
            what()


@contextmanager
def _transactions(schedule: Schedule, base: int) -> Iterator[None]:
    """Transactions are savepoints here: what waits for their commit is done at their end, and a worker may be held up
    before and after each, never in one."""
    enter, leave = transaction.Atomic.__enter__, transaction.Atomic.__exit__

    def entering(self: Any) -> None:
        if len(connection.savepoint_ids) == base:
            _after_commit()
            schedule.point(f"begin {sys._getframe(1).f_code.co_name}")
        enter(self)

    def leaving(self: Any, kind: Any, error: Any, trace: Any) -> None:
        try:
            leave(self, kind, error, trace)
        finally:
            if error is not None:
                schedule.clock.forget()
        if len(connection.savepoint_ids) == base and error is None:
            _after_commit()
            schedule.point("commit")

    with mock.patch.multiple(transaction.Atomic, __enter__=entering, __exit__=leaving):
        yield


@contextmanager
def _inline() -> Iterator[None]:
    """What is done in threads is done at once, and is over in the order in which it was begun."""
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] in OURS and hasattr(module, "ThreadPoolExecutor"):
                stack.enter_context(mock.patch.object(module, "ThreadPoolExecutor", Inline))
        stack.enter_context(mock.patch.object(turns, "wait", lambda futures, **_: (list(futures), [])))
        yield


class Quiet:
    """Stands where a logger does: a schedule has a story of its own. What code of ours raised is kept."""

    def __init__(self) -> None:
        self.raised: list[str] = []

    def bind(self, **_: object) -> "Quiet":
        return self

    def exception(self, event: str, *_: object, **more: object) -> None:
        error = more.get("exc_info") or sys.exc_info()[1]
        self.raised.append(f"{event} of {more.get('subject') or more.get('incident')}: {type(error).__name__}: {error}")

    def __getattr__(self, _level: str) -> Callable[..., None]:
        return lambda *_, **__: None


@contextmanager
def _quiet(instead: Quiet) -> Iterator[None]:
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            for one in ("log", "moves"):
                if name.split(".")[0] in OURS and hasattr(getattr(module, one, None), "bind"):
                    stack.enter_context(mock.patch.object(module, one, instead))
        yield
