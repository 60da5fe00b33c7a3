"""The verbs on a PostgreSQL, through the Shell of its host. What may take seconds becomes a detached job (jobs.py) that
later beats look at; the rest answers at once. Every verb can be repeated.

All raise Unreachable or Refused when the host can't be asked, and CommandFailed when it said no.
"""

from fleet import jobs
from fleet.postgres import commands, roles
from fleet.postgres.config import Sizing
from fleet.postgres.roles import PREAMBLE, Limits
from fleet.postgres.scram import scram
from fleet.postgres.tls import certificate
from fleet.subject import Subject
from fleet.transports.base import Shell, checked

# Iterations make guessing dear. The monitoring role's password is 192 random bits, which nobody guesses, and it logs
# in at every beat. A customer's role keeps the usual number: there are drivers that refuse less.
OURS = 1


def build(
    shell: Shell, subject: Subject, job: str, sizing: Sizing, password: str, tls: bool = True, also: str = ""
) -> None:
    """Begin to make the cluster of the instance `subject`. `password` is to be the monitoring role's; `also` is SQL
    that ends the build (roles.create_resource)."""
    address = subject.host.address if subject.host else subject.bind
    shown = certificate(subject.name, address) if tls else None
    _begin(shell, subject, job, commands.build(subject, sizing, scram(password, iterations=OURS), shown, also))


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


def run_sql(shell: Shell, subject: Subject, sql: str, database: str = "postgres", timeout: float = 12.0) -> str:
    """Run SQL as the superuser, statement by statement, up to the first that fails; what it printed, unaligned."""
    argv = commands.psql(subject, database)
    return checked(argv, shell.run(argv, stdin=(PREAMBLE + sql).encode(), timeout=timeout)).out


def _begin(shell: Shell, subject: Subject, job: str, script: commands.Script) -> None:
    jobs.start(shell, subject.home, job, script.text, script.args, script.stdin)
