"""The verbs on a PostgreSQL, through the Shell of its host. What may take seconds becomes a detached job (jobs.py) that
later beats look at; the rest answers at once. Every verb can be repeated.

All raise Unreachable or Refused when the host can't be asked, and CommandFailed when it said no: TooLate and Superseded
when that is because of the order that the Subject bears.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from fleet import jobs, orders, policy
from fleet.orders import Anchor
from fleet.postgres import commands, roles, wal
from fleet.postgres.config import Sizing
from fleet.postgres.prologue import ANCHOR, GUARD, LATE, SUPERSEDED
from fleet.postgres.rest_scripts import SAID
from fleet.postgres.roles import PATIENCE, PREAMBLE, Limits
from fleet.postgres.scram import scram
from fleet.subject import Subject
from fleet.transports.base import CommandFailed, Shell, TransportError, checked

# Iterations make guessing dear. The monitoring role's password is 192 random bits, which nobody guesses, and it logs
# in at every beat. A customer's role keeps the usual number: there are drivers that refuse less.
OURS = 1
# How long what waits for PostgreSQL to start, and what reads its WAL, may take (s).
START_S, READ_S = 20.0, 20.0
# How long a suspension may take (s): the owner may come back a few times until it is in force.
SUSPEND_S = 20.0


class TooLate(CommandFailed):
    """The order came after the right to give it had ended; the host did nothing."""


class Superseded(CommandFailed):
    """The host has taken a newer order, or another herdsite's; it did nothing."""


def build(
    shell: Shell,
    subject: Subject,
    job: str,
    sizing: Sizing,
    password: str,
    tls: bool = True,
    also: str = "",
    replica: str = "",
    dynamic: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Begin to make the cluster of the instance `subject`. `password` is to be the monitoring role's, `replica` the
    replication role's; `also` is SQL that ends the build (roles.create_resource); `dynamic` are files that change while
    it lives, the certificate among them."""
    verifier = scram(replica, iterations=OURS) if replica else None
    script = commands.build(subject, sizing, scram(password, iterations=OURS), tls, also, verifier, dynamic)
    _begin(shell, subject, job, script)


def stand_by(
    shell: Shell,
    subject: Subject,
    job: str,
    sizing: Sizing,
    dynamic: Mapping[str, str],
    conninfo: str,
    slot: str,
    mode: str = commands.BUILD,
    stray: str = "",
    tls: bool = True,
) -> None:
    """Begin to make it a standby of the leader that `conninfo` leads to (commands.stand_by)."""
    beside = commands.files(subject, sizing, tls) | dict(dynamic)
    _begin(shell, subject, job, commands.stand_by(subject, beside, conninfo, slot, mode, stray))


def restore(
    shell: Shell,
    subject: Subject,
    job: str,
    sizing: Sizing,
    dynamic: Mapping[str, str],
    backup: commands.Script,
    recovery: Mapping[str, str],
    also: str,
    tls: bool = True,
    last: str = "",
    goal: tuple[int, str] | None = None,
) -> None:
    """Begin to make it of a base backup and the WAL that leads on from it (commands.restore)."""
    beside = commands.files(subject, sizing, tls) | dict(dynamic)
    _begin(shell, subject, job, commands.restore(subject, beside, backup, recovery, also, last, goal))


def configure(shell: Shell, subject: Subject, beside: Mapping[str, str]) -> None:
    """Put these files beside the data and have it read them."""
    _now(shell, commands.configure(subject, beside))


def promote(shell: Shell, subject: Subject, generation: int, timeout: float = 20.0) -> dict[str, str]:
    """Make the standby a leader of that generation; what else it is to be, `configure` tells it. Returns its
    `timeline_id`, and `forked_lsn`, up to where it has its former leader's WAL."""
    return _now(shell, commands.promote(subject, generation), timeout)


def upgrade(
    shell: Shell,
    subject: Subject,
    job: str,
    old: str,
    sizing: Sizing,
    tls: bool = True,
    shown: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Begin to bring a standby whose leader was stopped to the version of `subject` (commands.upgrade); `shown` are the
    files by which it proves who it is."""
    _begin(shell, subject, job, commands.upgrade(subject, old, commands.files(subject, sizing, tls) | dict(shown)))


def lead(shell: Shell, subject: Subject, beside: Mapping[str, str], timeout: float = 20.0) -> dict[str, str]:
    """Start what was upgraded, as a leader. Returns as `promote` does."""
    return _now(shell, commands.lead(subject, beside), timeout)


def after_upgrade(shell: Shell, subject: Subject, job: str) -> None:
    """Begin what an upgrade leaves to be done while it serves."""
    _begin(shell, subject, job, commands.after_upgrade(subject))


def parted(shell: Shell, subject: Subject) -> dict[str, str]:
    """Of one that came of another's data: its `timeline_id`, and `forked_lsn`, from where on it has WAL of its own."""
    return _now(shell, commands.parted(subject))


def fence(shell: Shell, subject: Subject, generation: int, timeout: float = 10.0) -> dict[str, str]:
    """Stop it at once, for good. Returns `cluster`, its state by its control file, and `lsn`, where its WAL ended, if
    it was stopped cleanly: else `end` has to look for it."""
    return _now(shell, commands.fence(subject, generation), timeout)


def end(shell: Shell, subject: Subject) -> str:
    """Where the WAL of one that runs no more ends; "" when that can't be read."""
    return _now(shell, commands.end(subject), READ_S).get("lsn", "")


def commits(shell: Shell, subject: Subject, timeline: int, since: str) -> int | None:
    """How many transactions one that runs no more has committed on that timeline since that position; None where its
    WAL can't be read."""
    said = _now(shell, wal.commits(subject, timeline, since), READ_S).get("commits", "")
    return int(said) if said.isdigit() else None


def halt(shell: Shell, subject: Subject, patience_s: int, generation: int) -> dict[str, str]:
    """Stop it cleanly, for good. Returns as `fence` does; CommandFailed when clients or standbys keep it too long."""
    return _now(shell, commands.halt(subject, patience_s, generation), patience_s + 5.0)


def archive_rest(shell: Shell, subject: Subject, job: str) -> None:
    """Begin to archive what one that is fenced had not archived (commands.archive_rest)."""
    _begin(shell, subject, job, commands.archive_rest(subject))


def rest(shell: Shell, subject: Subject) -> dict[str, str]:
    """What came of that job, once it is done: `archived`, how many files it archived; `left`, the names of those that
    it could not, with commas between; `end`, where its WAL ends, "" where that can't be read."""
    argv = ["cat", f"{subject.data}/{SAID}"]
    out = checked(argv, shell.run(argv)).out
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def fill_archive(
    shell: Shell, subject: Subject, push: str, beside: Mapping[str, str], segments: Sequence[str], timeout: float
) -> list[str]:
    """Have it archive those of the segments that it has whole (commands.fill_archive). Returns which are in the archive
    then."""
    script = commands.fill_archive(subject, push, beside, segments)
    argv = ["sh", "-c", script.text, "herdsite", *script.args]
    with _refusals():
        out = checked(argv, shell.run(argv, stdin=script.stdin, timeout=timeout)).out
    return [line.removeprefix("got=") for line in out.splitlines() if line.startswith("got=")]


def unfence(shell: Shell, subject: Subject, generation: int) -> None:
    """Let it run again, as what it was."""
    _now(shell, commands.unfence(subject, generation), START_S)


def start(shell: Shell, subject: Subject, job: str) -> None:
    """Begin to start it."""
    _begin(shell, subject, job, commands.start(subject))


def stop(shell: Shell, subject: Subject, job: str) -> None:
    """Begin to stop it."""
    _begin(shell, subject, job, commands.stop(subject))


def restart(shell: Shell, subject: Subject, job: str) -> None:
    """Begin to stop it and start it again."""
    _begin(shell, subject, job, commands.restart(subject))


def destroy(shell: Shell, subject: Subject, job: str) -> None:
    """Begin to remove it for good."""
    _begin(shell, subject, job, commands.destroy(subject))


def reload(shell: Shell, subject: Subject) -> None:
    """Have it read its configuration again."""
    argv = commands.reload(subject)
    checked(argv, shell.run(argv))


def create_resource(shell: Shell, subject: Subject, database: str, owner: str, password: str, limits: Limits) -> None:
    """A customer's database with the role that owns it, on the instance `subject`."""
    run_sql(shell, subject, roles.create_resource(database, owner, scram(password), limits))


def drop_resource(shell: Shell, subject: Subject, database: str, owner: str) -> None:
    """Take both away, whoever is connected."""
    run_sql(shell, subject, roles.drop_resource(database, owner))


def set_password(shell: Shell, subject: Subject, role: str, password: str) -> None:
    """From now on the role logs in with `password`."""
    run_sql(shell, subject, roles.set_password(role, scram(password)))


def set_limits(shell: Shell, subject: Subject, database: str, owner: str, limits: Limits) -> None:
    """Other limits for a customer's database; connections beyond them stay until they end."""
    run_sql(shell, subject, roles.set_limits(database, owner, limits))


def end_sessions(shell: Shell, subject: Subject, database: str, owner: str) -> int:
    """End the owner's sessions in that database, without logging in. Returns how many there were."""
    return int(_now(shell, commands.end_sessions(subject, database, owner)).get("ended", 0))


def suspend(shell: Shell, subject: Subject, database: str, owner: str) -> int:
    """Keep the owner of that database from logging in, and end its sessions. Returns how many there were."""
    return int(_now(shell, commands.suspend(subject, database, owner), SUSPEND_S).get("ended", 0))


def lift(shell: Shell, subject: Subject, database: str, owner: str) -> None:
    """Let the owner of a suspended database log in again."""
    _now(shell, commands.lift(subject, database, owner))


def run_sql(shell: Shell, subject: Subject, sql: str, timeout: float = 12.0) -> str:
    """Run SQL as the superuser in `postgres`, statement by statement, up to the first that fails; what it printed,
    unaligned. The superuser enters no customer's database."""
    argv = commands.psql(subject)
    return checked(argv, shell.run(argv, stdin=(PREAMBLE + sql).encode(), timeout=timeout)).out


def run_as_deputy(shell: Shell, subject: Subject, sql: str, database: str, timeout: float = 12.0) -> str:
    """Run SQL in a customer's database with its owner's rights and no others; else like `run_sql`."""
    script = commands.as_deputy(subject, database, PATIENCE + sql)
    argv = ["sh", "-c", script.text, "herdsite", *script.args]
    return checked(argv, shell.run(argv, stdin=script.stdin, timeout=timeout)).out


def clear(shell: Shell, subject: Subject, job: str) -> None:
    """Forget a job that was to change the instance, and kill it first if it runs."""
    _now(shell, commands.clear(subject, job))


def anchor(shell: Shell, timeout: float = policy.CLOCK_READ_S) -> Anchor:
    """The host's clock as it is now."""
    found = orders.anchor(_now(shell, commands.Script(ANCHOR, ()), timeout))
    if found is None:
        raise TransportError("The host does not tell its boot id and how long it has been up.")
    return found


def _now(shell: Shell, script: commands.Script, timeout: float = 10.0) -> dict[str, str]:
    """Run it here and now; the NAME=VALUE lines that it printed."""
    argv = ["sh", "-c", script.text, "herdsite", *script.args]
    with _refusals():
        out = checked(argv, shell.run(argv, stdin=script.stdin, timeout=timeout)).out
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def _begin(shell: Shell, subject: Subject, job: str, script: commands.Script) -> None:
    with _refusals():
        jobs.start(shell, subject.home, job, script.text, script.args, script.stdin, guard=GUARD)


@contextmanager
def _refusals() -> Iterator[None]:
    """The errors of their own of an order that its host does not take."""
    try:
        yield
    except CommandFailed as error:
        kind = {LATE: TooLate, SUPERSEDED: Superseded}.get(error.result.code)
        if kind is None:
            raise
        raise kind(error.argv, error.result) from error
