"""herdsite's own database: a PostgreSQL 17 from the wheel, living in var/, for when DATABASE_URL is not set.

It outlives whoever started it and is taken up again by the next start, on the port it had. Settings read only `url`,
a file; nothing here needs Django, so it can run before Django is set up. Its superuser has no password
and so can't log in: everything herdsite does, it does as the owner of its database.
"""

import contextlib
import random
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from fleet.providers.local import spawn
from fleet.providers.local.binaries import binaries
from fleet.providers.local.place import locked

MAJOR = 17
ADDRESS = "127.0.0.1"
# Below the range from which the kernel takes the ports of outgoing connections, so that a port stays ours.
PORTS = range(15432, 32768)
INITDB = (
    "--username=postgres",
    "--auth-local=reject",
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
)
# Written into postgresql.conf once, for the operator to change. Durability is PostgreSQL's default: everything on.
SETTINGS = {
    "listen_addresses": ADDRESS,
    "unix_socket_directories": "",
    "max_connections": 200,
    "shared_buffers": "128MB",
    "wal_compression": "on",
    "log_line_prefix": "%m [%p] %a ",
    "log_checkpoints": "off",
}


def url_file(var: Path) -> Path:
    """Where `start` leaves the URL: beside the data, in a folder that stays ours and not PostgreSQL's."""
    return var / "postgres.url"


def url(var: Path) -> str | None:
    """The URL of the embedded database of this `var`, or None when there is none yet. Reads one file."""
    try:
        return url_file(var).read_text().strip() or None
    except FileNotFoundError:
        return None


class Embedded:
    """The embedded database of one `var` folder."""

    def __init__(self, var: Path):
        self.var = var
        self.root = spawn.land(var / "postgres")
        self.data = self.root / "data"
        self.log = self.root / "log"

    def start(self) -> str:
        """Make the database if there is none, start it if it does not run, and return its URL.

        Raises RuntimeError with the last of its log when it does not come up.
        """
        self.var.mkdir(parents=True, exist_ok=True)
        spawn.give(self.root)
        with locked(self.root):
            if not self.data.exists():
                self._make()
            if not self.running():
                self._clear_away()
                self._launch()
            self._write_url(self._port())
        return self.url()

    def stop(self) -> None:
        """Stop it; does nothing when it does not run. What still waits for a client after 20 s is cut off."""
        if not self.root.exists():
            return
        with locked(self.root):
            if not self.running():
                return
            try:
                self._pg_ctl("stop", "-m", "fast", "-t", "20")
            except RuntimeError:
                self._pg_ctl("stop", "-m", "immediate")

    def running(self) -> bool:
        """Whether a postmaster of ours lives: the one in postmaster.pid, and started for our data directory."""
        return self._postmaster() is not None

    def url(self) -> str:
        """Its URL. Raises RuntimeError when there is none."""
        found = url(self.var)
        if not found:
            raise RuntimeError(f"{url_file(self.var)} is missing: never started, or its password is lost")
        return found

    def _make(self) -> None:
        """initdb, role and database in a folder that gets its real name last: all of it, or none."""
        part = self.root / "data.part"
        shutil.rmtree(part, ignore_errors=True)
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        self._pg("initdb", "-D", str(part), *INITDB, *settings)
        password = secrets.token_urlsafe(32)
        said = self._pg(
            *("postgres", "--single", "-D", str(part), "postgres"),
            stdin=f"CREATE ROLE herdsite LOGIN CREATEDB PASSWORD '{password}'\n"
            "CREATE DATABASE herdsite OWNER herdsite\n",
        )
        if "ERROR" in said:
            raise RuntimeError(f"could not make herdsite's own database: {said}")
        self._write_url(_own_port(), password)
        part.rename(self.data)

    def _launch(self) -> None:
        """Start on the port it had; on another one when somebody took that port meanwhile."""
        for _ in range(5):
            port = self._port()
            if not is_free(ADDRESS, port):
                port = _own_port()
                self._write_url(port)
            if self.log.exists():
                self.log.replace(self.root / "log.old")
            try:
                self._pg_ctl("start", "-l", str(self.log), "-o", f"-p {port}", "-t", "150")
                return
            except RuntimeError as error:
                said = self.log.read_text(errors="replace") if self.log.exists() else str(error)
                if "Address already in use" not in said:
                    raise RuntimeError(f"herdsite's own database does not start: {said[-2000:]}") from error
        raise RuntimeError(f"found no free port on {ADDRESS} for herdsite's own database")

    def _clear_away(self) -> None:
        """After a kill -9: see the last backend gone, then drop a pid file whose number is somebody else's by now.

        One whose number is nobody's is left to PostgreSQL, which frees the shared memory that is noted in it.
        """
        until = time.monotonic() + 10
        while left := [process for process in psutil.process_iter() if _lives_in(process, self.data)]:
            if time.monotonic() > until:
                for process in left:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
            time.sleep(0.05)
        pid_file = self.data / "postmaster.pid"
        if pid_file.exists() and psutil.pid_exists(int(pid_file.read_text().split("\n")[0] or 0)):
            pid_file.unlink()

    def _postmaster(self) -> list[str] | None:
        """The lines of postmaster.pid if the process it names is ours, else None."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return lines if _is_postmaster(psutil.Process(int(lines[0])), self.data) else None
        except (FileNotFoundError, psutil.Error, IndexError, ValueError):
            return None

    def _port(self) -> int:
        """The port it runs on, or had when it last ran."""
        lines = self._postmaster()
        return int(lines[3]) if lines and len(lines) > 3 else urlsplit(self.url()).port or 0

    def _write_url(self, port: int, password: str = "") -> None:
        password = password or urlsplit(self.url()).password or ""
        part = url_file(self.var).with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(f"postgres://herdsite:{password}@{ADDRESS}:{port}/herdsite\n")
        part.rename(url_file(self.var))

    def _pg_ctl(self, verb: str, *words: str) -> None:
        self._pg("pg_ctl", verb, "-w", "-s", "-D", str(self.data), *words)

    def _pg(self, program: str, *words: str, stdin: str = "") -> str:
        """Run one of PostgreSQL's programs as the owner; what it wrote to stderr."""
        argv = [str(binaries()[MAJOR] / program), *words]
        done = spawn.call(argv, drop=True, cwd=self.root, stdin=stdin.encode(), timeout=180)
        return done.stderr.decode(errors="replace")


def _is_postmaster(process: psutil.Process, data: Path) -> bool:
    """Whether it was started to serve that data directory."""
    words = process.cmdline()
    return len(words) > 2 and Path(words[0]).name == "postgres" and words[1:3] == ["-D", str(data)]


def _lives_in(process: psutil.Process, data: Path) -> bool:
    """Whether it is a PostgreSQL process of that data directory: all of them stay in it from first to last."""
    try:
        return process.name() == "postgres" and Path(process.cwd()) == data.resolve()
    except psutil.Error:
        return False


def _own_port() -> int:
    """A free port, at random, so that several herdsites on a machine do not go for the same one."""
    return free_port(ADDRESS, random.sample(PORTS, len(PORTS)))


def is_free(address: str, port: int) -> bool:
    """Whether somebody could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_port(address: str, ports: Iterable[int]) -> int:
    """The first of these ports that is free on the address. Raises RuntimeError when none is."""
    for port in ports:
        if is_free(address, port):
            return port
    raise RuntimeError(f"no free port on {address}")


def main() -> None:
    """`python -m herdsite.embedded start|stop VAR`: for scripts. `start` prints the URL."""
    if len(sys.argv) != 3 or sys.argv[1] not in ("start", "stop"):
        sys.exit(main.__doc__)
    spawn.ensure_owner()
    embedded = Embedded(Path(sys.argv[2]).resolve())
    if sys.argv[1] == "start":
        sys.stdout.write(embedded.start() + "\n")
    else:
        embedded.stop()


if __name__ == "__main__":
    main()
