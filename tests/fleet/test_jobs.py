"""Detached jobs on a real /bin/sh: started once, looked at, killed, forgotten."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from fleet import jobs
from fleet.jobs import DONE, FAILED, LOST, NONE, RUNNING, Look
from fleet.postgres import control
from fleet.subject import INSTANCE, Subject
from fleet.transports.base import CommandFailed
from tests.localshell import LocalShell, ended
from tests.worlds import NOW

# Waits for a line to come through a named pipe, and so lasts as long as the test wants it to.
WAITING = 'read -r line < "$1"'


class Jobs:
    def __init__(self, shell: LocalShell, clean: Callable[[LocalShell, str], None]) -> None:
        self.shell, self.home = shell, str(shell.home)
        self.folder = shell.home / "jobs"
        self._clean = clean

    def start(self, job: str, script: str, *args: str, stdin: bytes = b"") -> None:
        jobs.start(self.shell, self.home, job, script, args, stdin)

    def look(self, job: str) -> Look:
        return jobs.look(self.shell, self.home, job)

    def clean(self, job: str) -> None:
        self._clean(self.shell, job)

    def ended(self, job: str) -> Look:
        return ended(self.shell, job)

    def pipe(self) -> str:
        path = f"{self.home}/pipe"
        self.shell.run(["mkfifo", path])
        return path

    def pid(self, job: str) -> int:
        return int((self.folder / job / "pid").read_text().split()[0])


def alone(shell: LocalShell, job: str) -> None:
    jobs.clean(shell, str(shell.home), job)


def as_an_order(shell: LocalShell, job: str) -> None:
    """As the first step of a build that begins anew."""
    home = str(shell.home)
    control.clear(shell, Subject(INSTANCE, uuid4(), "shop-1", "creating", NOW, home=home, data=f"{home}/data"), job)


@pytest.fixture(params=[alone, as_an_order])
def work(request: pytest.FixtureRequest) -> Iterator[Jobs]:
    shell = LocalShell()
    yield Jobs(shell, request.param)
    shell.close()


def group(pid: int) -> list[int]:
    """The processes of a process group that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text().rpartition(") ")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_a_job_gets_its_arguments_and_its_stdin_as_they_are(work: Jobs) -> None:
    nasty = "a 'b' \"c\" $HOME `id` \\n\nsecond line ü"
    work.start("write", 'printf "%s|" "$@" > out; cat >> out', nasty, "", stdin=b"\0\xff\n")
    assert work.ended("write") == Look(DONE)
    assert (work.shell.home / "out").read_bytes() == f"{nasty}||".encode() + b"\0\xff\n"


def test_a_failed_job_tells_its_last_words_in_one_short_line(work: Jobs) -> None:
    work.start("fail", "echo first; printf 'line\\t%s\\n' 1 2 >&2; seq -s, 1000; exit 3")
    look = work.ended("fail")
    assert look.job == FAILED
    assert look.why.rstrip().endswith("999,1000")
    assert len(look.why) == 300


def test_start_returns_while_the_job_runs(work: Jobs) -> None:
    pipe = work.pipe()
    work.start("wait", WAITING, pipe)
    assert work.look("wait") == Look(RUNNING)
    work.shell.run(["sh", "-c", 'echo go > "$1"', "sh", pipe])
    assert work.ended("wait") == Look(DONE)


def test_a_job_started_many_times_at_once_runs_once(work: Jobs) -> None:
    with ThreadPoolExecutor(8) as pool:
        for start in [pool.submit(work.start, "once", "echo ran >> runs") for _ in range(8)]:
            start.result()
    assert work.ended("once") == Look(DONE)
    work.start("once", "echo ran >> runs")
    assert (work.shell.home / "runs").read_text() == "ran\n"
    assert os.listdir(work.folder) == ["once"]


def test_a_start_that_was_cut_off_stands_in_nobodys_way(work: Jobs) -> None:
    work.shell.run(["mkdir", "-p", f"{work.home}/jobs/.again.abc123"])
    assert work.look("again") == Look(NONE)
    work.start("again", "true")
    assert work.ended("again") == Look(DONE)
    work.clean("again")
    assert os.listdir(work.folder) == []


def test_what_came_on_stdin_lies_nowhere_while_the_job_runs(work: Jobs) -> None:
    work.start("secret", "cat > /dev/null; " + WAITING, work.pipe(), stdin=b"very secret")
    assert work.look("secret") == Look(RUNNING)
    folder = work.folder / "secret"
    assert folder.stat().st_mode & 0o077 == 0
    assert not (folder / "stdin").exists()


def test_a_killed_job_is_lost_and_can_be_begun_anew(work: Jobs) -> None:
    work.start("killed", "echo so far; kill -9 0")
    look = work.ended("killed")
    assert (look.job, look.why.strip()) == (LOST, "so far")
    work.clean("killed")
    work.start("killed", "true")
    assert work.ended("killed") == Look(DONE)


def test_a_job_that_ended_is_forgotten_however_it_ended(work: Jobs) -> None:
    for job, script in (("good", "true"), ("bad", "exit 3")):
        work.start(job, script)
        work.ended(job)
        work.clean(job)
        assert work.look(job) == Look(NONE)


def test_clean_kills_all_that_the_job_started(work: Jobs) -> None:
    work.start("tree", f"({WAITING}) & {WAITING}", work.pipe())
    pid = work.pid("tree")
    work.clean("tree")
    assert group(pid) == []
    assert work.look("tree") == Look(NONE)
    work.clean("tree")


def test_clean_kills_what_a_killed_job_left_behind(work: Jobs) -> None:
    work.start("orphans", WAITING, work.pipe())
    pid = work.pid("orphans")
    os.kill(pid, signal.SIGKILL)
    assert work.ended("orphans").job == LOST
    work.clean("orphans")
    assert group(pid) == []


def test_another_process_with_the_same_pid_is_not_the_job(work: Jobs) -> None:
    work.start("stranger", WAITING, work.pipe())
    pid = work.pid("stranger")
    work.start("gone", "true")
    assert work.ended("gone") == Look(DONE)
    (work.folder / "gone" / "code").unlink()
    (work.folder / "gone" / "pid").write_text(f"{pid} 1\n")
    assert work.look("gone").job == LOST
    work.clean("gone")
    assert work.look("stranger") == Look(RUNNING)


def test_a_host_that_can_not_start_it_says_so(work: Jobs) -> None:
    work.folder.write_text("a file in the way")
    with pytest.raises(CommandFailed, match="File exists"):
        work.start("nowhere", "true")


@pytest.mark.parametrize("name", ["", "a b", "../up", "Up", ".x", "a/b"])
def test_names_are_plain(work: Jobs, name: str) -> None:
    for verb in (work.look, work.clean):
        with pytest.raises(ValueError, match="name of a job"):
            verb(name)
    with pytest.raises(ValueError, match="name of a job"):
        work.start(name, "true")
