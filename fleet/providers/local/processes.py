"""The processes of a local host: those whose working directory lies in its home.

PostgreSQL changes into its data directory and detached commands keep the directory they were started in, so this
finds all of them, also when the host's own process is gone. A process with a terminal is a person who looks around,
and no part of the host.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from fleet.providers.base import ProviderError
from fleet.providers.local import spawn
from fleet.providers.local.place import Place

HOST = "fleet.providers.local.host"
PASSES = 100
PATIENCE = 1.0
TICK = 0.005
GONE = (psutil.NoSuchProcess, ProcessLookupError)


def of(home: Path) -> dict[psutil.Process, str]:
    """All that live below `home`, each with its working directory, the host's own process first."""
    inside = {pid: folder for pid, folder in _folders().items() if _below(folder, home)}
    found = {process: inside[pid] for pid in inside if (process := _alive(pid)) and not _has_terminal(pid)}
    return dict(sorted(found.items(), key=lambda item: not _is_host(item[0], home)))


def host(place: Place) -> psutil.Process | None:
    """The process that is this host; None when it is dead or was never started."""
    try:
        process = _alive(int(place.pid.read_text()))
    except (FileNotFoundError, ValueError):
        return None
    return process if process and _is_host(process, place.home) else None


def is_paused(process: psutil.Process) -> bool:
    """Whether it is stopped by a signal."""
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except GONE:
        return False


def kill(home: Path) -> None:
    """SIGKILL all; returns when none is left.

    The host's own process is told to hang up first: it starts nothing new, and nobody outside sees half a host. It
    dies last, because it buries the others (init.py).
    """
    for _ in range(PASSES):
        doomed = of(home)
        if not doomed:
            return
        hosts = [process for process in doomed if _is_host(process, home)]
        others = [process for process in doomed if process not in hosts]
        for process in hosts:
            _hang_up(process, Place(home))
        _kill(others)
        if hosts:
            _wait(partial(_buried, others))
        _kill(hosts)
        _wait(lambda: not of(home))
        psutil.wait_procs(hosts, timeout=0)  # a host that we started is ours to bury
    raise ProviderError(f"some processes in {home} will not die: {', '.join(str(one.pid) for one in doomed)}")


def pause(home: Path) -> None:
    """SIGSTOP all; returns when a pass finds none that runs."""
    each(home, psutil.Process.suspend)


def resume(home: Path) -> None:
    """SIGCONT all."""
    each(home, psutil.Process.resume)


def each(home: Path, act: Callable[[psutil.Process], None]) -> None:
    """Do `act` once to every process below `home`, until a pass finds no new one (they may fork meanwhile)."""
    done: set[psutil.Process] = set()
    for _ in range(PASSES):
        new = [process for process in of(home) if process not in done]
        if not new:
            return
        for process in new:
            with suppress(*GONE):
                act(process)
        done.update(new)
    raise ProviderError(f"processes in {home} start faster than they can be reached")


def _hang_up(process: psutil.Process, place: Place) -> None:
    """Have the host leave its network; one that is frozen has left it, one that is slow has had its time."""
    with suppress(*GONE):
        if not is_paused(process):
            process.terminate()
            _wait(lambda: not place.ready.exists())


def _kill(doomed: list[psutil.Process]) -> None:
    for process in doomed:
        with suppress(*GONE):
            process.kill()


def _buried(dead: list[psutil.Process]) -> bool:
    """Whether none of them is left on the process table, not even as a zombie."""
    return not any(process.is_running() for process in dead)


def _wait(condition: Callable[[], bool]) -> None:
    """Until it holds, or patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(TICK)


def _alive(pid: int) -> psutil.Process | None:
    """The process, unless it is gone, a zombie, or ourselves."""
    try:
        process = psutil.Process(pid)
        return None if pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE else process
    except GONE:
        return None


def _is_host(process: psutil.Process, home: Path) -> bool:
    """One that is just being started has no command line for an instant; then its folder must do."""
    try:
        line = process.cmdline()
        return line[-3:] == ["-m", HOST, str(home)] if line else process.cwd() == str(home)
    except psutil.Error:
        return False


def _has_terminal(pid: int) -> bool:
    """Field 7 of its stat, counted from behind the command's name, which may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[4] != "0"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _below(folder: str, home: Path) -> bool:
    folder = folder.removesuffix(" (deleted)")
    return folder == str(home) or folder.startswith(f"{home}/")


def _folders() -> dict[int, str]:
    """The working directory of every process whose we may know, by process number."""
    known, hidden = {}, False
    for process in psutil.process_iter():
        try:
            known[process.pid] = process.cwd()
        except psutil.AccessDenied:
            hidden = True
        except GONE:
            continue
    return known | _folders_of_owner() if hidden and os.geteuid() == 0 else known


def _folders_of_owner() -> dict[int, str]:
    """The same, asked as the owner: in a container, root may be denied a look at the processes of others."""
    said = spawn.call(["/bin/sh", "-c", "ls -l /proc/[0-9]*/cwd 2>/dev/null; true"], drop=True).stdout
    links = (line.partition(" -> ") for line in said.decode(errors="surrogateescape").splitlines())
    return {int(link.split("/")[-2]): folder for link, _, folder in links if folder}
