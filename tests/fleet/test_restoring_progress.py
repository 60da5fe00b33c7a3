"""What a look at a host sees of long work while it is under way: a copy that streams, one from the archive, the replay
after it, a dump, a load."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

import pytest

from fleet import progress
from fleet.archives.directory import Directory
from fleet.jobs import DONE, FAILED, Look
from fleet.postgres import scratch
from fleet.postgres.commands import Script
from fleet.progress import SAYING, Progress
from fleet.providers.local import spawn
from observations.probes import archive, base
from observations.probes.table import PROBES
from tests.archived import Leader, Rig, job, job_ended, wait
from tests.localshell import LocalShell

# Seven megabytes that fill pages and not the WAL only.
BULK = "CREATE TABLE bulk AS SELECT n, repeat(md5(n::text), 6) FROM generate_series(1, 30000) AS n"
# Programs that do what the real ones do, when the file `go` is there.
SLOW = """#!/bin/sh
/usr/bin/{name} "$@" || exit
until [ -e {go} ]; do sleep 0.02; done
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    shell = LocalShell()
    root = spawn.give(shell.home / "archive")
    yield Rig(Directory(str(root)), 17, shell, lambda line, name: root / line.name / "wal" / f"{name}.gz")
    shell.close()


@pytest.fixture(scope="module")
def leader(rig: Rig) -> Leader:
    leader = rig.leader("source")
    leader.sql(BULK)
    leader.backup("first")
    leader.sql("CREATE TABLE later AS SELECT generate_series(1, 1000) AS n")
    leader.archived()
    return leader


def seen(rig: Rig, name: str) -> Progress | None:
    """By the question that beats ask of a backup's host."""
    (probe,) = (one for one in PROBES if one.name == "job")
    subject = replace(rig.subject("nobody"), job=name)
    answers = base.shell_answers([probe], rig.do(Script(*_words(base.shell_question([probe], subject)))))
    return progress.read(base.read_all([probe], answers, subject, 0.0, 0.0))


def _words(argv: list[str]) -> tuple[str, tuple[str, ...]]:
    return argv[2], tuple(argv[4:])


def until(rig: Rig, name: str, holds: Callable[[Progress], object]) -> Progress:
    """What was seen of the job when that held for the first time."""
    found: list[Progress] = []

    def looked() -> bool:
        far = seen(rig, name)
        found.append(far) if far and holds(far) else None
        return bool(found)

    wait(looked)
    return found[0]


def held(rig: Rig, program: str, script: Script) -> tuple[Script, Callable[[], None]]:
    """The script with that program waiting at its end, and what lets it go on."""
    go = rig.shell.home / f"go-{program}"
    go.unlink(missing_ok=True)
    folder = rig.program(program, SLOW.format(name=program, go=go))
    return replace(script, text=f'PATH="{folder}:$PATH"\n{script.text}'), go.touch


def test_a_restore_tells_size_and_total_then_where_the_replay_is(leader: Leader) -> None:
    rig, name = leader.rig, "restore-seen"
    subject = rig.subject(name, data=f"{rig.shell.home}/drills/{name}/data")
    into, go = held(rig, "cp", rig.archive.restore(leader.line, subject, "first", subject.data))
    fetching = rig.archive.fetching([leader.line], subject)
    stuck = rig.shell.home / "stuck"
    stuck.touch()
    fetching = replace(
        fetching, settings={"restore_command": f"while [ -e {stuck} ]; do sleep 0.02; done; {_command(fetching)}"}
    )
    job(rig, name, scratch.drill(subject, into, fetching, 1, "postgres", ""))
    size = rig.look(leader.line)[1][0].bytes
    far = until(rig, name, lambda far: far.bytes)
    assert (far.what, far.of_bytes) == ("copying", size)
    assert 0 < far.bytes <= size
    go()
    assert until(rig, name, lambda far: far.what == "replaying").bytes is None
    far = until(rig, name, lambda far: far.at)
    assert far.at >= rig.look(leader.line)[1][0].first_wal
    stuck.unlink()
    assert job_ended(rig, name) == Look(DONE)


def _command(wiring) -> str:
    return wiring.settings["restore_command"]


def test_a_base_backup_tells_size_and_total(leader: Leader) -> None:
    rig, name = leader.rig, "backup-seen"
    script, go = held(rig, "sync", rig.archive.backup(leader.line, leader.subject, "second"))
    job(rig, name, script)
    wait(lambda: "far=verifying" in log(rig, name))
    lines = log(rig, name)
    assert "kB (100%)" in lines
    go()
    assert job_ended(rig, name) == Look(DONE)


def log(rig: Rig, name: str) -> str:
    path = rig.shell.home / "jobs" / name / "log"
    return path.read_text() if path.exists() else ""


def said(rig: Rig, name: str, text: str) -> Mapping[str, object] | None:
    """What is seen of a job that says that, and goes on."""
    go = rig.shell.home / f"go-{name}"
    job(rig, name, Script(f"{SAYING}\n{text}\necho ready\nuntil [ -e {go} ]; do sleep 0.02; done", ()))
    wait(lambda: "ready" in log(rig, name))
    far = seen(rig, name)
    go.touch()
    job_ended(rig, name)
    return None if far is None else {**far.told(), "since_s": None, "rate": None, "left_s": None, "text": None}


NOTHING = {"bytes": None, "of_bytes": None, "rate": None, "left_s": None, "since_s": None, "at": "", "text": None}


@pytest.mark.parametrize(
    ("text", "sees"),
    [
        ("echo 'nothing of the kind'", None),
        ("far checking", {"what": "checking"}),
        ("far copying 4096\necho 'sent=1024'", {"what": "copying", "bytes": 1024, "of_bytes": 4096}),
        ("far dumping\necho 'sent=1024'", {"what": "dumping", "bytes": 1024}),
        # What pg_basebackup says of itself.
        ("far copying\necho ' 3000000/ 5000000 kB (60%), 0/1 tablespace'",
         {"what": "copying", "bytes": 3_072_000_000, "of_bytes": 5_120_000_000}),
        # Sizes of what came before are not those of what is under way.
        ("far copying 4096\necho sent=4000\nfar verifying", {"what": "verifying"}),
        ("far fetching 10 /etc/hostname-that-is-not-there", {"what": "fetching", "of_bytes": 10}),
    ],
)  # fmt: skip
def test_what_a_job_says_is_what_is_seen(rig: Rig, text: str, sees) -> None:
    name = f"says-{abs(hash(text)) % 10**8}"
    assert said(rig, name, text) == (None if sees is None else NOTHING | sees)


def test_a_file_that_grows_is_measured(rig: Rig) -> None:
    path = rig.shell.home / "a file that grows"
    assert said(rig, "grows", f"printf 12345 > '{path}'\nfar dumping 50 '{path}'") == NOTHING | {
        "what": "dumping", "bytes": 5, "of_bytes": 50,
    }  # fmt: skip


def test_what_watches_a_folder_ends_with_its_job(rig: Rig) -> None:
    go = rig.shell.home / "go-watches"
    job(
        rig,
        "watches",
        Script(f'{SAYING}\nfar copying 9\nwatch size "$PWD"\nuntil [ -e {go} ]; do sleep 0.02; done\nfalse', ()),
    )
    wait(lambda: "sent=" in log(rig, "watches"))
    group = int((rig.shell.home / "jobs/watches/pid").read_text().split()[0])
    assert [pid for pid in rig.shell.processes() if _group(pid) == group]
    go.touch()
    assert job_ended(rig, "watches").job == FAILED
    wait(lambda: not [pid for pid in rig.shell.processes() if _group(pid) == group])


def _group(pid: int) -> int:
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return 0


def test_why_a_job_failed_is_not_how_far_it_was(rig: Rig) -> None:
    text = "far copying 9\necho 'sent=7'\necho '  17/ 20 kB (85%), 0/1 tablespace' >&2\necho 'no room' >&2\necho sent=8"
    job(rig, "fails", Script(f"{SAYING}\n{text}\nexit 1", ()))
    assert job_ended(rig, "fails").why.strip() == "no room"
    assert "taken_bytes" in archive.JOB_FILLS
