"""What a leader that was lost on a living host had not archived: it comes to the archive by hand, all of it, and a copy
that is made of that archive has it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from fleet import jobs
from fleet.archives.base import Line
from fleet.archives.directory import Directory
from fleet.postgres import commands, control
from fleet.postgres.commands import Script
from fleet.providers.local import spawn
from fleet.succession import lsn
from tests.archived import Leader, Rig, job, job_ended, restoring
from tests.localshell import LocalShell


@pytest.fixture
def rig() -> Iterator[Rig]:
    shell = LocalShell()
    root = spawn.give(shell.home / "archive")
    yield Rig(Directory(str(root)), 17, shell, lambda line, name: root / line.name / "wal" / f"{name}.gz")
    shell.close()


@pytest.fixture
def lost(rig: Rig) -> Leader:
    """Rows 1 to 4: the first is archived, the others are in three segments that are not, the last of which was being
    written when PostgreSQL died."""
    leader = rig.leader("shop")
    leader.sql("CREATE TABLE t (i int)")
    leader.backup("first")
    leader.sql("INSERT INTO t VALUES (1)")
    leader.archived()
    place(leader, "writer").rename(place(leader, "away"))
    for row in (2, 3):
        leader.sql(f"INSERT INTO t VALUES ({row})")
        leader.sql("SELECT pg_switch_wal()")
    leader.sql("INSERT INTO t VALUES (4)")
    rig.do(commands.fence(leader.subject, 2))
    return leader


def place(leader: Leader, name: str) -> Path:
    return Path(leader.rig.archive.root, leader.line.name, name)


def rest(leader: Leader) -> dict[str, str]:
    leader.rig.shell.run(["rm", "-rf", f"{leader.rig.shell.home}/jobs/shop-rest"])
    job(leader.rig, "shop-rest", commands.archive_rest(leader.subject))
    assert job_ended(leader.rig, "shop-rest") == jobs.Look(jobs.DONE)
    return control.rest(leader.rig.shell, leader.subject)


def test_what_it_had_not_archived_is_archived_and_a_copy_has_all_of_it(lost: Leader, rig: Rig) -> None:
    refused = rest(lost)
    assert refused["archived"] == "0" and len(refused["left"].split(",")) == 3
    place(lost, "away").rename(place(lost, "writer"))
    said = rest(lost)
    assert (said["archived"], said["left"]) == ("3", "")
    end = lsn.known(said["end"])
    assert end is not None
    copy = rig.subject("copy")
    # As the copy's own beat asks for it: it has failed unless it comes to the page that the last record ended in.
    job(rig, "copy-build", restoring(lost, copy, "first", goal=(1, lsn.text(end - 8192))))
    assert job_ended(rig, "copy-build") == jobs.Look(jobs.DONE)
    assert Leader(rig, copy, lost.line).sql("SELECT string_agg(i::text, ',' ORDER BY i) FROM t") == "1,2,3,4"


def test_a_leader_that_is_let_go_on_archives_on(lost: Leader, rig: Rig) -> None:
    place(lost, "away").rename(place(lost, "writer"))
    assert rest(lost)["left"] == ""
    rig.do(commands.unfence(lost.subject, 2))
    lost.sql("INSERT INTO t VALUES (5)")
    rig.do(commands.fence(lost.subject, 3))
    assert rest(lost)["left"] == ""
    rig.do(commands.unfence(lost.subject, 3))
    lost.sql("INSERT INTO t VALUES (6)")
    lost.archived()
    assert rig.look(lost.line)[0]["archive_missing"] == ""


def test_whoever_has_it_whole_fills_a_hole(lost: Leader, rig: Rig) -> None:
    place(lost, "away").rename(place(lost, "writer"))
    rig.do(commands.unfence(lost.subject, 2))
    lost.sql("SELECT pg_switch_wal()")
    last = lost.archived()
    wal = sorted(path.name for path in place(lost, "wal").iterdir() if len(path.name) == 27)
    # The archive loses two of them; a third that nobody has written to yet lies there as a file.
    hole = [name.removesuffix(".gz") for name in wal[-3:-1]]
    ahead = f"{last[:16]}{int(last[16:], 16) + 1:08X}"
    for name in hole:
        rig.do(Script('rm "$1"', (str(rig.stored(lost.line, name)),)))
    rig.do(Script('[ -e "$1/$3" ] || cp "$1/$2" "$1/$3"', (f"{lost.subject.data}/pg_wal", last, ahead)))
    assert rig.look(lost.line)[0]["archive_missing"] == f"{hole[0]}-{hole[1]}"
    line = Line(lost.line.name, 1, lost.line.writer)
    other = replace(lost.subject, id=uuid4())
    wiring = rig.archive.filling(line, other)
    push = wiring.settings["archive_command"]
    got = control.fill_archive(rig.shell, other, push, wiring.files, [*hole, ahead], 60)
    assert got == hole
    assert rig.look(lost.line)[0]["archive_missing"] == ""


def test_who_may_still_be_started_archives_by_itself(lost: Leader, rig: Rig) -> None:
    rig.do(commands.unfence(lost.subject, 2))
    assert "not fenced" in rig.refused(commands.archive_rest(lost.subject))
