"""What its customer may set and hold, however odd, comes through whatever herdsite does with it: on real PostgreSQL, at
the level of the scripts. Rows are compared, and all that pg_dump says of the rest."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from logical_world import LIMITS, World, built, on_disk, serving

from fleet import drills, jobs
from fleet.archives.base import Wiring
from fleet.logical import loading
from fleet.models import Resource
from fleet.postgres import control, scratch
from fleet.postgres.commands import Script
from fleet.subject import RESOURCE
from fleet.transports.base import Database, checked
from fleet.transports.sql import PsycopgSql
from observations.probes.base import SQL, sql_answers, sql_question
from observations.probes.table import PROBES
from tests import odd
from tests.clusters import Cluster
from tests.localshell import ended

pytestmark = pytest.mark.django_db
NAME, SECRET = "strange", "strange-secret"
COPY = """
"$1/pg_basebackup" -h "$2" -p "$3" -U postgres -D "$4" -X stream -c fast --no-sync
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with built() as cluster:
        yield cluster


@pytest.fixture
def world(cluster: Cluster, settings, tmp_path: Path) -> World:
    return on_disk(cluster, settings, tmp_path.name)


@pytest.fixture
def strange(world: World) -> Iterator[Resource]:
    """Whatever is done with it, it is the same afterwards, and it can be destroyed."""
    made = world.resource(NAME)
    odd.fill(world.cluster, NAME, SECRET)
    odd.bother(world.cluster, NAME)
    rows, rest = odd.seen(world.cluster, NAME), world.schema(NAME)
    yield made
    assert odd.seen(world.cluster, NAME) == rows
    assert world.schema(NAME) == rest
    world.cluster.drop(NAME)
    left = f"SELECT (SELECT count(*) FROM pg_database WHERE datname ~ '{NAME}')"
    assert world.cluster.sql(f"{left}, (SELECT count(*) FROM pg_roles WHERE rolname ~ '{NAME}|loader')") == "0|0"


def counted(world: World, sql: str) -> dict[str, list[int]]:
    return drills.counted(control.run_as_deputy(world.cluster.shell, world.cluster.subject, sql, NAME).split("\n"))


def look_at(world: World, _strange: Resource, _folder: Path) -> None:
    """Every probe of a database, as its owner."""
    probes = [probe for probe in PROBES if probe.kind == RESOURCE and probe.over == SQL]
    subject = replace(world.cluster.subject, kind=RESOURCE)
    database = Database(subject.bind, subject.port, NAME, NAME, SECRET, sslmode="prefer")
    rows = PsycopgSql().fetch(database, sql_question(probes, subject), timeout=20, read_only=False)
    seen = {name: value for answer in sql_answers(probes, rows).values() for name, value in answer[0].items()}
    assert (seen["service_available"], seen["in_recovery"], seen["customers_read_only"]) == (True, False, True)
    assert seen["db_size_bytes"] > 1_000_000


def count(world: World, _strange: Resource, _folder: Path) -> None:
    rows = counted(world, scratch.ROWS)
    held = odd.seen(world.cluster, NAME)
    assert len(rows) == 5
    for name, (_file, _changes, number) in rows.items():
        table = (name if "." in name else f"public.{name}").replace("\n", " ")
        assert int(held[table].split("|")[0]) == number, name
    for sql in (scratch.counting(rows), scratch.changing(rows)):
        assert set(counted(world, sql)) == set(rows)


def put_back(world: World, strange: Resource, _folder: Path) -> None:
    backup = world.taken(strange)
    odd.operator(world.cluster, 'DROP TABLE public.typed CASCADE; DROP SCHEMA "select" CASCADE', NAME)
    intent = world.intent(strange, {"backup": backup.name})
    look = ended(world.cluster.shell, world.start_load(strange, intent))
    assert look.job == jobs.DONE, look.why
    assert world.told(intent) == []


def load_what_is_closed(world: World, strange: Resource, _folder: Path) -> None:
    """Its customer lets nobody in; herdsite does what was asked, and leaves it closed."""
    held = f"SELECT datconnlimit FROM pg_database WHERE datname = '{NAME}'"
    backup, limit = world.taken(strange), world.cluster.sql(held)
    world.cluster.sql(f"SET ROLE {NAME}; ALTER DATABASE {NAME} CONNECTION LIMIT 0; ALTER ROLE {NAME} PASSWORD 'mine'")
    look = world.loaded(strange, {"backup": backup.name})
    assert look.job == jobs.DONE, look.why
    assert world.cluster.sql(held) == "0"
    world.cluster.sql(f"ALTER DATABASE {NAME} CONNECTION LIMIT {limit}")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        world.cluster.connect(NAME, SECRET, NAME)


def load_elsewhere(world: World, strange: Resource, _folder: Path) -> None:
    other = world.resource("other")
    look = world.loaded(other, {"backup": world.taken(strange).name, "across_customers": True})
    assert look.job == jobs.DONE, look.why
    assert odd.seen(world.cluster, "other") == odd.seen(world.cluster, NAME)
    # Settings come in no order, and that it is a template is the database's own.
    template = "ALTER DATABASE NAME IS_TEMPLATE = true;\n"
    assert sorted(world.schema("other").split("\n")) == sorted(world.schema(NAME).replace(template, "").split("\n"))


def import_plain(world: World, _strange: Resource, folder: Path) -> None:
    """What its customer would send: plain SQL, compressed."""
    other, subject = world.resource("other"), world.cluster.subject
    to = Path(subject.home, "plain.sql")
    argv = [f"{subject.bin}/pg_dump", "-h", subject.socket, "-p", str(subject.port), "-U", "postgres", "-f", str(to)]
    # His own time-out of a millisecond would end his pg_dump as well.
    settings = ("PGCLIENTENCODING=UTF8", "PGOPTIONS=-c statement_timeout=0")
    checked(argv, world.cluster.shell.run(["env", *settings, *argv, NAME], timeout=60))
    (folder / "dump").write_bytes(gzip.compress(to.read_bytes()))
    with serving(folder) as address:
        look = world.loaded(other, {"url": f"{address}/dump"})
    assert look.job == jobs.DONE, look.why
    assert odd.seen(world.cluster, "other") == odd.seen(world.cluster, NAME)
    world.cluster.drop("other")


def drill(world: World, _strange: Resource, _folder: Path) -> None:
    drilled(world, counted(world, scratch.ROWS))


def drilled(world: World, recorded: drills.Counted) -> None:
    """A base backup is restored, checked by amcheck, counted and taken away."""
    subject, job = world.cluster.subject, "drill-odd"
    place = replace(subject, data=f"{subject.home}/drills/{job}/data", socket=f"{subject.socket}-drill")
    backup = Script(COPY, (subject.bin, subject.socket, str(subject.port), place.data))
    fetching = Wiring({"restore_command": "false"}, {})
    world.start(job, scratch.drill(place, backup, fetching, 1, NAME, scratch.counting(recorded)))
    look = ended(world.cluster.shell, job)
    assert look.job == jobs.DONE, look.why
    said = drills.said(Path(subject.home, "jobs", job, "log").read_text())
    assert {name: rows[2] for name, rows in said.rows.items()} == {name: rows[2] for name, rows in recorded.items()}
    assert drills.wrong(recorded, said.rows, recorded) == ""


def drill_what_is_closed(world: World, _strange: Resource, _folder: Path) -> None:
    """A copy that nobody can reach is opened, whatever its customer has set."""
    recorded = counted(world, scratch.ROWS)
    limit = world.cluster.sql(f"SELECT datconnlimit FROM pg_database WHERE datname = '{NAME}'")
    world.cluster.sql(f"SET ROLE {NAME}; ALTER DATABASE {NAME} CONNECTION LIMIT 0 ALLOW_CONNECTIONS false")
    drilled(world, recorded)
    world.cluster.sql(f"SET ROLE {NAME}; ALTER DATABASE {NAME} CONNECTION LIMIT {limit} ALLOW_CONNECTIONS true")


# What a customer may set that keeps the deputy out, and in which words that is told.
OUT = {
    "CONNECTION LIMIT 0": "which leaves herdsite no connection. To undo that: "
    f"ALTER DATABASE {NAME} CONNECTION LIMIT 7",
    "ALLOW_CONNECTIONS false": "so that herdsite can't enter it. To undo that: "
    f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS true",
}


def dump_what_is_closed(world: World, strange: Resource, _folder: Path) -> None:
    """Which setting it is, whose, and what undoes it; and that does."""
    for setting, told in OUT.items():
        world.cluster.sql(f"SET ROLE {NAME}; ALTER DATABASE {NAME} {setting}")
        look = ended(world.cluster.shell, f"{world.begin(strange).name}-take")
        assert (look.job, look.why.strip()) == (jobs.FAILED, f"The owner of {NAME} has set {setting}, {told}")
        world.cluster.sql(f"SET ROLE {NAME}; {told.partition('To undo that: ')[2]}")
        world.forget()
    world.taken(strange)


def dump_what_is_full(world: World, strange: Resource, _folder: Path) -> None:
    """Its customer has left itself one connection, and uses it."""
    world.cluster.sql(f"SET ROLE {NAME}; ALTER DATABASE {NAME} CONNECTION LIMIT 1")
    with world.cluster.connect(NAME, SECRET, NAME):
        look = ended(world.cluster.shell, f"{world.begin(strange).name}-take")
    assert look.job == jobs.FAILED and f"The owner of {NAME} has set CONNECTION LIMIT 1" in look.why
    world.cluster.sql(f"SET ROLE {NAME}; ALTER DATABASE {NAME} CONNECTION LIMIT 7")


def dump_what_lets_nobody_in(world: World, strange: Resource, _folder: Path) -> None:
    """The deputy is a role of herdsite's: whatever its owner may not any more, it does."""
    world.cluster.sql(f"REVOKE CONNECT ON DATABASE {NAME} FROM {NAME}; ALTER ROLE {NAME} NOLOGIN CONNECTION LIMIT 0")
    world.taken(strange)
    world.cluster.sql(f"GRANT CONNECT ON DATABASE {NAME} TO {NAME}; ALTER ROLE {NAME} LOGIN CONNECTION LIMIT 4")


def resize(world: World, _strange: Resource, _folder: Path) -> None:
    """The limit of the database is its customer's, if it is lower than the plan's; the role's is herdsite's."""
    held = (
        f"SELECT datconnlimit, (SELECT rolconnlimit FROM pg_roles WHERE rolname = '{NAME}') FROM pg_database "
        f"WHERE datname = '{NAME}'"
    )
    for limit, kept in ((0, 0), (2, 2), (-1, 12), (50, 12)):
        world.cluster.sql(f"SET ROLE {NAME}; ALTER DATABASE {NAME} CONNECTION LIMIT {limit}")
        for _again in range(2):
            control.set_limits(world.cluster.shell, world.cluster.subject, NAME, NAME, replace(LIMITS, connections=9))
            assert world.cluster.sql(held) == f"{kept}|9"
        world.cluster.sql(f"ALTER ROLE {NAME} CONNECTION LIMIT {LIMITS.connections}")
    control.set_limits(world.cluster.shell, world.cluster.subject, NAME, NAME, LIMITS)
    assert world.cluster.sql(held) == "7|4"


def rotate(world: World, _strange: Resource, _folder: Path) -> None:
    world.cluster.sql(f"SET ROLE {NAME}; ALTER ROLE {NAME} PASSWORD 'mine'")
    control.set_password(world.cluster.shell, world.cluster.subject, NAME, "another")
    world.cluster.connect(NAME, "another", NAME).close()


def follow_an_upgrade(world: World, _strange: Resource, _folder: Path) -> None:
    assert world.cluster.do(control.after_upgrade, "after-odd") == jobs.Look(jobs.DONE)


def restart(world: World, _strange: Resource, _folder: Path) -> None:
    assert world.cluster.do(control.restart, "restart-odd") == jobs.Look(jobs.DONE)


def give_up_a_load(world: World, strange: Resource, _folder: Path) -> None:
    """One that was cut off left a template behind."""
    intent = world.intent(strange, {"backup": "any"})
    fresh = f"{NAME}_new_{loading.mark(intent)}"
    world.cluster.sql(f"CREATE DATABASE {fresh} OWNER {NAME} TEMPLATE template0")
    world.cluster.sql(f"ALTER DATABASE {fresh} IS_TEMPLATE true")
    world.start("tidy-odd", loading.tidy(strange, intent, world.cluster.subject))
    assert ended(world.cluster.shell, "tidy-odd").job == jobs.DONE
    assert world.databases() == []


def test_a_neighbour_that_granted_it_something_does_not_keep_it(world: World) -> None:
    cluster = world.cluster
    for name in (NAME, "other"):
        world.resource(name)
    world.fill("other", "CREATE TABLE t (n int); ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    world.fill("other", f"GRANT SELECT ON t TO {NAME}; CREATE POLICY p ON t TO {NAME} USING (true)")
    cluster.drop(NAME)
    assert cluster.sql(f"SELECT count(*) FROM pg_database WHERE datname = '{NAME}'") == "0"
    assert cluster.sql("SELECT rolcanlogin FROM pg_roles WHERE rolname ~ '^herdsite_gone_'") == "f"
    cluster.drop(NAME)
    cluster.create(NAME, SECRET)
    cluster.connect(NAME, SECRET, NAME).close()
    cluster.drop("other")
    cluster.drop(NAME)
    assert cluster.sql("SELECT count(*) FROM pg_roles WHERE rolname ~ 'gone|strange|other'") == "0"


OPERATIONS = (
    *(look_at, count, put_back, load_what_is_closed, load_elsewhere, import_plain, drill, rotate, follow_an_upgrade),
    *(restart, give_up_a_load, drill_what_is_closed, dump_what_is_closed, dump_what_is_full, dump_what_lets_nobody_in),
    resize,
)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_it_comes_through(
    world: World, strange: Resource, tmp_path: Path, operation: Callable[[World, Resource, Path], None]
) -> None:
    operation(world, strange, tmp_path)
