"""A restore is called good for where it ended, not because it ended: real PostgreSQL, with WAL missing on the way."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from fleet import jobs
from fleet.archives.base import SEGMENT_BYTES, begins
from fleet.archives.directory import Directory
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


def test_what_ends_before_a_hole_is_no_restore(rig: Rig) -> None:
    """Without a target, and with one past the hole, which PostgreSQL runs to the end for."""
    leader = rig.leader("source")
    leader.sql("CREATE TABLE t (n int)")
    leader.backup("first")
    segments = [leader.archived() for n in range(3) if leader.sql(f"INSERT INTO t VALUES ({n})") == ""]
    goal = (1, lsn.text(begins(segments[-1]) + SEGMENT_BYTES))
    moment = datetime.now(UTC)
    assert restored(rig, leader, "whole", goal, moment).job == jobs.DONE
    rig.stored(leader.line, segments[1]).unlink()
    for name, at in (("short", None), ("late", moment)):
        look = restored(rig, leader, name, goal, at)
        assert look.job == jobs.FAILED and "WAL is missing" in look.why
        assert not (rig.shell.home / "instances" / name / "data").exists()


def restored(rig: Rig, leader: Leader, name: str, goal: tuple[int, str], moment: datetime | None = None) -> jobs.Look:
    job(rig, f"{name}-build", restoring(leader, rig.subject(name), "first", moment, goal=goal))
    return job_ended(rig, f"{name}-build")
