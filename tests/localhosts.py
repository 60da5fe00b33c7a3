"""Local hosts for tests: a provider in a folder of its own, and commands on its hosts over real SSH."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import asyncssh

from fleet.providers.base import RUNNING, Machine
from fleet.providers.local import processes, spawn
from fleet.providers.local.net import choose_net
from fleet.providers.local.place import Place
from fleet.providers.local.provider import LocalProvider

SOON = 30.0


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until it holds; AssertionError names `what` did not come."""
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


class LocalHosts:
    """`base` is reachable by the owner; the hosts lie in `base/hosts`, and `key` may log in to them."""

    def __init__(self, capacity: int | None = None):
        spawn.ensure_owner()
        self.base = Path(tempfile.mkdtemp(prefix="herdsite-"))
        self.base.chmod(0o755)
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        public = self.base / "key.pub"
        public.write_bytes(self.key.export_public_key())
        root = self.base / "hosts"
        self.provider = LocalProvider(root, choose_net(root), public, capacity)

    def boot(self, name: str, disk_mb: int = 1000) -> Machine:
        """Make the host and wait until it runs."""
        self.provider.create(name, "a", disk_mb)
        return self.running(name)

    def running(self, name: str) -> Machine:
        until(lambda: self.provider.describe(name).state == RUNNING, f"{name} runs")
        return self.provider.describe(name)

    def place(self, name: str) -> Place:
        return self.provider.existing(name)

    def alive(self, name: str) -> list[str]:
        """The command lines of what runs on the host, apart from the host itself."""
        home, found = self.place(name).home, []
        for process in processes.of(home):
            try:
                found.append(" ".join(process.cmdline()))
            except processes.GONE:
                continue
        return [line for line in found if processes.HOST not in line]

    async def connect(self, name: str, **options: object) -> asyncssh.SSHClientConnection:
        """A connection that accepts only the host's own key."""
        machine = self.provider.describe(name)
        known = asyncssh.import_known_hosts(f"[{machine.address}]:{machine.port} {machine.host_key}\n")
        return await asyncssh.connect(
            machine.address,
            machine.port,
            **{
                "username": machine.user,
                "client_keys": [self.key],
                "known_hosts": known,
                "config": None,
                "connect_timeout": SOON,
                **options,
            },
        )

    def run(self, name: str, command: str, stdin: bytes = b"") -> asyncssh.SSHCompletedProcess:
        """Run one command to its end; its outputs are bytes."""

        async def once() -> asyncssh.SSHCompletedProcess:
            async with await self.connect(name) as connection:
                return await connection.run(command, input=stdin, encoding=None, timeout=SOON)

        return asyncio.run(once())

    def close(self) -> None:
        for name in self.provider.names():
            self.provider.destroy(name)
        shutil.rmtree(self.base)
