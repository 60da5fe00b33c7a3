"""Logical backups on real PostgreSQL: what was dumped comes back, what was cut off is never there, and what could not
be loaded leaves the database as it was."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from logical_world import HOLD, World, built, leader, on_disk, waits

from fleet import jobs, logical
from fleet.logical import loading, storage
from tests.clusters import Cluster
from tests.localhosts import until
from tests.localshell import ended

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with built() as cluster:
        yield cluster


@pytest.fixture
def world(cluster: Cluster, settings, tmp_path: Path) -> World:
    return on_disk(cluster, settings, tmp_path.name)


def test_what_was_dumped_comes_back(world: World) -> None:
    shop, other = world.resource("shop", facts={"db_size_bytes": "9000000"}), world.resource("other")
    world.fill("shop")
    backup = world.taken(shop)
    assert world.stored() == [backup.label]
    look = world.loaded(other, {"backup": backup.name, "across_customers": True})
    assert look.job == jobs.DONE, look.why
    (log,) = Path(world.cluster.subject.home, "jobs").glob("load-*/log")
    said = [line.split() for line in log.read_text().splitlines() if line.startswith("far=")]
    assert [(what, of) for what, _since, of, *_path in said] == [
        ("far=verifying", "0"),
        ("far=rehearsing", "0"),
        ("far=loading", "9000000"),
    ]
    assert world.sees("other") == world.sees("shop")
    with world.cluster.connect("other", "other-secret", "other") as session:
        owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname IN ('goods', 'named', 'numbers')"
        assert session.execute(owners).fetchall() == [("other",)]


def test_it_comes_back_as_it_was_over_what_came_later(world: World) -> None:
    shop = world.resource("shop")
    world.fill("shop")
    before, backup = world.sees("shop"), world.taken(shop)
    world.fill("shop", "DROP VIEW named; ALTER TABLE goods DROP COLUMN told; CREATE TABLE later (n bigint)")
    world.fill("shop", "ALTER TABLE later ADD FOREIGN KEY (n) REFERENCES goods; TRUNCATE sold")
    world.fill("shop", "ALTER DATABASE shop SET search_path = public, pg_catalog")
    world.fill("shop", "ALTER ROLE shop IN DATABASE shop SET work_mem = '7MB'")
    look = world.loaded(shop, {"backup": backup.name})
    assert look.job == jobs.DONE, look.why
    assert world.sees("shop") == before
    assert world.sees("shop", "SELECT to_regclass('later')") == [[(None,)]]
    assert world.sees("shop", "SHOW search_path;\nSHOW work_mem") == [[("public, pg_catalog",)], [("7MB",)]]
    assert world.databases() == []


def test_clients_that_are_connected_do_not_stand_in_the_way(world: World) -> None:
    shop = world.resource("shop")
    world.fill("shop")
    backup = world.taken(shop)
    session = world.cluster.connect("shop", "shop-secret", "shop")
    session.execute("BEGIN; SELECT count(*) FROM goods")
    assert world.loaded(shop, {"backup": backup.name}).job == jobs.DONE
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    assert world.sees("shop", "SELECT count(*) FROM goods") == [[(500,)]]


def test_a_dump_that_is_killed_is_never_there_and_the_next_is(world: World) -> None:
    shop = world.resource("shop")
    world.fill("shop")
    with world.cluster.connect("shop", "shop-secret", "shop") as session:
        session.execute(HOLD)
        backup = world.begin(shop)
        job = f"{backup.name}-take"
        until(lambda: waits(world), "pg_dump waits")
        os.killpg(leader(world, job), signal.SIGKILL)
        look = ended(world.cluster.shell, job)
    assert look.job == jobs.LOST
    assert logical.kept(backup, world.cluster.shell) is None
    assert [name for name in world.stored() if not name.startswith(".")] == []
    world.clean(job)
    world.start(job, logical.script(backup, world.cluster.subject))
    assert ended(world.cluster.shell, job).job == jobs.DONE
    assert logical.kept(backup, world.cluster.shell) is not None


def test_a_dump_that_ends_in_the_middle_is_found_out(world: World) -> None:
    """A pg_dump that says it went well although its file lacks its end."""
    shop = world.resource("shop")
    world.fill("shop")
    backup = logical.begin(shop, shop.created_at)
    script = logical.script(backup, world.cluster.subject)
    root, label, real, *rest = script.args
    programs = Path(world.cluster.subject.home, f"cut-{backup.pk.hex}")
    liar = (
        f'#!/bin/sh\n"{real}/pg_dump" "$@" || exit\nfor last; do [ "$before" = -f ] && file=$last; before=$last; done\n'
    )
    liar += 'truncate -s -200 "$file"\n'
    honest = {name: f'#!/bin/sh\nexec "{real}/{name}" "$@"\n' for name in ("pg_restore", "psql")}
    put(world, programs, {"pg_dump": liar, **honest})
    argv = ["sh", "-c", script.text, "herdsite", root, label, str(programs), *rest]
    result = world.cluster.shell.run(argv, timeout=60)
    assert result.code != 0
    assert "end of file" in result.err
    assert world.stored() == []


def put(world: World, folder: Path, programs: dict[str, str]) -> None:
    script = 'mkdir -p "$1"; cat > "$1/$2"; chmod +x "$1/$2"'
    for name, text in programs.items():
        done = world.cluster.shell.run(["sh", "-c", script, "herdsite", str(folder), name], text.encode())
        assert done.code == 0, done.err


def test_a_full_disk_ends_a_dump_and_leaves_nothing(world: World) -> None:
    shop = world.resource("shop")
    world.fill("shop")
    backup = logical.begin(shop, shop.created_at)
    world.start("full", logical.script(backup, world.cluster.subject), "trap '' XFSZ; ulimit -f 4")
    look = ended(world.cluster.shell, "full")
    assert look.job == jobs.FAILED
    assert "File too large" in look.why
    assert world.stored() == []


def test_a_backup_that_was_tampered_with_leaves_the_database_as_it_was(world: World) -> None:
    shop = world.resource("shop")
    world.fill("shop")
    backup, before = world.taken(shop), world.sees("shop")[:2]
    path = Path(storage.place().source(backup.label)[0])
    path.write_bytes(path.read_bytes()[:-500])
    look = world.loaded(shop, {"backup": backup.name})
    assert look.job == jobs.FAILED
    assert "end of file" in look.why
    assert world.sees("shop")[:2] == before


def test_what_fails_in_the_middle_leaves_the_database_as_it_was(world: World) -> None:
    """A row that its table does not take any more is found when it comes, after others are there."""
    shop = world.resource("shop")
    world.fill("shop")
    low = "CREATE OR REPLACE FUNCTION low(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
    world.fill("shop", f"{low} RETURN n; END $$")
    world.fill("shop", "CREATE TABLE strict (n int CHECK (public.low(n) > 0)); INSERT INTO strict VALUES (1), (7)")
    world.fill("shop", f"{low} RETURN 7 - n; END $$")
    backup, before = world.taken(shop), world.sees("shop")[:2]
    look = world.loaded(shop, {"backup": backup.name})
    assert look.job == jobs.FAILED
    assert 'new row for relation "strict" violates check constraint' in look.why
    assert world.sees("shop")[:2] == before
    assert world.databases() == []
    assert world.cluster.sql("SELECT count(*) FROM pg_roles WHERE rolname ~ 'loader'") == "0"


def test_a_restore_that_is_killed_leaves_the_old_content_and_can_be_begun_again(world: World) -> None:
    shop = world.resource("shop")
    world.fill("shop")
    backup, before = world.taken(shop), world.sees("shop")[:2]
    with world.cluster.monitor() as session:
        intent = world.intent(shop, {"backup": backup.name})
        session.execute("SELECT pg_advisory_lock(hashtext('herdsite_deputy'))")
        job = world.start_load(shop, intent)
        until(lambda: waits(world), "the restore waits")
        os.killpg(leader(world, job), signal.SIGKILL)
        assert ended(world.cluster.shell, job).job == jobs.LOST
        assert world.sees("shop")[:2] == before
        world.clean(job)
    assert ended(world.cluster.shell, world.start_load(shop, intent)).job == jobs.DONE
    assert world.sees("shop")[:2] == before
    assert world.databases() == []


def test_what_a_restore_left_behind_is_tidied_up(world: World) -> None:
    shop = world.resource("shop")
    intent = world.intent(shop, {"backup": "any"})
    world.cluster.sql(f"CREATE DATABASE shop_new_{loading.mark(intent)}")
    world.start("tidy", loading.tidy(shop, intent, world.cluster.subject))
    assert ended(world.cluster.shell, "tidy").job == jobs.DONE
    assert world.databases() == []
