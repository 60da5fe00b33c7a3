"""No right of ours runs a customer's code: whatever herdsite does to a database whose content tries to get further,
none of it ever runs as a superuser, and what herdsite looks for is found as it is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from logical_world import World, on_disk

from fleet import drills, jobs, logical
from fleet.postgres import commands, control, replication, roles, scratch
from fleet.postgres.roles import Limits
from fleet.subject import RESOURCE, Subject
from fleet.transports.base import Database
from fleet.transports.sql import PsycopgSql
from observations.probes.base import SQL, sql_answers, sql_question
from observations.probes.table import PROBES
from tests.authority import shown
from tests.clusters import LIMITS, MAJORS, SIZING, WITHOUT_TLS, Cluster, build, instance
from tests.hostile import Hostile, harmless, spoil
from tests.localshell import ended
from tests.sessions import NotingShell, check

EVE = "eve-secret"


@pytest.fixture(scope="module", params=MAJORS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    shell = NotingShell()
    subject = instance(shell, request.param)
    assert build(shell, subject) == jobs.Look(jobs.DONE)
    yield Cluster(shell, subject)
    shell.close()


@pytest.fixture(autouse=True)
def sessions(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[None]:
    """It comes to the sessions that it is said to come to (tests/golden/sessions.txt)."""
    assert isinstance(cluster.shell, NotingShell)
    cluster.shell.forget()
    yield
    check(cluster.shell, request)


@pytest.fixture
def hostile(cluster: Cluster) -> Iterator[Hostile]:
    """What a test does to it has done no harm."""
    cluster.create("eve", EVE, Limits(connections=4, temp_mb=64))
    hostile = spoil(cluster, "eve", EVE)
    yield hostile
    harmless(hostile)
    cluster.drop("eve")
    assert cluster.sql("SELECT count(*) FROM pg_roles WHERE rolname ~ 'deputy|eve'") == "0"
    assert not hostile.mark.exists()


def test_its_content_bites_whoever_runs_it_as_a_superuser(cluster: Cluster) -> None:
    """What the other tests show is nothing if this fails."""
    cluster.create("mallory", EVE)
    hostile = spoil(cluster, "mallory", EVE, events=False)
    cluster.sql("SELECT pg_relation_filenode(1259::pg_catalog.oid)", "mallory")
    with pytest.raises(AssertionError, match="ran as a superuser"):
        harmless(hostile)
    cluster.drop("mallory")


def test_it_is_looked_at_and_seen_as_it_is(hostile: Hostile) -> None:
    cluster = hostile.cluster
    probes = [probe for probe in PROBES if probe.kind == RESOURCE and probe.over == SQL]
    subject = replace(cluster.subject, kind=RESOURCE)
    database = Database(subject.bind, subject.port, "eve", "eve", EVE, sslmode="prefer")
    rows = PsycopgSql().fetch(database, sql_question(probes, subject), timeout=20, read_only=False)
    seen = {name: value for answer in sql_answers(probes, rows).values() for name, value in answer[0].items()}
    assert seen["db_size_bytes"] == int(cluster.sql("SELECT pg_database_size('eve')"))
    assert (seen["service_available"], seen["in_recovery"]) == (True, False)
    # Its customer has made it read only by default, which is no fault of the server's.
    assert (seen["read_only"], seen["customers_read_only"]) == (False, True)
    assert (seen["connections"], seen["connection_limit"], seen["active"]) == (1, 4, 0)
    assert seen["tables"] == 6


def test_its_rows_are_counted(hostile: Hostile) -> None:
    cluster = hostile.cluster
    rows = drills.counted(control.run_as_deputy(cluster.shell, cluster.subject, scratch.ROWS, "eve", 30).splitlines())
    assert rows["bait"][2] == rows["hidden"][2] == 50 and len(rows) == 5
    for sql in (scratch.counting(rows), scratch.changing(rows)):
        again = drills.counted(control.run_as_deputy(cluster.shell, cluster.subject, sql, "eve", 30).splitlines())
        assert {name: numbers[:2] for name, numbers in again.items()} == {name: rows[name][:2] for name in rows}


def test_it_is_given_a_password_and_limits(hostile: Hostile) -> None:
    cluster = hostile.cluster
    control.set_password(cluster.shell, cluster.subject, "eve", "another-secret")
    control.set_limits(cluster.shell, cluster.subject, "eve", "eve", LIMITS)
    with cluster.connect("eve", "another-secret", "eve") as session:
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_what_an_upgrade_leaves_to_do_is_done(hostile: Hostile) -> None:
    cluster = hostile.cluster
    assert cluster.do(control.after_upgrade, f"after-{hostile.mark.name}") == jobs.Look(jobs.DONE)
    seen = control.run_as_deputy(
        cluster.shell,
        cluster.subject,
        "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stats WHERE tablename = 'bait_expression';\n",
        "eve",
    )
    assert seen.strip() == "1"


@pytest.fixture
def world(cluster: Cluster, settings, tmp_path: Path, db) -> World:
    return on_disk(cluster, settings, tmp_path.name)


def test_it_is_dumped_whole_and_loaded(world: World) -> None:
    cluster = world.cluster
    eve = world.resource("eve")
    hostile = spoil(cluster, "eve", EVE, events=False)
    backup = world.taken(eve)
    with hostile.session() as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute("DROP TABLE public.bait CASCADE")
    look = world.loaded(eve, {"backup": backup.name})
    assert look.job == jobs.DONE, look.why
    with hostile.session() as session:
        assert session.execute("SELECT pg_catalog.count(*) FROM public.bait").fetchone() == (50,)
        assert session.execute("SHOW search_path").fetchone() == ("evil, public, pg_catalog",)
        session.execute("SET default_transaction_read_only = off")
        session.execute("ALTER TABLE public.hidden NO FORCE ROW LEVEL SECURITY")
        assert session.execute("SELECT pg_catalog.count(*) FROM public.hidden").fetchone() == (50,)
    harmless(hostile)
    cluster.drop("eve")


def test_triggers_that_an_operator_made_for_it_stop_no_dump(world: World) -> None:
    cluster = world.cluster
    eve = world.resource("eve")
    hostile = spoil(cluster, "eve", EVE)
    backup = world.taken(eve)
    assert logical.kept(backup, cluster.shell)
    intent = world.intent(eve, {"backup": backup.name})
    look = ended(cluster.shell, world.start_load(eve, intent))
    assert look.job == jobs.DONE, look.why
    assert "event trigger: evil_start" in " ".join(world.told(intent))
    harmless(hostile)
    cluster.drop("eve")


def test_stray_writes_are_read_out_of_a_leader_that_was(cluster: Cluster) -> None:
    """A standby of it leads meanwhile, and what trudy wrote afterwards nobody else has. They stream over the socket,
    since not every version here has TLS."""
    shell, major = cluster.shell, cluster.subject.major
    one, two = (instance(shell, major, data=f"{shell.home}/instances/{name}/data") for name in ("one", "two"))
    former, leads = Cluster(shell, one), Cluster(shell, two)
    assert build(shell, one, "build-one") == jobs.Look(jobs.DONE)
    assert stand_by(former, two, commands.BUILD) == jobs.Look(jobs.DONE)
    control.promote(shell, two, 2)
    former.create("trudy", EVE)
    hostile = spoil(former, "trudy", EVE)
    control.fence(shell, one, 2)
    stray = f"{shell.home}/strays"
    look = stand_by(leads, one, commands.REJOIN, stray)
    assert look == jobs.Look(jobs.DONE), look.why
    (dump,) = Path(stray).glob("trudy.dump")
    listed = shell.run([f"{one.bin}/pg_restore", "-f", "-", "--data-only", "--table=hidden", str(dump)])
    assert listed.out.count("\n") > 50
    harmless(hostile)


def stand_by(leader: Cluster, subject: Subject, mode: str, stray: str = "") -> jobs.Look:
    shell, slot, tls = leader.shell, f"slot_{subject.id.hex[:8]}", subject.major not in WITHOUT_TLS
    if mode != commands.BUILD:
        leader.sql(roles.slot(slot))
    info = f"host={leader.subject.socket} port={leader.subject.port} user=postgres"
    files = replication.files(replication.standby(info, slot)) | (shown(subject) if tls else {})
    control.stand_by(shell, subject, f"{mode}-{subject.port}", SIZING, files, info, slot, mode, stray, tls)
    return ended(shell, f"{mode}-{subject.port}")
