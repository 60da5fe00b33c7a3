"""Transports without a wire. Tests say in a World what hosts and databases answer and what is broken, and read from
it what was run; the raising ones prove that the web never touches the fleet.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fleet.transports.base import Database, Host, Refused, Result, Row, TransportError, Unreachable

WRITES = ("ALTER", "CREATE", "DELETE", "DROP", "GRANT", "INSERT", "TRUNCATE", "UPDATE")

HARMLESS = "the web may not touch the fleet"


@dataclass(frozen=True)
class Ran:
    """A command that reached its host."""

    host: str
    argv: tuple[str, ...]
    stdin: bytes
    secrets: tuple[str, ...]


class World:
    """What the fakes are connected to. A place is a host's name, or "address:port" for a PostgreSQL. `shut` are hosts
    that let nobody in anew, while the connections that are held live on."""

    def __init__(self) -> None:
        self.ran: list[Ran] = []
        self._commands: list[tuple[Callable[[Ran], bool], Callable[[Ran], Result]]] = []
        self._databases: dict[str, list[tuple[Database, Callable[[str], list[Row]]]]] = {}
        self._errors: dict[str, TransportError] = {}
        self._delays: dict[str, float] = {}
        self.shut: set[str] = set()

    def on(self, command: Sequence[str] | Callable[[Ran], bool], answer: Result | Callable[[Ran], Result]) -> None:
        """What commands come to that begin with these words, or that the predicate knows; the latest `on` wins."""
        words = () if callable(command) else tuple(command)
        matches = command if callable(command) else lambda ran: ran.argv[: len(words)] == words
        self._commands.append((matches, answer if callable(answer) else lambda _: answer))

    def serve(self, database: Database, answer: Mapping[str, list[Row]] | Callable[[str], list[Row]]) -> None:
        """A database that lets in this user, and its rows for a statement."""
        reply = answer if callable(answer) else answer.__getitem__
        self._databases.setdefault(at(database), []).append((database, reply))

    def fail(self, place: str, error: TransportError) -> None:
        """Nothing gets through to the place any more: whoever tries gets the error."""
        self._errors[place] = error

    def delay(self, place: str, seconds: float) -> None:
        """Answers take that long, though no time passes: past the caller's timeout a command ran and its answer is
        lost."""
        self._delays[place] = seconds

    def heal(self, place: str) -> None:
        self._errors.pop(place, None)
        self._delays.pop(place, None)

    def run(self, ran: Ran, timeout: float) -> Result:
        self._reach(ran.host)
        self.ran.append(ran)
        self._wait(ran.host, timeout)
        for matches, answer in reversed(self._commands):
            if matches(ran):
                return answer(ran)
        raise AssertionError(f"this world has no answer to: {shlex.join(ran.argv)}")

    def ask(self, database: Database, statements: Sequence[str], timeout: float, read_only: bool) -> list[list[Row]]:
        place = at(database)
        self._reach(place)
        served = self._databases.get(place)
        if not served:
            raise Unreachable(f"{place}: connection refused")
        users = [each for each in served if (each[0].user, each[0].password) == (database.user, database.password)]
        if not users:
            raise Refused(f"{place}: password authentication failed for {database.user}", "28P01")
        answers = [reply for each, reply in users if each.dbname == database.dbname]
        if not answers:
            raise Refused(f"{place}: database {database.dbname} does not exist", "3D000")
        self._wait(place, timeout)
        if read_only and any(statement.upper().startswith(WRITES) for statement in statements):
            raise Refused(f"{place}: cannot write in a read-only transaction", "25006")
        return [[dict(row) for row in answers[-1](statement)] for statement in statements]

    def log_in(self, host: str, timeout: float) -> None:
        self._reach(host)
        self._wait(host, timeout)
        if host in self.shut:
            raise Unreachable(f"{host}: connection refused")

    def _reach(self, place: str) -> None:
        if place in self._errors:
            raise self._errors[place]

    def _wait(self, place: str, timeout: float) -> None:
        if self._delays.get(place, 0) > timeout:
            raise Unreachable(f"{place}: no answer in time")


def at(database: Database) -> str:
    return f"{database.address}:{database.port}"


class FakeShell:
    """Commands on one host of a World."""

    def __init__(self, host: Host, world: World):
        self.host, self.world = host, world

    def run(
        self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 10.0, secrets: Sequence[str] = ()
    ) -> Result:
        return self.world.run(Ran(self.host.name, tuple(argv), stdin, tuple(secrets)), timeout)

    def log_in(self, timeout: float = 4.0) -> None:
        self.world.log_in(self.host.name, timeout)


class FakeSql:
    """Looks into the databases of a World."""

    def __init__(self, world: World):
        self.world = world

    def fetch(
        self, database: Database, statements: Sequence[str], timeout: float = 2.0, read_only: bool = True
    ) -> list[list[Row]]:
        return self.world.ask(database, statements, timeout, read_only)


class RaisingShell:
    """Stands where no command may be run; takes whatever a Shell is built from."""

    def __init__(self, *_: object):
        pass

    def run(self, *_: object, **__: object) -> Result:
        raise AssertionError(HARMLESS)

    def log_in(self, *_: object, **__: object) -> None:
        raise AssertionError(HARMLESS)


class RaisingSql:
    """Stands where no database may be looked into."""

    def fetch(self, *_: object, **__: object) -> list[list[Row]]:
        raise AssertionError(HARMLESS)
