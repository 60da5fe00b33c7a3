"""Bare PostgreSQL on loopback, without herdsite: what the figures are compared with."""

import time
from pathlib import Path

from fleet.providers.local import spawn
from fleet.providers.local.binaries import binaries

INITDB = (
    "--username=postgres",
    "--auth-local=trust",
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--data-checksums",
)


class Bare:
    """One cluster in `folder`, on 127.0.0.1:`port`, reached by its owner through a socket in `folder`."""

    def __init__(self, folder: Path, port: int, major: int = 17):
        self.folder, self.port, self.bin = spawn.give(folder), port, binaries()[major]
        self.data = folder / "data"

    def init(self) -> None:
        self._run("initdb", "-D", str(self.data), *INITDB)

    def configure(self, lines: str) -> None:
        conf = self.data / "postgresql.conf"
        conf.write_text(conf.read_text() + lines)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-D", str(self.data), "-w", "-s", "-l", str(self.folder / "log"), "-o", options, "start")

    def sql(self, text: str, database: str = "postgres") -> None:
        self._run(
            "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-p", str(self.port),
            "-U", "postgres", "-d", database, stdin=text.encode(),
        )  # fmt: skip

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-s", "stop")

    def _run(self, program: str, *words: str, stdin: bytes = b"") -> None:
        spawn.call([str(self.bin / program), *words], drop=True, stdin=stdin, cwd=self.folder, timeout=600)


def bare_provision(folder: Path, port: int) -> float:
    """Seconds of initdb + start + createdb, nothing else."""
    began = time.monotonic()
    bare = Bare(folder, port)
    bare.init()
    bare.start()
    bare.sql("CREATE DATABASE customer")
    took = time.monotonic() - began
    bare.stop()
    return took
