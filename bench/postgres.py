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

    def ask(self, text: str) -> str:
        """What a query says; "" while nobody answers."""
        try:
            return self._run(
                "psql", "-X", "-q", "-At", "-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-c", text
            ).strip()
        except RuntimeError:
            return ""

    def copy_of(self, source: "Bare") -> None:
        """A standby of it, by pg_basebackup."""
        self._run(
            "pg_basebackup", "-h", str(source.folder), "-p", str(source.port), "-U", "postgres",
            "-D", str(self.data), "-X", "stream", "--checkpoint=fast", "-R",
        )  # fmt: skip

    def restored(self, backup: Path, wal: Path) -> None:
        """A copy of a base backup that is going to replay what lies in `wal`, compressed."""
        spawn.call(["cp", "-a", str(backup), str(self.data)], drop=True, cwd=self.folder, timeout=600)
        files = {
            "postgresql.conf": "restore_command = 'test -e %s && gzip -dc %s > %%p'\n" % ((f"{wal}/%f.gz",) * 2)
            + "recovery_target_action = 'promote'\narchive_mode = off\nmax_connections = 400\nmax_wal_senders = 20\n",
            "postgresql.auto.conf": "",
            "pg_hba.conf": "local all all trust\n",
            "recovery.signal": "",
        }
        for name, text in files.items():
            spawn.call(["sh", "-c", 'cat > "$1"', "sh", str(self.data / name)], drop=True, stdin=text.encode())

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-s", "stop")

    def _run(self, program: str, *words: str, stdin: bytes = b"") -> str:
        done = spawn.call([str(self.bin / program), *words], drop=True, stdin=stdin, cwd=self.folder, timeout=600)
        return done.stdout.decode()


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
