"""What `up` stands on: one at a time, leftovers swept without touching what is not ours, data counted and wiped."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from fleet.providers.local import spawn
from herdsite.ground import LOCK, Busy, databases_in, is_ours, only_one, sweep, wipe

BASE_DIR = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from herdsite.ground import only_one
with only_one(Path(sys.argv[1])):
    time.sleep(120)
"""


@pytest.fixture
def started():
    """Starts processes and ends them with the test."""
    processes = []

    def start(*argv):
        processes.append(spawn.start(argv, cwd=BASE_DIR))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def until(check):
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def test_the_second_one_is_refused_and_told_who_is_first(tmp_path):
    with only_one(tmp_path), pytest.raises(Busy, match=f"pid {os.getpid()}"), only_one(tmp_path):
        pass


def test_the_lock_of_a_killed_one_is_free(tmp_path, started):
    holder = started(sys.executable, "-c", HOLD, str(tmp_path))
    until(lambda: (tmp_path / LOCK).exists() and (tmp_path / LOCK).read_text() == f"{holder.pid}\n")
    with pytest.raises(Busy, match=f"pid {holder.pid}"), only_one(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with only_one(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"


def test_sweep_ends_what_is_left_of_ours_and_only_that(tmp_path, started):
    ours = started(sys.executable, "-c", "import time; time.sleep(120)", "manage.py")
    number_reused = started("sleep", "120")
    (tmp_path / "web.pid").write_text(f"{ours.pid}\n")
    (tmp_path / "clock.pid").write_text(f"{number_reused.pid}\n")
    (tmp_path / "feel.pid").write_text("")
    assert sweep(tmp_path) == ["web"]
    assert ours.wait(timeout=60) == -9
    assert psutil.Process(number_reused.pid).is_running()
    assert list(tmp_path.iterdir()) == []


def test_sweep_ends_the_children_of_one_that_is_gone(tmp_path, started):
    note = tmp_path / "child"
    script = f"{sys.executable} -c 'import time; time.sleep(120)' manage.py & echo $! > {note}; exit 0"
    head = started("/bin/sh", "-c", script)
    head.wait()
    child = int(note.read_text())
    (tmp_path / "work.pid").write_text(f"{head.pid}\n")
    until(lambda: is_ours(psutil.Process(child).cmdline()))
    assert sweep(tmp_path) == ["work"]
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(
    ("cmdline", "expected"),
    [
        (["/x/python", "manage.py", "clock"], True),
        (["/x/python", "manage.py", "web"], True),
        (["/x/python", "-m", "herdsite.supervise", "1", "python"], True),
        (["postgres", "-D", "/y/herdsite/data"], False),
        ([], False),
    ],
)
def test_ours_are_known_by_their_command_line(cmdline, expected):
    assert is_ours(cmdline) is expected


def test_databases_are_counted_without_those_that_every_postgresql_has(tmp_path):
    for data, numbers in {
        "one/pg/a": ("1", "4", "5", "16384"),
        "two/pg/b": ("1", "16390", "20001", "pgsql_tmp"),
    }.items():
        (tmp_path / data / "global").mkdir(parents=True)
        (tmp_path / data / "global" / "pg_control").touch()
        for number in numbers:
            (tmp_path / data / "base" / number).mkdir(parents=True)
    assert databases_in(tmp_path) == 3
    assert databases_in(tmp_path / "nowhere") == 0


def test_wipe_leaves_the_lock_and_what_belongs_to_the_tests(tmp_path):
    var, land = tmp_path / "var", tmp_path / "land"
    for folder in (var / "hosts" / "a", var / "test", land / "data"):
        folder.mkdir(parents=True)
    for file in (var / LOCK, var / "secret_key", land / "data" / "PG_VERSION"):
        file.touch()
    wipe(var, land, tmp_path / "nowhere")
    assert sorted(path.name for path in var.iterdir()) == ["test", LOCK]
    assert not land.exists()
