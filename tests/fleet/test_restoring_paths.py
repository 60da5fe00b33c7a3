"""A checkout may lie in a folder with any name: archiving, copies, restores and drills where every path holds a space,
a quote and what PostgreSQL would take for a placeholder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.archives import living
from fleet.archives.directory import Directory
from fleet.jobs import DONE, Look
from fleet.postgres import commands, replication
from fleet.postgres.config import REPLICA, hba, lines, settings
from fleet.providers.local import spawn
from tests.archived import FULL, SIZING, Leader, Rig, drilled, job, job_ended, restored, restoring, wait
from tests.localshell import LocalShell

# PostgreSQL's own programs write paths between double quotes for a shell, so there can't be one, nor a dollar.
ODD, ODDER = "herd site's 100%p ", "the archive's 7%f%% & more;"


@pytest.fixture(scope="module")
def leader() -> Iterator[Leader]:
    shell = LocalShell(ODD)
    root = spawn.give(shell.home / ODDER)
    leader = Rig(Directory(f"{root}/"), 17, shell, lambda line, name: root / line.name / f"wal/{name}.gz").leader("odd")
    leader.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
    leader.backup("first")
    leader.sql("INSERT INTO t VALUES (1001)")
    leader.archived()
    yield leader
    shell.close()


def test_its_wal_and_base_backups_lie_there_and_come_back(leader: Leader) -> None:
    facts, kept = leader.rig.look(leader.line)
    assert (facts["archive_missing"], [one.label for one in kept]) == ("", ["first"])
    leader.rig.do(leader.rig.archive.verify(leader.line, leader.subject, "first"))
    copy = restored(leader, "copy")
    assert copy.sql("SELECT count(*) FROM t") == "1001"
    copy.stop()


def test_a_drill_works(leader: Leader) -> None:
    assert drilled(leader, "drill", "first", "SELECT count(*) FROM public.t;\n") == Look(DONE)
    assert "rows=1001" in (leader.rig.shell.home / "jobs/drill/log").read_text()


@pytest.fixture(scope="module")
def standby(leader: Leader) -> Leader:
    rig, subject = leader.rig, leader.rig.subject("standby")
    leader.sql(f"CREATE ROLE {REPLICA} LOGIN REPLICATION PASSWORD 'sesame'")
    leader.sql("SELECT pg_create_physical_replication_slot('standby', true)")
    streaming = replication.standby(reached(leader, "standby", subject.data), "standby")
    fetching = rig.archive.fetching([leader.line], subject)
    conf = settings(SIZING, 17, subject.bind, subject.port, subject.socket, tls=False)
    beside = replication.files(streaming | dict(fetching.settings), "sesame", fetching.files)
    beside |= {"postgresql.conf": f"{lines(conf)}include_if_exists = 'herdsite.conf'\n", "pg_hba.conf": hba(tls=False)}
    stage = reached(leader, "standby", f"{subject.data}.files")
    job(rig, "stands-by", commands.stand_by(subject, beside, stage, "standby", commands.COPY))
    assert job_ended(rig, "stands-by") == Look(DONE)
    return Leader(rig, subject, leader.line)


def reached(upstream: Leader, name: str, folder: str) -> str:
    """How that one is streamed from; these speak no TLS."""
    text = replication.conninfo("127.0.0.1", upstream.subject.port, name, folder, proves=False)
    return text.replace("sslmode=require channel_binding=require", "sslmode=disable")


def test_a_standby_copies_streams_and_finds_its_password(leader: Leader, standby: Leader) -> None:
    wait(lambda: leader.sql("SELECT state FROM pg_stat_replication") == "streaming")
    leader.sql("INSERT INTO t VALUES (1002)")
    wait(lambda: standby.sql("SELECT max(n) FROM t") == "1002")
    # What the leader has no more comes from the archive.
    fetching = leader.rig.archive.fetching([leader.line], standby.subject)
    got = standby.fetch(fetching, leader.rig.look(leader.line)[1][0].first_wal, "fetched")
    assert (got.code, Path(standby.subject.data, "fetched").stat().st_size) == (0, 16 << 20)


def test_a_fork_of_a_follower_needs_no_base_backup_and_harms_nobody(leader: Leader, standby: Leader) -> None:
    rig, subject = leader.rig, leader.rig.subject("fork")
    leader.sql("INSERT INTO t VALUES (1003)")
    wait(lambda: standby.sql("SELECT max(n) FROM t") == "1003")
    last = leader.archived()
    copy = living.copy(
        reached(standby, "fork", f"{subject.data}.files"), "odd", subject, 40 << 20, f"{subject.data}.new"
    )
    secret = {replication.PASSFILE: f"*:*:*:{REPLICA}:sesame\n"}
    job(rig, "forks", restoring(leader, subject, "there is none", last=last, backup=copy, more=secret))
    assert job_ended(rig, "forks") == Look(DONE)
    fork = Leader(rig, subject, leader.line)
    count = leader.sql("SELECT count(*) FROM t")
    assert fork.sql("SELECT count(*), max(n), pg_is_in_recovery() FROM t") == f"{count}|1003|f"
    assert fork.sql("SELECT timeline_id FROM pg_control_checkpoint()") == "2"
    # What stood beside the follower's data is not the fork's: it neither streams nor archives.
    assert fork.sql("SELECT current_setting('primary_conninfo') || current_setting('archive_command')") == "(disabled)"
    leader.sql("INSERT INTO t VALUES (1004)")
    wait(lambda: standby.sql("SELECT max(n) FROM t") == "1004")
    leader.archived()
    assert leader.rig.look(leader.line)[0]["archive_missing"] == ""
    fork.stop()


def test_a_copy_of_a_follower_that_has_no_room_is_refused_before_it_begins(leader: Leader, standby: Leader) -> None:
    rig, subject = leader.rig, leader.rig.subject("fork")
    copy = living.copy(reached(standby, "fork", ""), "odd", subject, 40 << 20, f"{subject.data}.new")
    assert "no room for living" in rig.refused(copy, rig.program("df", FULL))
    assert not Path(f"{subject.data}.new").exists() and not Path(f"{subject.data}.new.new").exists()
