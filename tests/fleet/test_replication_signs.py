"""What a host's scripts have to see before they call it well, on real PostgreSQL: stray writes that were read out, a
standby that streams, an archive that has all of a former leader's WAL, an archive that hangs."""

import gzip
import os
from dataclasses import replace
from pathlib import Path

import pytest

from fleet import strays
from fleet.archives.base import Line
from fleet.archives.directory import Directory
from fleet.jobs import DONE, FAILED, Look
from fleet.postgres import commands, control, replication, roles
from fleet.postgres.config import DYNAMIC, lines
from fleet.subject import Subject
from tests.authority import shown
from tests.clusters import MAJORS, PROGRAMS, WATCH, Cluster, instance
from tests.fleet.test_replication import CALM, KEEP, PASSWORD, beside, caught_up, leader, shell, stand_by, standby
from tests.localhosts import until
from tests.localshell import LocalShell, ended

__all__ = ["leader", "shell", "standby"]


def of_major(shell: LocalShell, name: str, major: int) -> Subject:
    return instance(shell, major, data=f"{shell.home}/instances/{name}/data")


def failing(shell: LocalShell, subject: Subject, name: str, text: str) -> Subject:
    """`subject` with the program `name` replaced by a script of that text."""
    folder = f"{shell.home}/programs-{name}"
    script = f'mkdir "$1" && ln -s {subject.bin}/* "$1/" && rm "$1/{name}" && cat > "$1/{name}" && chmod +x "$1/{name}"'
    assert shell.run(["sh", "-c", script, "sh", folder], stdin=text.encode()).code == 0
    return replace(subject, bin=folder)


def stray(leader: Cluster, standby: Cluster) -> None:
    """The standby leads, and what its former leader acknowledged afterwards nobody else has."""
    caught_up(leader, standby)
    control.promote(leader.shell, standby.subject, 2)
    leader.create("anna", "anna-pass-77ce")
    leader.sql("SET ROLE anna; CREATE TABLE stray AS SELECT 1 AS n", "anna")
    control.fence(leader.shell, leader.subject, 2)


TRUNCATED = """#!/bin/sh
# The disk is full in the middle of it, which nobody is told.
for last; do case $last in *.dump) into=$last ;; esac; done
echo PGDMP > "$into"
"""


@pytest.mark.parametrize("mode", [commands.REJOIN, commands.COPY])
@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", TRUNCATED], ids=["fails", "truncated"])
def test_stray_writes_that_cannot_be_read_out_stay_where_they_are(
    leader: Cluster, standby: Cluster, mode: str, text: str
) -> None:
    stray(leader, standby)
    kept = Path(f"{leader.shell.home}/strays/one")
    broken = failing(leader.shell, leader.subject, "pg_dump", text)
    look = stand_by(standby, broken, "rejoin", mode, str(kept))
    assert look.job == FAILED and look.why.strip().endswith(strays.UNREAD)
    assert not kept.exists() and not list(kept.parent.glob("*/*.dump"))
    assert stand_by(standby, leader.subject, "again", mode, str(kept)) == Look(DONE)
    assert (kept / "anna.dump").exists() and list(kept.glob("wal/*"))


def test_nothing_is_read_out_where_nothing_was_written_past_the_fork(leader: Cluster, standby: Cluster) -> None:
    control.halt(leader.shell, leader.subject, 10, 2)
    control.promote(leader.shell, standby.subject, 2)
    kept = Path(f"{leader.shell.home}/strays/one")
    broken = failing(leader.shell, leader.subject, "pg_dump", "#!/bin/sh\nexit 1\n")
    assert stand_by(standby, broken, "rejoin", commands.REJOIN, str(kept)) == Look(DONE)
    assert not kept.exists() and leader.sql("SELECT pg_is_in_recovery()") == "t"


def test_a_standby_that_went_its_own_way_is_copied_anew(leader: Cluster, standby: Cluster) -> None:
    """Another standby had less than this one, and leads."""
    other = member(leader, "three")
    caught_up(leader, standby)
    caught_up(leader, other)
    control.stop(leader.shell, other.subject, "stop")
    assert ended(leader.shell, "stop") == Look(DONE)
    leader.sql("INSERT INTO t VALUES (99)")
    caught_up(leader, standby)
    control.fence(leader.shell, leader.subject, 2)
    control.start(leader.shell, other.subject, "start")
    assert ended(leader.shell, "start") == Look(DONE)
    control.promote(leader.shell, other.subject, 2)
    assert standby.sql("SELECT max(n) FROM t") == "99"
    assert stand_by(other, standby.subject, "rebuild", commands.COPY) == Look(DONE)
    other.sql("INSERT INTO t VALUES (100)")
    caught_up(other, standby)
    assert standby.sql("SELECT string_agg(n::text, ',' ORDER BY n) FROM t") == "1,100"


def test_a_standby_whose_wal_is_gone_is_copied_although_pg_rewind_has_nothing_to_do(
    leader: Cluster, standby: Cluster
) -> None:
    leader.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'; ALTER SYSTEM SET wal_keep_size = 0")
    leader.sql(
        "ALTER SYSTEM SET min_wal_size = '32MB'; ALTER SYSTEM SET max_wal_size = '32MB'; SELECT pg_reload_conf()"
    )
    caught_up(leader, standby)
    control.stop(leader.shell, standby.subject, "stop")
    assert ended(leader.shell, "stop") == Look(DONE)
    for _ in range(6):
        leader.sql("INSERT INTO t VALUES (2); SELECT pg_switch_wal(); CHECKPOINT")
    assert leader.sql("SELECT wal_status FROM pg_replication_slots") == "lost"
    leader.sql("ALTER SYSTEM RESET max_slot_wal_keep_size; SELECT pg_reload_conf()")
    look = stand_by(leader, standby.subject, "rebuild", commands.COPY)
    assert look == Look(DONE), look.why
    caught_up(leader, standby)
    assert standby.sql("SELECT count(*) FROM t") == "7"


def member(leader: Cluster, name: str) -> Cluster:
    subject = of_major(leader.shell, name, leader.subject.major)
    assert stand_by(leader, subject, f"copy-{name}") == Look(DONE)
    return Cluster(leader.shell, subject)


@pytest.mark.parametrize("major", [major for major in MAJORS if major in (15, 17)])
def test_a_former_leader_that_is_rewound_right_after_the_promotion_has_nothing_of_its_own(
    shell: LocalShell, major: int
) -> None:
    """Up to PostgreSQL 15, pg_rewind goes by the new leader's control file, which its first checkpoint writes."""
    assert major in PROGRAMS
    leader = Cluster(shell, of_major(shell, "one", major))
    control.build(shell, leader.subject, "build", CALM, WATCH, replica=PASSWORD, dynamic=KEEP | shown(leader.subject))
    assert ended(shell, "build") == Look(DONE)
    leader.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    standby = member(leader, "two")
    stray(leader, standby)
    assert stand_by(standby, leader.subject, "rejoin", commands.REJOIN) == Look(DONE)
    assert leader.sql("SELECT count(*) FROM pg_database WHERE datname = 'anna'") == "0"
    standby.sql("INSERT INTO t VALUES (4)")
    caught_up(standby, leader)
    assert leader.sql("SELECT max(n) FROM t") == "4"


@pytest.fixture
def archive(shell: LocalShell) -> Directory:
    root = f"{shell.home}/archive"
    assert shell.run(["mkdir", root]).code == 0
    return Directory(root)


def segments(archive: Directory, line: Line) -> set[str]:
    return {path.name.removesuffix(".gz") for path in Path(archive.root, line.name, "wal").glob("0*")}


def ready(cluster: Cluster, archive: Directory, line: Line) -> None:
    script = archive.prepare(line, cluster.subject)
    assert cluster.shell.run(["sh", "-c", script.text, "herdsite", *script.args]).code == 0


def test_what_a_lost_leader_had_yet_to_archive_is_archived_by_the_one_that_leads(
    leader: Cluster, standby: Cluster, archive: Directory
) -> None:
    first = Line("shop-1", 1, str(leader.subject.id))
    second = Line("shop-2", 2, str(standby.subject.id))
    ready(leader, archive, first)
    wiring = archive.writing(first, leader.subject)
    archives = replication.leader(writing=wiring.settings)
    control.configure(leader.shell, leader.subject, replication.files(archives, PASSWORD, wiring.files))
    has = leader.sql("SELECT pg_walfile_name(pg_switch_wal() - 1)")
    until(lambda: has in segments(archive, first), "it archives")
    control.configure(leader.shell, leader.subject, replication.files(replication.leader(), PASSWORD))
    owed = [
        leader.sql(f"INSERT INTO t VALUES ({n}); SELECT pg_walfile_name(pg_switch_wal() - 1)").split()[-1]
        for n in range(3)
    ]
    caught_up(leader, standby)
    control.fence(leader.shell, leader.subject, 2)
    control.promote(leader.shell, standby.subject, 2)
    ready(standby, archive, second)
    wiring = archive.writing(second, standby.subject, [first])
    archives = replication.leader(writing={**wiring.settings, "herdsite.generation": "2"})
    control.configure(standby.shell, standby.subject, replication.files(archives, PASSWORD, wiring.files))
    until(lambda: set(owed) <= segments(archive, second), "it archives what its leader owed")
    last = standby.sql("SELECT pg_walfile_name(pg_switch_wal() - 1)")
    until(lambda: last in segments(archive, second), "and its own")
    assert has not in segments(archive, second)


def test_what_a_former_leader_had_yet_to_archive_is_archived_before_it_is_rewound(
    leader: Cluster, standby: Cluster, archive: Directory
) -> None:
    line = Line("shop-1", 1, str(leader.subject.id))
    wiring = archive.writing(line, leader.subject)
    archives = replication.leader(writing=wiring.settings)
    control.configure(leader.shell, leader.subject, replication.files(archives, PASSWORD, wiring.files))
    owed = leader.sql("INSERT INTO t VALUES (7); SELECT pg_walfile_name(pg_switch_wal() - 1)").split()[-1]
    caught_up(leader, standby)
    control.promote(leader.shell, standby.subject, 2)
    control.fence(leader.shell, leader.subject, 2)
    ready(leader, archive, line)
    assert stand_by(standby, leader.subject, "rejoin", commands.REJOIN, f"{leader.shell.home}/strays/one") == Look(DONE)
    assert owed in segments(archive, line)


def test_an_archive_that_hangs_keeps_no_standby_from_leading(
    leader: Cluster, standby: Cluster, archive: Directory
) -> None:
    """What would read the archive waits for a FIFO that nobody writes to."""
    line = Line("shop-1", 1, str(leader.subject.id))
    ready(leader, archive, line)
    wiring = archive.fetching([line], standby.subject)
    slot = f"slot_{standby.subject.id.hex[:8]}"
    _info, files = beside(leader.subject, standby.subject, slot)
    files[DYNAMIC] += lines(wiring.settings)
    control.configure(standby.shell, standby.subject, files | dict(wiring.files))
    caught_up(leader, standby)
    at = leader.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")
    wal = Path(archive.root, line.name, "wal")
    held = [hanging(leader.shell, wal / f"{name}.gz") for name in (at, "00000002.history")]
    control.fence(leader.shell, leader.subject, 2)
    until(lambda: Path(standby.subject.data, "herdsite.fetched/by").exists(), "it asks the archive")
    said = control.promote(standby.shell, standby.subject, 2, timeout=9.0)
    assert said["timeline_id"] == "2"
    assert standby.sql("SELECT pg_is_in_recovery()") == "f"
    for fifo in held:
        os.close(fifo)


def hanging(shell: LocalShell, path: Path) -> int:
    """A FIFO there, from which nothing comes until something is written to the descriptor that is returned."""
    assert shell.run(["mkfifo", str(path)]).code == 0
    return os.open(path, os.O_RDWR)


def test_an_archive_that_hangs_is_asked_once_and_answers_no_in_time(leader: Cluster, archive: Directory) -> None:
    line = Line("shop-1", 1, str(leader.subject.id))
    ready(leader, archive, line)
    data = leader.subject.data
    wiring = archive.fetching([line], leader.subject)
    control.configure(leader.shell, leader.subject, dict(wiring.files))
    first, second = "000000010000000000000050", "000000010000000000000051"
    fifo = hanging(leader.shell, Path(archive.root, line.name, "wal", f"{first}.gz"))

    def fetch(name: str) -> int:
        text = wiring.settings["restore_command"].replace("%f", name).replace("%p", "got")
        return leader.shell.run(["sh", "-c", f"cd {data} && {text}"], timeout=30).code

    assert fetch(first) == 1
    by = Path(data, "herdsite.fetched/by").read_text()
    assert fetch(second) == 1
    assert Path(data, "herdsite.fetched/by").read_text() == by
    os.write(fifo, gzip.compress(bytes(16777216)))
    os.close(fifo)
    until(lambda: fetch(first) == 0, "what came late is taken")
    assert Path(data, "got").stat().st_size == 16777216


def test_a_slot_that_is_there_is_no_reason_not_to_copy(leader: Cluster) -> None:
    subject = of_major(leader.shell, "two", 17)
    leader.sql(roles.slot(f"slot_{subject.id.hex[:8]}"))
    assert stand_by(leader, subject, "copy") == Look(DONE)
