"""Keeps processes alive: a Procfile's worth of them, each started again when it ends, until we are told to stop.

Honcho's own manager ends them all when one ends; herdsite must live through the loss of any of them. One thread, one
pipe a process. `die_with_parent` is the other half: nothing that was started here survives the supervisor, not even
when the supervisor gets no chance to say so.
"""

import ctypes
import os
import selectors
import shlex
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fleet.providers.local import spawn

FIRST_PAUSE, LONGEST_PAUSE, SETTLED, GRACE = 0.2, 10.0, 30.0, 10.0  # seconds
PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int = 0) -> None:
    """Have the kernel kill this process (SIGKILL) when the thread that forked it ends. Linux only; else does nothing.

    `parent` is the pid that must still be our parent: if it died before the kernel knew, we end here and now.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None:
        return
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent and os.getppid() != parent:
        os._exit(1)


def children_die_with_us() -> None:
    """Have every process that this one forks from now on, and their forks, die with their parent.

    For what forks by itself, as a django-q cluster does. What `spawn.start` starts is not meant and not touched: it
    doesn't pass through Python's fork. Fork from a thread that lives as long as the child is to live.
    """
    forker = [os.getpid()]

    def remember() -> None:
        forker[0] = os.getpid()

    os.register_at_fork(before=remember, after_in_child=lambda: die_with_parent(forker[0]))


def next_pause(pause: float, lived: float) -> float:
    """Seconds to wait before the next start of what waited `pause` before this one and then lived `lived` seconds."""
    if pause == 0 or lived >= SETTLED:
        return FIRST_PAUSE
    return min(pause * 2, LONGEST_PAUSE)


class Running(Protocol):
    """The part of a started process that is needed here."""

    pid: int

    def poll(self) -> int | None: ...


@dataclass
class Child:
    """One process of the Procfile. Times are monotonic seconds; `due` is when to start it, None when not to."""

    name: str
    command: str
    once: bool = False
    due: float | None = 0.0
    pause: float = 0.0
    since: float = 0.0
    process: Running | None = None
    pipe: int = -1
    rest: bytes = field(default=b"", repr=False)
    code: int | None = None


class Supervisor:
    """Runs commands in `cwd` with `env`, hands each line they write to `say(name, line)`, and calls `tick()` often.

    `pids` is a folder where NAME.pid tells, while a process runs, its number. The supervisor's own words go to
    `say("up", …)`.
    """

    def __init__(
        self,
        say: Callable[[str, str], None],
        cwd: Path,
        env: dict[str, str],
        pids: Path,
        tick: Callable[[], None] = lambda: None,
    ):
        self.say, self.cwd, self.env, self.pids, self.tick = say, cwd, env, pids, tick
        self.children: dict[str, Child] = {}
        self.selector = selectors.DefaultSelector()
        self.asked = 0
        self.stopping: float | None = None
        pids.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, command: str, once: bool = False) -> Child:
        """Have a process run from now on; `once` lets it end well (exit code 0) and not be started again."""
        self.children[name] = Child(name, command, once)
        return self.children[name]

    def stop(self) -> None:
        """Have every process end (SIGTERM), and `run` return when they have. Asked again, or after a grace, it kills.

        Only leaves word for `run`, so a signal handler may call it.
        """
        self.asked += 1

    def run(self) -> None:
        """Keep the processes alive until `stop` was called and all of them have ended."""
        while any(child.process or child.due is not None for child in self.children.values()):
            for child in self.children.values():
                if child.process is None and child.due is not None and child.due <= time.monotonic():
                    self._start(child)
            for key, _ in self.selector.select(timeout=0.1):
                self._read(key.data)
            for child in self.children.values():
                if child.process is not None and (code := child.process.poll()) is not None:
                    self._ended(child, code)
            self.tick()
            self._heed()

    def _heed(self) -> None:
        """Do what `stop` asked for."""
        if self.asked and self.stopping is None:
            self.stopping = time.monotonic()
            for child in self.children.values():
                child.due = None
                if child.process:
                    os.kill(child.process.pid, signal.SIGTERM)
        if self.stopping is not None and (self.asked > 1 or time.monotonic() - self.stopping > GRACE):
            for child in self.children.values():
                if child.process:
                    _kill_group(child.process.pid)

    def _start(self, child: Child) -> None:
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        # The shell gives way to this module, which ties the process to us and gives way to the command itself.
        shell = f"exec {shlex.quote(sys.executable)} -m herdsite.supervise {os.getpid()} {child.command}"
        child.process = spawn.start(["/bin/sh", "-c", shell], cwd=self.cwd, env=self.env, log=theirs)
        os.close(theirs)
        child.pipe, child.since, child.due = ours, time.monotonic(), None
        self.selector.register(ours, selectors.EVENT_READ, child)
        (self.pids / f"{child.name}.pid").write_text(f"{child.process.pid}\n")

    def _read(self, child: Child) -> bool:
        """Pass on what it has written so far; whether there was any."""
        try:
            data = os.read(child.pipe, 65536)
        except BlockingIOError:
            return False
        if not data:
            self._close(child)
            return False
        *lines, child.rest = (child.rest + data).split(b"\n")
        for line in lines:
            self.say(child.name, line.decode(errors="replace"))
        return bool(data)

    def _close(self, child: Child) -> None:
        if child.pipe >= 0:
            self.selector.unregister(child.pipe)
            os.close(child.pipe)
            child.pipe = -1

    def _ended(self, child: Child, code: int) -> None:
        """Take the rest of its family with it, hear its last words, and plan its next start."""
        assert child.process is not None
        _kill_group(child.process.pid)
        while child.pipe >= 0 and self._read(child):
            pass
        if child.rest:
            self.say(child.name, child.rest.decode(errors="replace"))
        self._close(child)
        (self.pids / f"{child.name}.pid").unlink(missing_ok=True)
        child.process, child.code, child.rest = None, code, b""
        if self.stopping is not None or (child.once and code == 0):
            return
        now = time.monotonic()
        child.pause = next_pause(child.pause, now - child.since)
        child.due = now + child.pause
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        self.say("up", f"level=warning event=restart process={child.name} why={how!r} in_s={child.pause:g}")


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def main() -> None:
    """`python -m herdsite.supervise PARENT COMMAND…`: become COMMAND, and die with PARENT."""
    die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
