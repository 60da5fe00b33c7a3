"""A real PostgreSQL 17 on a free loopback port, with or without TLS, that asks for passwords."""

import datetime
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sshd import free_port

from fleet.providers.local import spawn
from fleet.providers.local.binaries import binaries
from fleet.transports.base import Database
from fleet.transports.sql import PsycopgSql

PASSWORD = "it's a \\ secret"
CONFIG = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
lc_messages = 'C'
"""


class RealPostgres:
    """`database` is as the role `looker`, which owns the table `kept`; `stop` ends the server and takes it away."""

    def __init__(self, tls: bool = True):
        spawn.ensure_owner()
        self.sql, self.port, self.programs = PsycopgSql(), free_port(), binaries()[17]
        self.home = Path(tempfile.mkdtemp(prefix="herdsite-pg-"))
        spawn.give(self.home, 0o755)
        self.data = self.home / "data"
        (self.home / "password").write_text(PASSWORD)
        self._run(
            "initdb", "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={self.home}/password", "-N", "--no-locale"
        )
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"{CONFIG}port = {self.port}\nssl = {'on' if tls else 'off'}\n")
        if tls:
            self._certificate()
        self._run("pg_ctl", "-w", "-l", f"{self.home}/log", "start")
        self.admin = Database("127.0.0.1", self.port, "postgres", "postgres", PASSWORD, "require" if tls else "prefer")
        self.database = replace(self.admin, user="looker")
        try:
            self._people()
        except BaseException:
            self.stop()
            raise

    def _people(self) -> None:
        literal = PASSWORD.replace("'", "''")
        statements = [
            f"CREATE ROLE looker LOGIN PASSWORD '{literal}'",
            "CREATE TABLE public.kept (n int)",
            "ALTER TABLE public.kept OWNER TO looker",
        ]
        self.sql.fetch(self.admin, statements, timeout=10, read_only=False)

    def _run(self, program: str, *arguments: str) -> None:
        spawn.call([str(self.programs / program), "-D", str(self.data), *arguments], drop=True, cwd=self.home)

    def _certificate(self) -> None:
        key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
        now = datetime.datetime.now(datetime.UTC)
        draft = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        draft = draft.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        pem, formats = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        secret = key.private_bytes(pem, formats, serialization.NoEncryption())
        for file, content in ("server.key", secret), ("server.crt", draft.sign(key, hashes.SHA256()).public_bytes(pem)):
            path = self.data / file
            path.touch(mode=0o600)
            path.write_bytes(content)
            shutil.chown(path, self.data.stat().st_uid)

    def _processes(self) -> list[psutil.Process]:
        postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        return [postmaster, *postmaster.children()]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The kernel accepts connections, and nothing answers."""
        with halted(self._processes()):
            yield

    @contextmanager
    def frozen_backend(self) -> Iterator[None]:
        """Waits until `looker` runs a statement, then freezes that backend alone."""
        running = "SELECT pid FROM pg_stat_activity WHERE usename = 'looker' AND state = 'active'"
        for _ in range(600):
            (found,) = self.sql.fetch(self.admin, [running])
            if found:
                break
            time.sleep(0.02)
        with halted([psutil.Process(row["pid"]) for row in found]):
            yield

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(self.home)


@contextmanager
def halted(processes: list[psutil.Process]) -> Iterator[None]:
    assert processes, "nothing to halt"
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.suspend()
    try:
        yield
    finally:
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.resume()
