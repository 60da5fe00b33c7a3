"""What the contracts are held against: fakes, local hosts, OpenSSH's server and real PostgreSQL, all on loopback.

A Shell's rig has `host`, `shell(pool)`, `start`, `stop`, and `frozen` (it is there and answers nothing); real ones
have `key` and `hang_up` (which ends open connections) too.
"""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from realpostgres import RealPostgres
from sshd import PROGRAM, Sshd, make_key

from fleet.providers.base import RUNNING
from fleet.providers.local import chaos, net, spawn
from fleet.providers.local.provider import LocalProvider
from fleet.transports.base import Host, Result, Unreachable
from fleet.transports.fake import FakeShell, Ran, World
from fleet.transports.ssh import Connections, SshShell


class FakeHost:
    """A World with the few commands that the contract uses."""

    host = Host("h1", "192.0.2.1")

    def __init__(self) -> None:
        self.world = World()
        self.world.on(["printf", "%s|"], lambda ran: ended(out="".join(f"{word}|" for word in ran.argv[2:])))
        self.world.on(["sha256sum"], lambda ran: ended(out=f"{hashlib.sha256(ran.stdin).hexdigest()}  -\n"))
        self.world.on(["sh", "-c", "echo out; echo err >&2; exit 3"], ended(3, "out\n", "err\n"))
        self.world.on(["sleep"], self._sleep)

    def shell(self, pool: Connections) -> FakeShell:
        return FakeShell(self.host, self.world)

    def _sleep(self, ran: Ran) -> Result:
        raise Unreachable("h1: no answer in time")

    def start(self) -> None:
        self.world.heal("h1")

    def stop(self) -> None:
        self.world.fail("h1", Unreachable("h1: connection refused"))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self.world.fail("h1", Unreachable("h1: no answer in time"))
        yield
        self.world.heal("h1")


def ended(code: int = 0, out: str = "", err: str = "") -> Result:
    return Result(code, out, err, 0.0)


class LocalHost:
    """A host of the local provider, which runs asyncssh's server."""

    def __init__(self) -> None:
        spawn.ensure_owner()
        self.root = Path(tempfile.mkdtemp(prefix="herdsite-hosts-"))
        self.key, authorized = self.root / "key", self.root / "key.pub"
        authorized.write_text(make_key(self.key) + "\n")
        self.provider = LocalProvider(self.root / "hosts", net.choose_net(self.root / "hosts"), authorized)
        self.root.chmod(0o755)
        self.provider.create("h1", "a", 1000)
        self._wait()
        machine = self.provider.describe("h1")
        self.host = Host("h1", machine.address, machine.port, machine.user, machine.host_key)

    def _wait(self) -> None:
        for _ in range(400):
            if self.provider.describe("h1").state == RUNNING:
                return
            time.sleep(0.05)
        raise RuntimeError("the local host did not come up")

    def shell(self, pool: Connections, **changes: str) -> SshShell:
        return SshShell(replace(self.host, **changes), self.key, pool)

    def start(self) -> None:
        self.provider.start("h1")
        self._wait()

    def stop(self) -> None:
        self.provider.stop("h1")

    def hang_up(self) -> None:
        self.stop()
        self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        chaos.pause_host(self.provider, "h1")
        try:
            yield
        finally:
            chaos.heal(self.provider, "h1")

    def remove(self) -> None:
        self.provider.destroy("h1")
        shutil.rmtree(self.root)


@pytest.fixture(scope="module")
def openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if not PROGRAM:
        pytest.skip("OpenSSH's server is not installed")
    server = Sshd(tmp_path_factory.mktemp("sshd"), "ed25519")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def local() -> Iterator[LocalHost]:
    host = LocalHost()
    yield host
    host.remove()


@pytest.fixture(scope="module")
def fake() -> FakeHost:
    return FakeHost()


@pytest.fixture(scope="session")
def postgres() -> Iterator[RealPostgres]:
    server = RealPostgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_without_tls() -> Iterator[RealPostgres]:
    server = RealPostgres(tls=False)
    yield server
    server.stop()


@pytest.fixture
def pool() -> Iterator[Connections]:
    connections = Connections()
    yield connections
    connections.close()
