"""Ways to break a local host, each as the real thing would look from the outside, and `heal`, which undoes them all.

Every function takes the provider and the host's name, and raises ProviderError where there is no such host. To break
a host leaves it switched on, so `power_on` brings it back too.
"""

import json
from contextlib import suppress
from pathlib import Path

import psutil

from fleet.providers.base import ProviderError
from fleet.providers.local import disk, processes, timepiece
from fleet.providers.local.place import Place
from fleet.providers.local.provider import LocalProvider

DIRECTIONS = {"both": (True, True), "in": (True, False), "out": (False, True)}


def kill_postgres(provider: LocalProvider, name: str, data_dir: str | None = None) -> list[str]:
    """SIGKILL the postmasters of the host, or the one of `data_dir`, and return their data directories.

    Only the postmaster is killed: its children see that it is gone and end by themselves.
    """
    killed = []
    for process, folder in processes.of(provider.existing(name).home).items():
        if data_dir in (None, folder) and _is_postmaster(process, folder):
            process.kill()
            killed.append(folder)
    if not killed:
        raise ProviderError(f"no PostgreSQL runs on {name}" + (f" in {data_dir}" if data_dir else ""))
    return sorted(killed)


def stop_postgres(provider: LocalProvider, name: str, data_dir: str) -> None:
    """Freeze the postmaster of `data_dir` and its children: it still accepts connections, and never answers."""
    frozen = [process for process, folder in processes.of(provider.existing(name).home).items() if folder == data_dir]
    if not frozen:
        raise ProviderError(f"no PostgreSQL runs on {name} in {data_dir}")
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.suspend()


def part(provider: LocalProvider, name: str) -> None:
    """Hold what its PostgreSQL sends to standbys and what it receives as one, as if the network between it and its
    peers was cut and to nobody else. `heal` of the host lets it go on."""
    for process in processes.of(provider.existing(name).home):
        with suppress(psutil.NoSuchProcess):
            if any(worker in " ".join(process.cmdline()) for worker in ("walsender", "walreceiver")):
                process.suspend()


def corrupt_config(provider: LocalProvider, name: str, data_dir: str) -> None:
    """Write what PostgreSQL can't read into its postgresql.conf: what runs goes on, and would not start again."""
    conf = Path(data_dir, "postgresql.conf")
    if provider.existing(name).home not in conf.parents or not conf.exists():
        raise ProviderError(f"there is no {conf} on {name}")
    with conf.open("a") as file:
        file.write("shared_buffers = 'a lot'\n")


def kill_host(provider: LocalProvider, name: str) -> None:
    """SIGKILL everything on the host: the machine is lost until somebody starts it."""
    processes.kill(provider.existing(name).home)


def pause_host(provider: LocalProvider, name: str) -> None:
    """Freeze everything on the host; it still accepts connections, as the kernel does that, and never answers."""
    processes.pause(provider.existing(name).home)


def cut_network(provider: LocalProvider, name: str, direction: str = "both") -> None:
    """Hold what goes to the host ("in"), what it answers ("out") or both. Takes effect within a tenth of a second.

    Connections that the host opened itself are not held (see wire.py): to isolate a standby from its leader, cut the
    leader or pause the standby.
    """
    if direction not in DIRECTIONS:
        raise ProviderError(f"{direction!r} is no direction: one of {', '.join(DIRECTIONS)}")
    _rule(provider.existing(name), *DIRECTIONS[direction])


def fill_disk(provider: LocalProvider, name: str) -> None:
    """Fill the host's disk: df says 100 % and no process of the host, nor one that it starts, can write to a file.

    What that is not: see disk.py.
    """
    place = provider.existing(name)
    draft = place.ours / "ballast.draft"
    with draft.open("wb") as file:
        file.truncate(place.read().disk_mb << 20)
    draft.chmod(0o644)
    draft.replace(place.ballast)
    _limit(place.home, full=True)


def skew_clock(provider: LocalProvider, name: str, seconds: float) -> None:
    """Put the host's clock so many seconds ahead (behind, if negative). What that is not: see timepiece.py."""
    timepiece.skew(provider.existing(name), seconds)


def heal(provider: LocalProvider, name: str) -> None:
    """Undo everything: wake the host up, let bytes pass, give the disk back, set the clock, and start it if it
    is off."""
    place = provider.existing(name)
    processes.resume(place.home)
    _rule(place, False, False)
    timepiece.mend(place)
    if place.ballast.exists():
        place.ballast.unlink()
        _limit(place.home, full=False)
    provider.start(name)


def _rule(place: Place, inward: bool, outward: bool) -> None:
    place.put(place.rules, json.dumps({"in": inward, "out": outward}))


def _limit(home: Path, full: bool) -> None:
    try:
        processes.each(home, lambda process: disk.limit(process.pid, full))
    except (OSError, RuntimeError) as error:
        raise ProviderError(f"can't limit what the host's processes write: {error}") from error


def _is_postmaster(process: psutil.Process, folder: str) -> bool:
    """Whether the first line of postmaster.pid, in the folder where the process works, is its number."""
    try:
        return Path(folder, "postmaster.pid").read_text().splitlines()[0] == str(process.pid)
    except (OSError, IndexError):
        return False
