"""OpenSSH's server on a free loopback port, with keys and a configuration of its own, as whoever we are."""

import os
import pwd
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fleet.providers.local import spawn
from fleet.transports.base import Host
from fleet.transports.ssh import Connections, SshShell

PROGRAM = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

MAKERS = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
}


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def make_key(path: Path, kind: str = "ed25519") -> str:
    """Write a private key for our eyes only; returns the public one, "type base64"."""
    formats = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    key = MAKERS[kind]()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, *formats))
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return public.decode()


class Sshd:
    """One server with a host key of each kind, of which `host` pins the first. `stop` ends it with every session on
    it; `start` brings it up, again on the same port. `login` is what reads the commands that are sent, in the place of
    the user's login shell; `more` are lines of its configuration."""

    def __init__(self, folder: Path, *kinds: str, login: str = "", more: str = "", address: str = "127.0.0.1"):
        self.port, self.key = free_port(address), folder / "user_key"
        self.process: psutil.Process | None = None
        self._orphans: list[psutil.Process] = []
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        (folder / "authorized_keys").write_text(make_key(self.key) + "\n")
        keys = {kind: make_key(folder / f"host_{kind}", kind) for kind in kinds}
        self.host = Host("h1", address, self.port, pwd.getpwuid(os.geteuid()).pw_name, keys[kinds[0]])
        self.config = folder / "config"
        lines = "\n".join(f"HostKey {folder}/host_{kind}" for kind in kinds)
        self.config.write_text(
            f"""{lines}
            ListenAddress {f"[{address}]" if ":" in address else address}:{self.port}
            AuthorizedKeysFile {folder}/authorized_keys
            PidFile none
            SetEnv HOME={folder}
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            PermitRootLogin prohibit-password
            {more}
            """
            + (f'ForceCommand {login} "$SSH_ORIGINAL_COMMAND"\n' if login else "")
        )

    def shell(self, pool: Connections, **changes: str) -> SshShell:
        """A Shell to it; `changes` are made to its Host."""
        return SshShell(replace(self.host, **changes), self.key, pool)

    def start(self) -> None:
        assert PROGRAM, "no sshd here"
        self.process = psutil.Process(spawn.start([PROGRAM, "-D", "-f", str(self.config)]).pid)
        for _ in range(200):
            with suppress(ConnectionRefusedError), socket.create_connection((self.host.address, self.port)):
                return
            time.sleep(0.05)
        raise RuntimeError("sshd did not come up")

    def processes(self) -> list[psutil.Process]:
        """The listener first, then the sessions and what runs in them."""
        return [self.process, *self.process.children(recursive=True)] if self.process else []

    def hang_up(self) -> None:
        """End every session, as a restart of the machine would; the listener stays."""
        for each in self.processes()[1:]:
            with suppress(psutil.NoSuchProcess):
                each.kill()

    def close_the_door(self) -> None:
        """The listener is gone, and every session lives on."""
        assert self.process
        self._orphans += self.process.children(recursive=True)
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def stop(self) -> None:
        processes, self.process, self._orphans = self.processes() + self._orphans, None, []
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(processes, timeout=10)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It accepts connections (the kernel does) and answers nothing."""
        stopped = self.processes()
        for each in stopped:
            with suppress(psutil.NoSuchProcess):
                each.suspend()
        try:
            yield
        finally:
            for each in stopped:
                with suppress(psutil.NoSuchProcess):
                    each.resume()
