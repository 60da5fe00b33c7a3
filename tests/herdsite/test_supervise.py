"""The supervisor with real processes: it keeps them alive, lets them end, and takes them with it when it goes."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from fleet.providers.local import spawn
from herdsite import supervise
from herdsite.supervise import FIRST_PAUSE, LONGEST_PAUSE, SETTLED, Supervisor, next_pause

BASE_DIR = Path(__file__).parents[2]
# A process that forks another one, as a cluster of workers does, and notes both numbers in the file it is given.
FAMILY = """
import multiprocessing, os, sys, time
from herdsite.supervise import children_die_with_us
children_die_with_us()
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(120,))
child.start()
with open(sys.argv[1] + ".part", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(120)
"""
SUPERVISOR = """
import os, sys
from pathlib import Path
from herdsite.supervise import Supervisor
supervisor = Supervisor(lambda *_: None, Path.cwd(), dict(os.environ), Path(sys.argv[1]))
supervisor.add("sleeper", "sleep 120")
supervisor.run()
"""


class Stage:
    """A supervisor that hears its processes' lines, and stops when `enough(lines)` or in a minute."""

    def __init__(self, folder: Path, enough):
        self.lines: list[tuple[str, str]] = []
        self.enough, self.until = enough, time.monotonic() + 60
        self.supervisor = Supervisor(
            lambda name, line: self.lines.append((name, line)), BASE_DIR, dict(os.environ), folder / "run", self.tick
        )

    def tick(self) -> None:
        if not self.supervisor.asked and (self.enough(self.lines) or time.monotonic() > self.until):
            self.supervisor.stop()

    def run(self) -> list[tuple[str, str]]:
        self.supervisor.run()
        return self.lines


def eventually(check):
    """What `check` returns once it is true; it has a minute."""
    until = time.monotonic() + 60
    while not (found := check()):
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)
    return found


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("pause", "lived", "expected"),
    [
        (0, 0, FIRST_PAUSE),
        (FIRST_PAUSE, 1, 2 * FIRST_PAUSE),
        (LONGEST_PAUSE, 1, LONGEST_PAUSE),
        (LONGEST_PAUSE, SETTLED, FIRST_PAUSE),
    ],
)
def test_pause_doubles_up_to_a_bound_and_is_forgotten_by_what_lived(pause, lived, expected):
    assert next_pause(pause, lived) == expected


def test_what_ends_is_started_again_and_it_is_said_why(tmp_path):
    stage = Stage(tmp_path, lambda lines: lines.count(("short", "hello")) == 3)
    stage.supervisor.add("short", "sh -c 'echo hello; exit 3'")
    said = [line for name, line in stage.run() if name == "up"]
    assert "process=short why='ended with 3' in_s=0.2" in said[0]
    assert "in_s=0.4" in said[1]


def test_the_others_live_on_when_one_is_killed(tmp_path):
    def enough(lines):
        started = [line for name, line in lines if name == "victim"]
        if len(started) == 1 and not killed:
            killed.append(int(started[0]))
            os.kill(killed[0], signal.SIGKILL)
        return len(started) == 2

    killed: list[int] = []
    stage = Stage(tmp_path, enough)
    stage.supervisor.add("victim", "sh -c 'echo $$; exec sleep 120'")
    stage.supervisor.add("other", "sh -c 'echo $$; exec sleep 120'")
    lines = stage.run()
    assert len([line for name, line in lines if name == "other"]) == 1
    assert any("killed by SIGKILL" in line for name, line in lines if name == "up")


def test_once_is_not_started_again_after_it_ended_well_but_after_a_failure_it_is(tmp_path):
    flag = tmp_path / "flag"
    stage = Stage(tmp_path, lambda lines: False)
    child = stage.supervisor.add("once", f"sh -c 'echo run; test -e {flag} || {{ touch {flag}; exit 1; }}'", once=True)
    lines = stage.run()
    assert [line for name, line in lines if name == "once"] == ["run", "run"]
    assert child.code == 0


def test_last_words_without_an_end_of_line_are_heard(tmp_path):
    stage = Stage(tmp_path, lambda lines: False)
    stage.supervisor.add("once", "printf 'one\\ntwo'", once=True)
    assert stage.run() == [("once", "one"), ("once", "two")]


def test_pids_are_noted_while_they_run_and_the_environment_is_the_one_given(tmp_path):
    stage = Stage(tmp_path, lambda lines: lines and (tmp_path / "run" / "shell.pid").exists())
    stage.supervisor.env["GREETING"] = "good day"
    stage.supervisor.add("shell", 'sh -c "echo $GREETING; exec sleep 120"')
    assert stage.run() == [("shell", "good day")]
    assert not list((tmp_path / "run").iterdir())


DEAF = "sh -c 'trap \"echo asked\" TERM; echo ready; while :; do sleep 0.05; done'"


def test_what_does_not_heed_the_first_stop_is_killed_by_the_second(tmp_path, monkeypatch):
    monkeypatch.setattr(supervise, "GRACE", 3600)

    def tick():
        asked = stage.supervisor.asked
        if (asked == 0 and ("deaf", "ready") in stage.lines) or (asked == 1 and ("deaf", "asked") in stage.lines):
            stage.supervisor.stop()

    stage = Stage(tmp_path, lambda lines: False)
    stage.supervisor.tick = tick
    child = stage.supervisor.add("deaf", DEAF)
    stage.run()
    assert child.code == -signal.SIGKILL


def test_what_does_not_heed_is_killed_after_a_grace(tmp_path, monkeypatch):
    monkeypatch.setattr(supervise, "GRACE", 0.2)
    stage = Stage(tmp_path, lambda lines: ("deaf", "ready") in lines)
    child = stage.supervisor.add("deaf", DEAF)
    stage.run()
    assert stage.supervisor.asked == 1
    assert child.code == -signal.SIGKILL


def test_a_family_goes_with_its_head(tmp_path):
    note = tmp_path / "family"
    stage = Stage(tmp_path, lambda lines: note.exists())
    stage.supervisor.add("family", f"sh -c 'sleep 120 & echo $! > {note}.part; mv {note}.part {note}; wait'")
    stage.run()
    assert eventually(lambda: gone(int(note.read_text())))


def test_nothing_survives_a_supervisor_that_was_killed(tmp_path):
    process = spawn.start([sys.executable, "-c", SUPERVISOR, str(tmp_path)], cwd=BASE_DIR)
    note = tmp_path / "sleeper.pid"
    sleeper = int(eventually(lambda: note.exists() and note.read_text().strip()))
    eventually(lambda: psutil.Process(sleeper).name() == "sleep")
    process.kill()
    process.wait()
    assert eventually(lambda: gone(sleeper))


def test_forked_children_die_with_their_parent(tmp_path):
    note = tmp_path / "pids"
    process = spawn.start([sys.executable, "-c", FAMILY, str(note)], cwd=BASE_DIR)
    eventually(note.exists)
    child = int(note.read_text().split()[1])
    assert not gone(child)
    process.kill()
    process.wait()
    assert eventually(lambda: gone(child))
