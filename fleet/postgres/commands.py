"""What to run on a host to do something to its PostgreSQL. Pure: each function turns a Subject and plain values into a
script with its arguments and stdin, or into argv; control.py runs them."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from types import MappingProxyType

from fleet import jobs
from fleet.postgres import copy_scripts, entering, rest_scripts, scripts, tenant_scripts, upgrade_scripts
from fleet.postgres.config import OLDEST, Sizing, conf, hba, lines
from fleet.postgres.roles import PREAMBLE, foundation
from fleet.postgres.statements import statement
from fleet.subject import Subject

PATIENCE_S = 30
BUILD, REJOIN, COPY = "build", "rejoin", "copy"


@dataclass(frozen=True)
class Script:
    """A POSIX sh script, its arguments, and what it reads (which may be secret)."""

    text: str
    args: tuple[str, ...]
    stdin: bytes = field(default=b"", repr=False)


def build(
    subject: Subject,
    sizing: Sizing,
    verifier: str,
    tls: bool = True,
    also: str = "",
    replica: str | None = None,
    dynamic: Mapping[str, str] = MappingProxyType({}),
) -> Script:
    """Make the cluster and leave it running: initdb, configuration, start, the roles of ours, then the SQL `also` (a
    production instance's only database, say). With `tls` its certificate is one of the files in `dynamic` (tls.files).

    `verifier` is the monitoring role's, `replica` the replication role's; `dynamic` are the files that change while it
    lives, by name. A cluster that is there already is started, never made again.
    """
    sql = PREAMBLE + foundation(subject.major, verifier, replica) + also
    stdin = f"{sections(files(subject, sizing, tls) | dict(dynamic))}{sql}".encode()
    return Script(scripts.BUILD, (*_ordered(subject), *psql(subject)), stdin)


def files(subject: Subject, sizing: Sizing, tls: bool) -> dict[str, str]:
    """The files beside the data that an instance is born with, by name."""
    return {"postgresql.conf": conf(subject, sizing, tls), "pg_hba.conf": hba(tls)}


def stand_by(
    subject: Subject, beside: Mapping[str, str], conninfo: str, slot: str, mode: str, stray: str = ""
) -> Script:
    """Make it a standby and leave it streaming. `beside` are its files by name (all of them: those of the leader that
    come with a copy are not its own), `conninfo` leads to the leader, `slot` is there already.

    `mode` is BUILD (what is there complete is only started), REJOIN (what is there is rewound if that can be, else
    copied anew) or COPY (whatever is there is replaced once the copy is complete). With `stray`, a folder's path, the
    databases of a leader that was are dumped there first.
    """
    args = (*_ordered(subject), conninfo, slot, mode, stray, *enter(subject))
    return Script(copy_scripts.STANDBY, args, sections(beside).encode())


def restore(
    subject: Subject,
    beside: Mapping[str, str],
    backup: Script,
    recovery: Mapping[str, str],
    also: str,
    last: str = "",
    goal: tuple[int, str] | None = None,
) -> Script:
    """Make it of a base backup and the WAL that leads on from it, and leave it running as a leader. `backup` puts the
    backup's files into the data directory's place with ".new" behind; `recovery` are the settings while it recovers,
    `beside` its files afterwards; `also` is SQL that it runs once it leads; `last` is a segment that is on its way to
    the archive, and waited for; `goal` is the timeline (PostgreSQL's number) and the position that it has to come to
    unless it stops at its target before: one that ends elsewhere or earlier has failed."""
    more = restoring(backup) | {"herdsite.recovery": lines(recovery)}
    if goal:
        more["herdsite.goal"] = f"{goal[0]} {goal[1]}\n"
    if last:
        fetch = {"f": last, "p": "awaited", "%": "%"}
        more["await.sh"] = re.sub("%(.)", lambda found: fetch[found[1]], recovery["restore_command"]) + "\n"
    stdin = f"{sections(dict(beside) | more)}{PREAMBLE}{also}".encode()
    return Script(copy_scripts.RESTORE, (*_ordered(subject), *psql(subject)), stdin)


def configure(subject: Subject, beside: Mapping[str, str]) -> Script:
    """Put these files beside the data, each whole or not at all, and have it read them if it runs."""
    return Script(scripts.CONFIGURE, _ordered(subject), sections(beside).encode())


def promote(subject: Subject, generation: int) -> Script:
    """Make the standby a leader of that generation; does nothing more to one that leads already. Prints its timeline's
    number and where its own WAL begins."""
    return Script(scripts.PROMOTE, (*_ordered(subject), str(generation), subject.socket, str(subject.port)))


def upgrade(subject: Subject, old: str, beside: Mapping[str, str]) -> Script:
    """Bring what lies there, a standby whose leader was stopped cleanly, to the version of `subject`, and leave it
    stopped; `old` are the programs of the version that it has, `beside` its files by name."""
    enters = enter(replace(subject, major=OLDEST))
    args = (*_ordered(subject), old, str(subject.major), *enters, statement("upgrade_runs", OLDEST))
    return Script(upgrade_scripts.UPGRADE, args, sections(beside).encode())


def lead(subject: Subject, beside: Mapping[str, str]) -> Script:
    """Put these files beside its data and start it, as a leader whose history begins here."""
    return Script(upgrade_scripts.LEAD, _ordered(subject), sections(beside).encode())


def after_upgrade(subject: Subject) -> Script:
    """What an upgrade leaves to be done while it serves."""
    return Script(upgrade_scripts.AFTERWARDS, (*_ordered(subject), *enter(subject)))


def parted(subject: Subject) -> Script:
    """Print the number of the timeline that it writes, and where that parted from the one before."""
    return Script(scripts.PARTED, _where(subject))


def fence(subject: Subject, generation: int) -> Script:
    """Stop it at once, by force if it must be, and mark it with the generation that does so: nothing starts it then.
    Prints where its WAL ended, if that is known at once."""
    return Script(scripts.FENCE, (*_ordered(subject), str(generation)))


def halt(subject: Subject, patience_s: int, generation: int) -> Script:
    """Stop it cleanly, and mark it so that nothing starts it. Prints where its WAL ended: its standbys are sent all of
    it, which may last a moment longer, so whoever counts on one asks it. Fails when it takes longer than `patience_s`
    seconds: `unfence` takes it back, whatever became of it."""
    return Script(scripts.HALT, (*_ordered(subject), str(patience_s), str(generation)))


def end(subject: Subject) -> Script:
    """Say where the WAL of one that runs no more ends, however it was stopped."""
    return Script(scripts.END, _where(subject))


def archive_rest(subject: Subject) -> Script:
    """Archive by hand what one that is fenced had not archived: all of its WAL, up to its last record."""
    return Script(rest_scripts.REST, _ordered(subject))


def fill_archive(subject: Subject, push: str, beside: Mapping[str, str], segments: Sequence[str]) -> Script:
    """Archive by hand those of the `segments` that it has whole, with the archive_command `push` and its files
    `beside`. Prints got=NAME for each that is in the archive then."""
    args = (*_ordered(subject), subject.home, subject.socket, str(subject.port), push, *segments)
    return Script(rest_scripts.FILL, args, sections(beside).encode())


def unfence(subject: Subject, generation: int) -> Script:
    """Take the mark of that generation away and start it: a changeover that was begun is rolled back."""
    return Script(scripts.UNFENCE, (*_ordered(subject), str(generation)))


def start(subject: Subject) -> Script:
    """Start PostgreSQL and wait until it lets clients in; does nothing but wait when it runs."""
    return Script(scripts.START, _ordered(subject))


def stop(subject: Subject, patience_s: int = PATIENCE_S) -> Script:
    """Stop it: cleanly, or after `patience_s` seconds by force; does nothing when it does not run."""
    return Script(scripts.STOP, (*_ordered(subject), str(patience_s)))


def restart(subject: Subject, patience_s: int = PATIENCE_S) -> Script:
    """Stop, then start."""
    return Script(scripts.RESTART, (*_ordered(subject), str(patience_s)))


def destroy(subject: Subject) -> Script:
    """Stop it and remove the data directory with all that is in it."""
    return Script(scripts.DESTROY, _ordered(subject))


def clear(subject: Subject, job: str) -> Script:
    """Forget a job that was to change the instance, and kill it first if it runs."""
    return Script(scripts.CLEAR, (*_ordered(subject), subject.home, jobs.valid(job)))


def reload(subject: Subject) -> list[str]:
    """Have it read its configuration again."""
    bin_, data = _where(subject)
    return [f"{bin_}/pg_ctl", "reload", "-D", data, "-s"]


def psql(subject: Subject) -> list[str]:
    """psql as the superuser through the host's own socket, in `postgres`, where no customer can put anything. The
    SQL goes to its stdin; rows come out unaligned."""
    told = f"dbname=postgres client_encoding=UTF8 options='{entering.options(subject.major)}'"
    return [
        *(f"{subject.bin}/psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"),
        *("-h", subject.socket, "-p", str(subject.port), "-U", "postgres", "-d", told),
    ]


def as_deputy(subject: Subject, database: str, sql: str) -> Script:
    """Run SQL in a customer's database with its owner's rights, up to the first statement that fails."""
    return Script(scripts.AS_DEPUTY, (*_where(subject), *enter(subject), database), sql.encode())


def end_sessions(subject: Subject, database: str, owner: str) -> Script:
    """End the owner's sessions in that database, without logging in."""
    return Script(tenant_scripts.END_SESSIONS, (*_ordered(subject), database, owner))


def suspend(subject: Subject, database: str, owner: str) -> Script:
    """Keep the owner of that database from logging in, and end its sessions."""
    return Script(tenant_scripts.SUSPEND, (*_ordered(subject), database, owner))


def lift(subject: Subject, database: str, owner: str) -> Script:
    """Let the owner of that database log in again."""
    return Script(tenant_scripts.LIFT, (*_ordered(subject), database, owner))


def enter(subject: Subject) -> tuple[str, str, str]:
    """Socket, port and PGOPTIONS, by which a script enters databases (entering.py)."""
    return subject.socket, str(subject.port), entering.options(subject.major)


def restoring(backup: Script) -> dict[str, str]:
    """A script of an archive's as files for another script: restore.sh, and restore.in, which it reads. The latter may
    be secret, so it lies where only PostgreSQL's account may read, for as long as it is needed."""
    return {"restore.sh": inline(backup), "restore.in": backup.stdin.decode()}


def loading(load: Script) -> dict[str, str]:
    """The same of one that fills a database: load.sh, and load.in."""
    return {"load.sh": inline(load), "load.in": load.stdin.decode()}


def inline(script: Script) -> str:
    """The script's text with its arguments in it, to be part of another script."""
    return f"set -- {shlex.join(script.args)}\n{script.text}"


def sections(beside: Mapping[str, str]) -> str:
    """Files by name as the scripts read them from stdin."""
    return "".join(f"=== {name}\n{text}" for name, text in beside.items()) + "===\n"


def _ordered(subject: Subject) -> tuple[str, str, str]:
    """The same, and the order: for what changes something."""
    return (*_where(subject), str(subject.order))


def _where(subject: Subject) -> tuple[str, str]:
    """The programs and the data directory. ValueError unless the latter lies below what is ours on the host: it is
    going to be written, or removed."""
    home, data = PurePosixPath(subject.home), PurePosixPath(subject.data)
    if not home.is_absolute() or home == data or home not in data.parents or ".." in data.parts:
        raise ValueError(f"{subject.data!r} is no data directory below {subject.home!r}")
    return subject.bin, subject.data
