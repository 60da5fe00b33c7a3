"""No session of ours runs a customer's code with a superuser's power: each of them has been looked at by a test with a
database that tries to get further. tests/golden/sessions.txt says which session is come to by which test, this or one
of its neighbours, and they hold that they do."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from logical_world import World, on_disk
from test_hostile import EVE, hostile, sessions, stand_by  # noqa: F401

from fleet import jobs
from fleet.archives import living
from fleet.archives.base import Line
from fleet.archives.directory import Directory
from fleet.logical import scripts, trials
from fleet.models import Backup
from fleet.postgres import commands, control, roles, scratch
from fleet.postgres.commands import Script
from fleet.postgres.scram import scram
from fleet.providers.local import spawn
from fleet.states import KEPT
from fleet.transports.base import CommandFailed
from tests.archived import Leader, Rig, drilled, wait
from tests.clusters import Cluster, instance, serving
from tests.hostile import Hostile, harmless, spoil
from tests.localshell import ended
from tests.sessions import NotingShell


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with serving(17, shell=NotingShell()) as made:
        yield made


@pytest.fixture
def leader(cluster: Cluster, tmp_path: Path) -> Leader:
    """The cluster with an archive."""
    root = spawn.give(cluster.shell.home / f"archive-{tmp_path.name}")
    rig = Rig(Directory(str(root)), 17, cluster.shell, lambda line, name: root / line.name / "wal" / f"{name}.gz")
    made = Leader(rig, cluster.subject, Line("eve-line", 1, str(cluster.subject.id)))
    rig.do(rig.archive.prepare(made.line, made.subject))
    return made


@pytest.fixture
def world(cluster: Cluster, settings, tmp_path: Path, db) -> World:
    return on_disk(cluster, settings, tmp_path.name)


def log(cluster: Cluster, job: str) -> str:
    return Path(cluster.subject.home, "jobs", job, "log").read_text()


def test_its_base_backup_is_drilled(hostile: Hostile, leader: Leader) -> None:  # noqa: F811
    leader.backup("first")
    look = drilled(leader, "drill", "first", scratch.ROWS, "eve")
    assert look == jobs.Look(jobs.DONE), log(hostile.cluster, "drill")
    assert '"bait"' in log(hostile.cluster, "drill")


def test_what_is_needed_at_once_is_copied_from_a_follower(hostile: Hostile, leader: Leader) -> None:  # noqa: F811
    subject = leader.subject
    into = f"{subject.home}/living"
    leader.rig.do(living.copy(f"host={subject.socket} port={subject.port} user=postgres", "x", subject, 1000, into))
    assert Path(into, "backup_label").exists()


def test_holes_of_its_archive_are_filled(hostile: Hostile, leader: Leader) -> None:  # noqa: F811
    other = replace(leader.subject, id=uuid4())
    wiring = leader.rig.archive.filling(leader.line, other)
    push = wiring.settings["archive_command"]
    assert control.fill_archive(leader.rig.shell, other, push, wiring.files, ["0" * 23 + "1"], 60) in (
        [],
        ["0" * 23 + "1"],
    )


def test_a_standby_of_it_is_copied_and_promoted(hostile: Hostile) -> None:  # noqa: F811
    """And promoted once more, which has it asked what it writes."""
    cluster, shell = hostile.cluster, hostile.cluster.shell
    assert isinstance(shell, NotingShell)
    two = instance(shell, 17, data=f"{shell.home}/instances/two/data")
    assert stand_by(cluster, two, commands.COPY) == jobs.Look(jobs.DONE)
    control.promote(shell, two, 2)
    Path(two.data, "herdsite.promoting").write_text("99\n")
    control.promote(shell, two, 2)
    wait(lambda: any(place.line.endswith("-c CHECKPOINT") for place in shell.came_to()))
    leads = Cluster(shell, two)
    assert leads.sql("SELECT pg_is_in_recovery()") == "f"
    harmless(replace(hostile, cluster=leads))
    control.fence(shell, two, 2)


def test_which_setting_of_its_owner_keeps_us_out_is_read_outside(hostile: Hostile) -> None:  # noqa: F811
    cluster = hostile.cluster
    cluster.sql("ALTER DATABASE eve ALLOW_CONNECTIONS false")
    with pytest.raises(CommandFailed, match="ALLOW_CONNECTIONS false"):
        control.run_as_deputy(cluster.shell, cluster.subject, "SELECT 1;\n", "eve")
    cluster.sql("ALTER DATABASE eve ALLOW_CONNECTIONS true")


def test_orders_of_ours_go_to_no_database_of_a_customer(hostile: Hostile) -> None:  # noqa: F811
    """What is run where no customer can put anything, though all of it is about a customer's database."""
    cluster = hostile.cluster
    run = partial(control.run_sql, cluster.shell, cluster.subject)
    run(roles.slot("slot_of_eve"))
    run(roles.drop_slots([]))
    run(roles.set_password("eve", scram("another")))
    assert "0000" in run("SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_switch_wal() - 1);\n")
    run("SET statement_timeout = '20s';\nCHECKPOINT;\n")
    assert run("SELECT pg_catalog.current_database();").strip() == "postgres"


def test_its_dump_is_loaded_on_trial(world: World) -> None:
    """With what a superuser makes for the new database before anything is in it: extensions, and parameters."""
    cluster = world.cluster
    eve = world.resource("eve")
    cluster.sql("CREATE EXTENSION bloom SCHEMA public", "eve")
    cluster.sql("ALTER DATABASE eve SET log_min_duration_statement = '7s'", "postgres")
    evil = spoil(cluster, "eve", EVE, events=False)
    rows = control.run_as_deputy(cluster.shell, cluster.subject, scratch.ROWS, "eve", 30)
    backup = world.taken(eve)
    found = {name: numbers for name, *numbers in map(json.loads, rows.splitlines())}
    Backup.objects.filter(pk=backup.pk).update(attrs=backup.attrs | {"rows": json.dumps(found)}, state=KEPT)
    place = instance(cluster.shell, 17, data=f"{cluster.shell.home}/drills/trial/data")
    world.start("trial", trials.script(Backup.objects.get(pk=backup.pk), place))
    look = ended(cluster.shell, "trial")
    assert look.job == jobs.DONE, log(cluster, "trial")
    assert '"bait"' in log(cluster, "trial")
    look = world.loaded(eve, {"backup": backup.name})
    assert look.job == jobs.DONE, look.why
    harmless(evil)
    assert cluster.sql("SELECT setconfig::text FROM pg_db_role_setting WHERE setconfig::text ~ '7s'") != ""
    with evil.session() as session:
        made = "SELECT 1 FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'bloom'"
        assert session.execute(made).fetchone() == (1,)
    cluster.drop("eve")


def test_its_dump_is_sent_away(hostile: Hostile) -> None:  # noqa: F811
    """Where a bucket would be is a file: curl puts it there alike."""
    cluster, subject = hostile.cluster, hostile.cluster.subject
    there = cluster.shell.home / "bucket"
    args = (subject.home, "away", subject.bin, subject.data, *commands.enter(subject), "eve", str(64 << 20))
    script = Script(scripts.TO_S3, args, f"file://{there}\n".encode())
    jobs.start(cluster.shell, subject.home, "away", script.text, script.args, script.stdin)
    look = ended(cluster.shell, "away")
    assert look.job == jobs.DONE, look.why
    assert there.stat().st_size > 1000 and "parts=1" in log(cluster, "away")
