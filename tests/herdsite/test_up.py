"""`up` for real, without a demo herd: it comes up, lives through kill -9 of any part and of all, and leaves nothing."""

import contextlib
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from fleet.providers.local import spawn
from herdsite.embedded import Embedded
from tests.liveherd import portal_port

pytestmark = pytest.mark.live
BASE_DIR = Path(__file__).parents[2]
PROCESSES = {"web", "clock", "feel", "suspect", "work", "slow"}


def until(check, process=None):
    end = time.monotonic() + 90
    while not (found := check()):
        assert process is None or process.poll() is None, "up ended"
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)
    return found


class Site:
    """A herdsite of its own in `var`."""

    def __init__(self, var: Path):
        self.var, self.output = var, var.parent / "output"
        self.env = {
            key: value for key, value in os.environ.items() if not key.startswith(("HERDSITE_", "DATABASE_URL"))
        }
        self.env["HERDSITE_VAR"] = str(var)
        self.port = portal_port()
        self.process = None

    def argv(self, *words):
        return [sys.executable, "manage.py", "up", "--empty", f"--port={self.port}", *words]

    def start(self):
        with self.output.open("wb") as output:
            self.process = spawn.start(self.argv(), cwd=BASE_DIR, env=self.env, log=output)
        until(lambda: "Ctrl-C stops everything" in self.output.read_text(), self.process)
        return self.output.read_text()

    def call(self, *words, stdin=b""):
        return spawn.call(self.argv(*words), cwd=BASE_DIR, env=self.env, stdin=stdin).stdout.decode()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=90)

    def pid(self, name):
        note = self.var / "run" / f"{name}.pid"
        return int(note.read_text() or 0) if note.exists() else 0

    def family(self):
        """Every process that lives from this `var`, by its environment or its working directory."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                mine = process.environ().get("HERDSITE_VAR") == str(self.var)
                if process.status() != psutil.STATUS_ZOMBIE and (mine or process.cwd().startswith(str(self.var))):
                    found.append(process)
        return found


@pytest.fixture(scope="module")
def site():
    spawn.ensure_owner()
    folder = Path(tempfile.mkdtemp(prefix="herdsite-"))
    folder.chmod(0o755)
    site = Site(folder / "var")
    yield site
    if site.process and site.process.poll() is None:
        site.process.kill()
        site.process.wait()
    if site.var.exists():
        Embedded(site.var).stop()
    shutil.rmtree(folder)


@pytest.fixture
def up(site):
    if site.process is None or site.process.poll() is not None:
        site.start()
    return site


def test_it_comes_up_and_says_where_and_as_whom(up):
    """Only the command itself starts every process and prints an address that answers."""
    said = up.output.read_text()
    assert f"http://127.0.0.1:{up.port}/" in said
    assert f"operator / {(up.var / 'operator_password').read_text().strip()}" in said
    with urllib.request.urlopen(f"http://127.0.0.1:{up.port}/healthz", timeout=30) as answer:
        assert answer.status == 200
    assert {path.stem for path in (up.var / "run").iterdir()} == PROCESSES


def test_a_second_one_is_refused(up):
    """Only a second process can find the lock of the first one taken."""
    with pytest.raises(RuntimeError, match=rf"already runs here \(pid {up.process.pid}\)"):
        up.call()


@pytest.mark.parametrize("name", ["web", "clock", "work"])
def test_a_killed_process_is_replaced(up, name):
    """Only real children of a real supervisor can be killed under it."""
    before = until(lambda: up.pid(name))
    os.killpg(before, signal.SIGKILL)
    until(lambda: up.pid(name) not in (0, before), up.process)


def test_a_killed_database_is_brought_back(up):
    """Only a real database that is killed under all processes shows that they live through it."""
    embedded = Embedded(up.var)
    before = embedded.url()
    os.kill(int((embedded.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    until(lambda: not embedded.running())
    until(embedded.running, up.process)
    assert embedded.url() == before


def test_after_kill_9_of_everything_the_next_start_goes_on(up):
    """Only kill -9 leaves what nobody could tidy: pid files, locks and a database in the middle of something."""
    password = (up.var / "operator_password").read_text()
    for process in up.family():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    up.process.wait()
    until(lambda: not up.family())
    said = up.start()
    assert f"operator / {password.strip()}" in said


def names(family: list[psutil.Process]) -> set[str]:
    """What they are called, those of them that are there still."""
    found = set()
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.add(process.name())
    return found


def test_nothing_survives_a_killed_up_but_what_the_next_one_takes_up(up):
    """Only the kernel ends the children of a process that was killed."""
    up.end(signal.SIGKILL)
    until(lambda: names(up.family()) <= {"postgres"})
    up.start()


def test_a_taken_port_is_said_and_another_one_is_taken(up):
    """Only a socket that listens makes a port taken."""
    up.end()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", up.port))
        squatter.listen()
        said = up.start()
        assert f"port {up.port} is taken; taking " in said
        assert re.search(rf"address +http://127\.0\.0\.1:(?!{up.port})\d+/", said)
        up.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_everything_that_it_started(up, number):
    """Only real signals to a real family of processes show that none is left."""
    assert up.end(number) == 0
    assert up.family() == []
    assert list((up.var / "run").iterdir()) == []


def test_a_bad_database_url_is_told_in_one_line(site):
    """Only the command itself can end with a traceback, or leave processes when it does."""
    if site.process and site.process.poll() is None:
        site.end()
    env = site.env | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"}
    with pytest.raises(RuntimeError, match=r"CommandError: can't connect to nobody@127.0.0.1:1/nothing") as caught:
        spawn.call(site.argv(), cwd=BASE_DIR, env=env)
    assert "Traceback" not in str(caught.value)
    assert site.family() == []


def test_reset_asks_and_then_begins_anew(site):
    """Only a folder that was really in use shows that all of it is made anew."""
    if site.process and site.process.poll() is None:
        site.end()
    secret = (site.var / "secret_key").read_text()
    with pytest.raises(RuntimeError, match="nothing was done"):
        site.call("--reset", stdin=b"yes\n")
    assert (site.var / "secret_key").read_text() == secret
    with site.output.open("wb") as output:
        site.process = spawn.start(site.argv("--reset", "--yes"), cwd=BASE_DIR, env=site.env, log=output)
    until(lambda: "Ctrl-C stops everything" in site.output.read_text(), site.process)
    assert "This destroys 0 databases on 0 local hosts" in site.output.read_text()
    assert (site.var / "secret_key").read_text() != secret
    site.end()
