"""The ground that `up` stands on: one `up` for one `var`, no leftovers of a killed one, and a way to begin anew."""

import contextlib
import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

LOCK = "up.lock"
# The first number that PostgreSQL gives to a database which somebody made; below it are its own.
FIRST_USER_OID = 16384


class Busy(Exception):
    """Another `up` runs on this `var`; the message tells its pid."""


@contextlib.contextmanager
def only_one(var: Path) -> Iterator[None]:
    """Hold this `var` for ourselves. Raises Busy. The lock of a killed process is free by itself."""
    var.mkdir(parents=True, exist_ok=True)
    with (var / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip()
            raise Busy(f"herdsite already runs here (pid {pid}); stop it with Ctrl-C there, or: kill {pid}") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def sweep(pids: Path) -> list[str]:
    """Kill what is left of an `up` that was killed: the sessions noted in `pids`/NAME.pid. Returns their names.

    A number may be somebody else's by now, so only processes that are herdsite's by their command line are touched.
    """
    notes = {int(note.read_text()): note.stem for note in pids.glob("*.pid") if note.read_text().strip().isdigit()}
    swept = set()
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            name = notes.get(os.getsid(process.pid))
            if name and is_ours(process.info["cmdline"] or []):
                os.kill(process.pid, signal.SIGKILL)
                swept.add(name)
    for note in pids.glob("*.pid"):
        note.unlink()
    return sorted(swept)


def is_ours(cmdline: list[str]) -> bool:
    """Whether a command line is that of one of herdsite's own processes."""
    return any(Path(word).name == "manage.py" or word.startswith("herdsite.") for word in cmdline)


def databases_in(folder: Path) -> int:
    """How many databases the PostgreSQL data directories below `folder` hold, copies on standbys included."""
    bases = [control.parent.parent / "base" for control in folder.rglob("global/pg_control")]
    numbers = [int(path.name) for base in bases for path in base.iterdir() if path.name.isdigit()]
    return sum(number >= FIRST_USER_OID for number in numbers)


def wipe(var: Path, *lands: Path) -> None:
    """Remove all that is in `var`, and the `lands` wherever they lie; only our lock and the tests' own folder stay."""
    for land in lands:
        shutil.rmtree(land, ignore_errors=True)
    for path in var.iterdir():
        if path.name in (LOCK, "test"):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
