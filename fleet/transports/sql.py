"""Sql over libpq, by psycopg's thin `pq` layer: one connection and one round trip a look.

A frozen host still accepts TCP, so every wait ends by our own clock. libpq is driven without blocking for that, and
because most of what a full psycopg connection prepares would be thrown away unused with each look.
"""

import os
import re
import select
import time
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address

from psycopg import Error, pq
from psycopg.adapt import Transformer

from fleet.facts import UNPROVEN
from fleet.transports.base import VERIFIED, Database, Refused, Row, TransportError, Unreachable

OK, FAILED, READING, WRITING = (pq.PollingStatus[name] for name in ("OK", "FAILED", "READING", "WRITING"))
ROWS, DONE, NOTHING = pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY
ERROR = pq.ExecStatus.FATAL_ERROR
TO_READ, TO_WRITE = select.POLLIN, select.POLLOUT

# Goes before the statements: whatever a customer has put before PostgreSQL's own operators and types is passed over. As
# part of the question it holds behind a connection pooler too, which may know nothing of a session's options.
PINNED = "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)"

# The server gives up on a statement a little before we do, so that a slow one is told from a frozen host.
SERVER_SHARE = 0.8

# Beginnings of the SQLSTATEs that say "the server goes away", not "no" to what was asked.
GONE = ("57P01", "57P02", "57P05", "08")

# libpq's words for a connection that broke before the log-in was through.
BROKEN = re.compile("server closed the connection|closed unexpectedly|could not (receive|send)|SYSCALL|unexpected eof")

# libpq keeps the SQLSTATE of a refused log-in to itself, so it is told from the server's words (first match wins;
# needs lc_messages = C). What no row knows is "the server rejected the connection".
REJECTED = "08004"
SAID = (
    ("certificate verify failed|does not match host name|host name from server certificate", UNPROVEN),
    ("channel binding|authentication method requirement|incorrect server signature", UNPROVEN),
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("authentication failed", "28000"),
    ("pg_hba.conf", "28000"),
    ("not permitted to log in", "28000"),
    ('role ".*" does not exist', "28000"),
    ('database ".*" does not exist', "3D000"),
    ("permission denied for database", "42501"),
    ("not currently accepting connections", "55000"),
    ("too many (clients|connections)", "53300"),
    ("connection slots are reserved", "53300"),
    # A log-in takes locks: where the lock table is full, nobody gets in.
    ("out of shared memory", "53200"),
    ("out of memory", "53200"),
    ("the database system is", "57P03"),
    ("terminating connection", "57P01"),
)


class PsycopgSql:
    """Looks into PostgreSQL. Keeps nothing between looks, so one serves every thread and survives a fork."""

    def fetch(
        self, database: Database, statements: Sequence[str], timeout: float = 2.0, read_only: bool = True
    ) -> list[list[Row]]:
        """As the port says. The statements are one transaction: an error in one loses the answers of all.

        A host name is looked up by the system at its own pace: give an IP address where the deadline matters.
        """
        if not statements:
            raise ValueError("a look without a statement asks nothing")
        connection = pq.PGconn.connect_start(conninfo(database, timeout, read_only).encode())
        try:
            log_in(connection, database, time.monotonic() + timeout)
            text = "\n;\n".join((PINNED, *statements))
            _path, *results = ask(connection, database, text, time.monotonic() + timeout)
        except Error as error:
            raise Unreachable(about(database, str(error))) from None
        finally:
            connection.finish()
        if len(results) != len(statements):
            raise ValueError(f"{len(statements)} statements gave {len(results)} answers: each must be one statement")
        return _read(database, results)


def _read(database: Database, results: Sequence[pq.abc.PGresult]) -> list[list[Row]]:
    try:
        return [rows(result) for result in results]
    except (Error, ValueError, ArithmeticError) as error:
        raise Refused(about(database, f"a value can't be read: {error}"), "22000") from None


def conninfo(database: Database, timeout: float, read_only: bool) -> str:
    """libpq's connection string. An address that is an IP goes in as hostaddr, so that nothing is looked up."""
    limit = max(1, int(timeout * SERVER_SHARE * 1000))
    options = f"-c statement_timeout={limit} -c lock_timeout={limit} -c datestyle=ISO -c intervalstyle=postgres"
    verified = database.sslmode == VERIFIED
    parts = {
        **({"hostaddr": database.address} if is_ip(database.address) else {"host": database.address}),
        **({"host": database.address, "sslrootcert": file_of(database.roots)} if verified else {}),
        # A password goes to nobody in clear, and no further than a server that knows it.
        "require_auth": "scram-sha-256",
        **({"channel_binding": "require"} if verified or database.sslmode == "require" else {}),
        "port": str(database.port),
        "dbname": database.dbname,
        "user": database.user,
        "password": database.password,
        "sslmode": database.sslmode,
        "gssencmode": "disable",
        "client_encoding": "UTF8",
        "application_name": "herdsite",
        "options": options + " -c default_transaction_read_only=on" * read_only,
    }
    return " ".join(f"{name}={quoted(value)}" for name, value in parts.items())


@lru_cache(maxsize=16)
def file_of(text: str) -> str:
    """The path of a file with that text, since libpq reads the CAs from files only. It lies in memory, has no name
    elsewhere, and is there for this process, its forks and as long as they live."""
    descriptor = os.memfd_create("herdsite-ca")
    with open(descriptor, "w", closefd=False) as file:
        file.write(text)
    return f"/proc/self/fd/{descriptor}"


def quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def is_ip(address: str) -> bool:
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def log_in(connection: pq.abc.PGconn, database: Database, deadline: float) -> None:
    """Take the connection all the way to "ready for query"."""
    stage = connection.status
    status: int = FAILED if stage == pq.ConnStatus.BAD else WRITING
    while status != OK:
        if status == FAILED:
            raise failure(database, connection.get_error_message(), answered=stage > pq.ConnStatus.STARTED)
        wait(connection, database, TO_READ if status == READING else TO_WRITE, deadline)
        stage, status = connection.status, connection.connect_poll()


def failure(database: Database, said: str, answered: bool) -> TransportError:
    """What a failed log-in means: somebody said no, or nobody was there to say anything."""
    said = said.partition(" failed: ")[2] or said
    code = next((code for words, code in SAID if re.search(words, said)), REJECTED)
    if not answered or BROKEN.search(said) or code.startswith("57P01"):
        return Unreachable(about(database, said))
    return Refused(about(database, said), code)


def ask(connection: pq.abc.PGconn, database: Database, text: str, deadline: float) -> list[pq.abc.PGresult]:
    """Send the text as one simple query and gather the result of each statement."""
    connection.nonblocking = 1
    connection.send_query(text.encode())
    while connection.flush():
        wait(connection, database, TO_READ | TO_WRITE, deadline)
        connection.consume_input()
    results: list[pq.abc.PGresult] = []
    while True:
        while connection.is_busy():
            wait(connection, database, TO_READ, deadline)
            connection.consume_input()
        result = connection.get_result()
        if result is None:
            return results
        if result.status == ERROR:
            raise complaint(database, result)
        if result.status not in (ROWS, DONE, NOTHING):
            raise ValueError("only statements that answer with rows can be asked (no COPY)")
        results.append(result)


def complaint(database: Database, result: pq.abc.PGresult) -> TransportError:
    """What a failed statement means; without a SQLSTATE it was libpq that lost the server."""
    code = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    text = about(database, result.get_error_message())
    return Unreachable(text) if not code or code.startswith(GONE) else Refused(text, code)


def wait(connection: pq.abc.PGconn, database: Database, events: int, deadline: float) -> None:
    """Wait until the connection's socket is ready; Unreachable at the deadline (of time.monotonic)."""
    poll = select.poll()
    poll.register(connection.socket, events)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise Unreachable(about(database, "no answer in time"))


def rows(result: pq.abc.PGresult) -> list[Row]:
    names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
    transformer = Transformer()
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, lambda values: dict(zip(names, values, strict=True)))


def about(database: Database, said: str) -> str:
    """One line that says who said what, and never the password."""
    line = (said.strip().splitlines() or ["no reason given"])[0]
    if database.password:
        line = line.replace(database.password, "***")
    return f"{database.user}@{database.address}:{database.port}/{database.dbname}: {line}"


class Held:
    """One open connection that is held, and asked now and then: for a sign of life, which never waits, or something.

    `Held(database, timeout)` connects within `timeout` seconds; raises as `PsycopgSql.fetch` does.
    """

    def __init__(self, database: Database, timeout: float):
        self.database = database
        self._asked_at: float | None = None
        self._connection = pq.PGconn.connect_start(conninfo(database, timeout, True).encode())
        try:
            log_in(self._connection, database, time.monotonic() + timeout)
            self._connection.nonblocking = 1
        except BaseException:
            self._connection.finish()
            raise

    @property
    def socket(self) -> int:
        return self._connection.socket

    def fetch(self, statements: Sequence[str], timeout: float) -> list[list[Row]]:
        """The rows of each statement, all in one transaction; waits for up to `timeout` seconds. Raises as
        `PsycopgSql.fetch` does, and can be asked on after Refused. Nothing goes before the statements: to set the path
        of every transaction anew takes locks, and this asks where there may be none."""
        deadline = time.monotonic() + timeout
        try:
            return _read(self.database, ask(self._connection, self.database, "\n;\n".join(statements), deadline))
        except Refused:
            self._pass_over(deadline)
            raise
        except Error as error:
            raise Unreachable(about(self.database, str(error))) from None

    def _pass_over(self, deadline: float) -> None:
        """Read and drop the remaining results of a refused question."""
        while True:
            while self._connection.is_busy():
                wait(self._connection, self.database, TO_READ, deadline)
                self._connection.consume_input()
            if self._connection.get_result() is None:
                return

    def ping(self) -> None:
        """Ask for a sign of life, unless one is still awaited. Raises Unreachable when it broke."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            try:
                self._connection.send_query(b"")
                self._connection.flush()
            except Error as error:
                raise Unreachable(about(self.database, str(error))) from None

    def hear(self) -> None:
        """Take in what has come. Raises Unreachable when the connection broke."""
        try:
            self._connection.consume_input()
            while self._asked_at is not None and not self._connection.is_busy():
                if self._connection.get_result() is None:
                    self._asked_at = None
        except Error as error:
            raise Unreachable(about(self.database, str(error))) from None

    @property
    def silent_s(self) -> float:
        """For how long the last ping has not been answered (s)."""
        return 0.0 if self._asked_at is None else time.monotonic() - self._asked_at

    def close(self) -> None:
        self._connection.finish()
