"""What to run on a host to do something to its PostgreSQL. Pure: each function turns a Subject and plain values into a
script with its arguments and stdin, or into argv; control.py runs them."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from fleet.postgres import scripts
from fleet.postgres.config import Sizing, conf, hba
from fleet.postgres.roles import PREAMBLE, foundation
from fleet.postgres.tls import Certificate
from fleet.subject import Subject

PATIENCE_S = 30


@dataclass(frozen=True)
class Script:
    """A POSIX sh script, its arguments, and what it reads (which may be secret)."""

    text: str
    args: tuple[str, ...]
    stdin: bytes = field(default=b"", repr=False)


def build(
    subject: Subject, sizing: Sizing, verifier: str, certificate: Certificate | None = None, also: str = ""
) -> Script:
    """Make the cluster and leave it running: initdb, configuration, certificate, start, monitoring role, then the SQL
    `also` (a production instance's only database, say). Without a certificate the cluster speaks no TLS.

    `verifier` is the monitoring role's. A cluster that is there already is started, never made again.
    """
    tls = certificate is not None
    files = {"postgresql.conf": conf(subject, sizing, tls), "pg_hba.conf": hba(tls)}
    if certificate is not None:
        files |= {"server.crt": certificate.cert, "server.key": certificate.key}
    sections = "".join(f"=== {name}\n{text}" for name, text in files.items())
    sql = PREAMBLE + foundation(subject.major, verifier) + also
    return Script(scripts.BUILD, (*_where(subject), *psql(subject)), f"{sections}===\n{sql}".encode())


def start(subject: Subject) -> Script:
    """Start PostgreSQL and wait until it lets clients in; does nothing but wait when it runs."""
    return Script(scripts.START, _where(subject))


def stop(subject: Subject, patience_s: int = PATIENCE_S) -> Script:
    """Stop it: cleanly, or after `patience_s` seconds by force; does nothing when it does not run."""
    return Script(scripts.STOP, (*_where(subject), str(patience_s)))


def restart(subject: Subject, patience_s: int = PATIENCE_S) -> Script:
    """Stop, then start."""
    return Script(scripts.RESTART, (*_where(subject), str(patience_s)))


def destroy(subject: Subject) -> Script:
    """Stop it and remove the data directory with all that is in it."""
    return Script(scripts.DESTROY, _where(subject))


def reload(subject: Subject) -> list[str]:
    """Have it read its configuration again."""
    bin_, data = _where(subject)
    return [f"{bin_}/pg_ctl", "reload", "-D", data, "-s"]


def psql(subject: Subject, database: str = "postgres") -> list[str]:
    """psql as the superuser through the host's own socket; the SQL goes to its stdin. Rows come out unaligned."""
    return [
        *(f"{subject.bin}/psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"),
        *("-h", subject.socket, "-p", str(subject.port), "-U", "postgres", "-d", database),
    ]


def _where(subject: Subject) -> tuple[str, str]:
    """The programs and the data directory. ValueError unless the latter lies below what is ours on the host: it is
    going to be written, or removed."""
    home, data = PurePosixPath(subject.home), PurePosixPath(subject.data)
    if not home.is_absolute() or home == data or home not in data.parents or ".." in data.parts:
        raise ValueError(f"{subject.data!r} is no data directory below {subject.home!r}")
    return subject.bin, subject.data
