"""The two wires that herdsite has to the world: a Shell on a host, and Sql to a PostgreSQL.

A transport never decides anything. It answers, or it raises `Unreachable` (nothing came back, so nothing is known
about what happened there) or `Refused` (somebody answered, and said no). The difference is what doubt is built on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Row = dict[str, Any]

# The mode in which a server has to prove that it is who is meant.
VERIFIED = "verify-full"


class TransportError(Exception):
    """A look or a command did not succeed; `str(error)` is one line that a person can act on."""


class Unreachable(TransportError):
    """Nothing came back in time: connection refused, reset, timed out, or the answer was lost."""


class Refused(TransportError):
    """The other side answered and said no: wrong key or password, unknown host key, failed statement.

    `code` is the SQLSTATE for Sql (facts.UNPROVEN for a server that does not prove who it is), and a short word for
    Shell ("host_key", "auth").
    """

    def __init__(self, message: str, code: str = ""):
        super().__init__(message)
        self.code = code


class CommandFailed(TransportError):
    """A command ran on the host and ended with another code than 0."""

    def __init__(self, argv: Sequence[str], result: "Result"):
        last = (result.err.strip() or result.out.strip() or "no output").splitlines()[-1]
        super().__init__(f"{argv[0]} ended with {result.code}: {last}")
        self.argv, self.result = tuple(argv), result


@dataclass(frozen=True)
class Result:
    """What a command on a host came to: exit code, both outputs as text, and how long it took in seconds."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True)
class Host:
    """Where a Shell goes. `host_key` is the pinned public key ("ssh-ed25519 AAAA…"); empty refuses every key."""

    name: str
    address: str
    port: int = 22
    user: str = "herdsite"
    host_key: str = ""


@dataclass(frozen=True)
class Database:
    """Where Sql goes, and as whom. `password` never appears in a repr, a log or an error. `roots` are the CAs (PEM) of
    which one has to have signed what the server shows where `sslmode` is VERIFIED."""

    address: str
    port: int
    dbname: str
    user: str
    password: str
    sslmode: str = "require"
    roots: str = ""

    def __repr__(self) -> str:
        return f"Database({self.user}@{self.address}:{self.port}/{self.dbname})"


class Shell(Protocol):
    """Commands on one host."""

    def run(
        self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 10.0, secrets: Sequence[str] = ()
    ) -> Result:
        """Run `argv` (each element quoted, never interpolated), feed it `stdin`, wait at most `timeout` seconds.

        A code other than 0 is a Result, not an error. `secrets` are masked wherever the command is logged.
        Raises Unreachable when no result came back (the command may or may not have run), Refused when the
        host answered with the wrong key or would not let us in.
        """
        ...

    def log_in(self, timeout: float = 4.0) -> None:
        """Prove that one can still get in: a connection of its own beside those that are held, a command on it, and
        its end. Takes at most `timeout` seconds. Raises as `run` does."""
        ...


class Sql(Protocol):
    """Looks into one PostgreSQL."""

    def fetch(
        self, database: Database, statements: Sequence[str], timeout: float = 2.0, read_only: bool = True
    ) -> list[list[Row]]:
        """Open a connection, run the statements in one round trip, close it; one list of rows a statement.

        `timeout` (seconds) bounds the connection, and once more the statements, on our side as well as on the
        server's: a frozen host still accepts TCP. Nothing can be written unless `read_only` is False. Raises
        Unreachable or Refused (with the SQLSTATE).
        """
        ...


def checked(argv: Sequence[str], result: Result) -> Result:
    """The result if the command succeeded; raises CommandFailed if it did not."""
    if not result.ok:
        raise CommandFailed(argv, result)
    return result


def masked(text: str, secrets: Sequence[str]) -> str:
    """The text without what must not be read; the longest secret first, since one may lie in another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
