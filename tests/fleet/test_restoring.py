"""Going back in time on real PostgreSQL: to random instants, through kill -9, and across what an archive has lost."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet import jobs
from fleet.archives import holes
from fleet.archives.directory import Directory
from fleet.jobs import DONE, FAILED, Look
from fleet.postgres import scratch
from fleet.postgres.commands import Script
from fleet.providers.local import spawn
from fleet.subject import Subject
from tests.archived import FULL, Leader, Rig, drilled, job, job_ended, restored, restoring, wait
from tests.localshell import LocalShell

pytestmark = pytest.mark.timeout(900)
INSTANTS = 20


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    shell = LocalShell()
    root = spawn.give(shell.home / "archive")
    yield Rig(Directory(str(root)), 17, shell, lambda line, name: root / line.name / "wal" / f"{name}.gz")
    shell.close()


@pytest.fixture(scope="module")
def leader(rig: Rig) -> Leader:
    """One with a base backup, and then numbered rows, each with the moment after which it was committed."""
    leader = rig.leader("source")
    leader.sql("CREATE TABLE t (n int PRIMARY KEY, at timestamptz)")
    leader.backup("first")
    for n in range(60):
        leader.sql(f"INSERT INTO t VALUES ({n}, clock_timestamp())")
        if n % 20 == 19:
            leader.archived()
    leader.archived()
    return leader


def test_twenty_random_instants_give_exactly_the_rows_committed_before_each(leader: Leader) -> None:
    rows = [line.split("|") for line in leader.sql("SELECT n, extract(epoch FROM at) FROM t ORDER BY n").splitlines()]
    commits = {int(n): float(at) for n, at in rows}
    kept = leader.rig.look(leader.line)[1][0]
    draw = random.Random(4)
    for turn in range(INSTANTS):
        between = draw.randrange(1, len(commits))
        # Between a row's own clock and the next one's: its commit is on one side, the next row's on the other.
        at = (commits[between - 1] * 0.02) + commits[between] * 0.98
        at = max(at, kept.ended_at)
        instance = restored(leader, f"instant-{turn}", moment=datetime.fromtimestamp(at, UTC))
        got = [int(n) for n in instance.sql("SELECT n FROM t ORDER BY n").splitlines()]
        assert got == [n for n, since in commits.items() if since < at], turn
        assert instance.sql("SELECT pg_is_in_recovery(), current_setting('archive_mode')") == "f|off"
        if turn == 0:
            instance.sql("CREATE EXTENSION amcheck")
            instance.rig.do(checked(instance.subject))
        instance.stop()


def test_what_is_on_its_way_to_the_archive_is_waited_for(rig: Rig) -> None:
    leader, subject = rig.leader("late"), rig.subject("early")
    leader.sql("CREATE TABLE t (n int)")
    leader.backup("first")
    leader.sql("ALTER SYSTEM SET archive_command = 'false'")
    leader.sql("SELECT pg_reload_conf()")
    leader.sql("INSERT INTO t VALUES (60)")
    last = leader.sql("SELECT pg_walfile_name(pg_switch_wal() - 1)")
    job(rig, "early-build", restoring(leader, subject, "first", last=last))
    # It has asked the archive once, in vain.
    wait(lambda: Path(subject.data, "await.log").exists())
    assert jobs.look(rig.shell, str(rig.shell.home), "early-build").job == jobs.RUNNING
    assert not Path(subject.data, "postmaster.pid").exists()
    leader.sql("ALTER SYSTEM RESET archive_command")
    leader.sql("SELECT pg_reload_conf()")
    assert job_ended(rig, "early-build") == Look(DONE)
    instance = Leader(rig, subject, leader.line)
    assert instance.sql("SELECT n FROM t") == "60"
    assert not Path(subject.data, "awaited").exists()
    instance.stop()


def checked(subject: Subject) -> Script:
    where = ("-h", subject.socket, "-p", str(subject.port), "-U", "postgres")
    return Script('"$@"', (f"{subject.bin}/pg_amcheck", *where, "--all"))


def test_a_backup_killed_in_the_middle_is_never_offered_and_the_next_attempt_is_whole(leader: Leader) -> None:
    rig, line = leader.rig, leader.line
    script = rig.archive.backup(line, leader.subject, "second")
    job(rig, "backup-killed", script)
    killed(rig, "backup-killed")
    assert [one.label for one in rig.look(line)[1]] in (["first"], ["first", "second"])
    jobs.clean(rig.shell, str(rig.shell.home), "backup-killed")
    job(rig, "backup-again", script)
    assert job_ended(rig, "backup-again") == Look(DONE)
    assert [one.label for one in rig.look(line)[1]] == ["first", "second"]
    folder = Path(rig.archive.root, line.name, "backups", "second", "data")
    rig.do(Script('"$1" -q "$2"', (f"{leader.subject.bin}/pg_verifybackup", str(folder))))


@pytest.mark.parametrize("after_s", [0.05, 0.4, 0.9])
def test_a_restore_killed_in_the_middle_is_finished_by_the_next_attempt(leader: Leader, after_s: float) -> None:
    rig, name = leader.rig, f"killed-{int(after_s * 100)}"
    subject = rig.subject(name)
    script = restoring(leader, subject, "first")
    job(rig, f"{name}-one", script)
    time.sleep(after_s)
    killed(rig, f"{name}-one", also=subject.data)
    jobs.clean(rig.shell, str(rig.shell.home), f"{name}-one")
    job(rig, f"{name}-two", script)
    assert job_ended(rig, f"{name}-two") == Look(DONE)
    instance = Leader(rig, subject, leader.line)
    assert instance.sql("SELECT count(*), max(n) FROM t") == "60|59"
    instance.stop()


def killed(rig: Rig, name: str, also: str = "") -> None:
    """kill -9 of the job with all that it started, and of the postmaster on `also`."""
    pid = int((rig.shell.home / "jobs" / name / "pid").read_text().split()[0])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    for one in rig.shell.processes():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended by itself
            if also and os.readlink(f"/proc/{one}/cwd") == also:
                os.kill(one, signal.SIGKILL)


def test_a_lost_segment_and_a_damaged_one_are_found_by_the_next_look_and_healed_by_a_base_backup(rig: Rig) -> None:
    leader = rig.leader("holed")
    leader.sql("CREATE TABLE t (n int)")
    leader.backup("before")
    leader.sql("INSERT INTO t VALUES (1)")
    leader.archived()
    rig.look(leader.line)
    names = []
    for n in (2, 3, 4):
        leader.sql(f"INSERT INTO t VALUES ({n})")
        names.append(leader.archived())
    rig.stored(leader.line, names[0]).unlink()
    damaged = rig.stored(leader.line, names[1])
    damaged.write_bytes(damaged.read_bytes()[:-20])
    facts, kept = rig.look(leader.line)
    (hole,) = holes.unhealed(holes.holes(facts), kept)
    assert hole.name == f"{names[0]}-{names[1]}"
    assert hole.since is not None
    assert holes.crossed([hole], kept[0].first_wal, None) == hole
    assert holes.crossed([hole], kept[0].first_wal, datetime.now(UTC)) == hole

    job(rig, "holed-restore", restoring(leader, rig.subject("holed-copy"), "before", datetime.now(UTC)))
    leader.backup("after")
    facts, kept = rig.look(leader.line)
    assert holes.unhealed(holes.holes(facts), kept) == []
    assert holes.crossed(holes.known(holes.told(holes.holes(facts))), kept[1].first_wal, None) is None
    instance = restored(leader, "healed", "after")
    assert instance.sql("SELECT count(*) FROM t") == "4"
    job_ended(rig, "holed-restore")


def test_a_drill_restores_checks_counts_and_leaves_nothing_behind(leader: Leader) -> None:
    rig = leader.rig
    assert drilled(leader, "drill-good", "first", scratch.counting({"t": 0})) == Look(DONE)
    log = (rig.shell.home / "jobs" / "drill-good" / "log").read_text()
    assert 'rows=["t", ' in log and log.split("rows=")[1].split("]")[0].endswith(" 60")
    assert "newest=" in log and "bytes=" in log
    assert not (rig.shell.home / "drills" / "drill-good").exists()
    assert not [pid for pid in rig.shell.processes() if "drill-good" in os.readlink(f"/proc/{pid}/cwd")]


def test_a_drill_of_a_damaged_backup_fails_and_says_why(rig: Rig) -> None:
    leader = rig.leader("rotten")
    leader.sql("CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 10000)")
    file = leader.sql("SELECT pg_relation_filepath('t')")
    leader.backup("base")
    leader.archived()
    stored = Path(rig.archive.root, leader.line.name, "backups", "base", "data", file)
    content = bytearray(stored.read_bytes())
    content[8192 + 4000 : 8192 + 4100] = bytes(100)
    stored.write_bytes(content)
    look = drilled(leader, "drill-bad", "base", "")
    assert look.job == FAILED
    assert "checksum" in look.why or "invalid page" in look.why
    assert not (rig.shell.home / "drills" / "drill-bad").exists()


def test_a_full_disk_refuses_a_restore_before_it_writes(leader: Leader) -> None:
    rig = leader.rig
    subject = rig.subject("no-room")
    full = rig.program("df", FULL)
    why = rig.refused(rig.archive.restore(leader.line, subject, "first", f"{subject.data}.new"), full)
    assert "no room for first" in why
    assert not Path(f"{subject.data}.new").exists()
