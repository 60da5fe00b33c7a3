"""Planted secrets on a host: while a leader is built, a customer's database made and a standby copied, nobody who lists
the machine's processes sees one, and no file of a job keeps one."""

import threading
from pathlib import Path
from uuid import uuid4

import pytest

from fleet.jobs import DONE, Look
from tests.clusters import LIMITS, WATCH
from tests.fleet import test_replication as world

ANNA = f"anna-{uuid4().hex}"  # this run's own: others may run the same tests on this machine
CANARIES = {"monitor": WATCH, "replication": world.PASSWORD, "customer": ANNA}
shell, leader = world.shell, world.leader


class Watcher:
    """Somebody on the host who looks at command lines and environments, over and over."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()
        self.looks = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.is_set():
            self.look()
            self._over.wait(0.002)

    def look(self) -> None:
        self.looks += 1
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            for file in ("cmdline", "environ"):
                try:
                    text = (process / file).read_bytes()
                except OSError:
                    continue
                self.seen |= {(name, file) for name, secret in CANARIES.items() if secret.encode() in text}


def test_the_watcher_would_see_one(monkeypatch):
    shown = f"shown-{uuid4().hex}"
    monkeypatch.setitem(CANARIES, "shown", shown)
    watcher = Watcher()
    started = world.LocalShell()
    try:
        with watcher:
            started.run(["sh", "-c", f"sleep 0.3 # {shown}"])
    finally:
        started.close()
    assert ("shown", "cmdline") in watcher.seen


@pytest.fixture
def watched():
    with Watcher() as watcher:
        yield watcher


def test_no_secret_shows_in_a_process_list_or_a_job(watched, leader):
    leader.create("anna", ANNA, LIMITS)
    subject = world.member(leader.shell, "two")
    assert world.stand_by(leader, subject, "copy") == Look(DONE)
    leader.sql("SELECT 1")
    assert watched.looks > 10
    assert watched.seen == set()
    home = Path(leader.shell.home)
    jobs = [path for path in home.rglob("*") if path.is_file() and not _data(path)]
    assert jobs
    for path in jobs:
        text = path.read_bytes()
        assert not [name for name, secret in CANARIES.items() if secret.encode() in text], path
    for log in home.rglob("*/log/postgresql-*"):
        text = log.read_bytes()
        assert not [name for name, secret in CANARIES.items() if secret.encode() in text], log


def _data(path: Path) -> bool:
    """Whether PostgreSQL keeps it in its own directory, where the replication password has to be."""
    return "data" in path.parts
