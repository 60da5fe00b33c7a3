"""The stable addresses of local hosts, as the provider's users ask for them; the forwarder (forwarder.py) has them.

One process carries all addresses of a hosts root, apart from the hosts and from us. It is started by the first
question that finds none, and takes up the routes on disk; whoever is killed, the next question mends it.
"""

import json
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from fleet.providers.base import Endpoint, OutOfCapacity, ProviderError
from fleet.providers.local import routes, spawn
from fleet.providers.local.place import word

FORWARDER = "fleet.providers.local.forwarder"
CHECKOUT = Path(__file__).parents[3]
ANSWER = 5.0
START = 10.0
TICK = 0.005


class Addresses:
    """The part of `Provider` that is about addresses, for the hosts below `root` whose net is `net` (see net.py)."""

    has_addresses = True
    can_hold = True
    root: Path
    net: int

    def allocate(self, name: str, port: int) -> Endpoint:
        routes.folder(self.root).mkdir(mode=0o700, exist_ok=True)
        return Endpoint(**self._ask("allocate", name=word(name, "address"), port=port))

    def address(self, name: str) -> Endpoint | None:
        if routes.read(self.root, word(name, "address")) is None:
            return None
        return Endpoint(**self._ask("describe", name=name))

    def associate(self, name: str, machine: str, generation: int) -> None:
        self._ask("associate", name=name, machine=word(machine, "host"), generation=generation)

    def disassociate(self, name: str) -> None:
        self._ask("disassociate", name=name)

    def hold(self, name: str, seconds: float) -> None:
        self._ask("hold", name=name, seconds=seconds)

    def release_address(self, name: str) -> None:
        if routes.read(self.root, word(name, "address")):
            self._ask("release", name=name)

    def addresses(self) -> list[str]:
        return routes.names(self.root)

    def forwarders(self) -> list[psutil.Process]:
        """The process that carries the addresses, also when it is frozen; none when none runs. Where several of us
        missed it at once, there may be more for an instant."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.cmdline()[-4:] == self._argv[-4:]:
                    found.append(process)
        return found

    def _forward(self) -> None:
        """Have the forwarder run, if it has anything to carry."""
        if self.addresses():
            with self._reach():
                pass

    def _stop_forwarding(self) -> None:
        """Kill the forwarder; the routes stay, for the next one."""
        doomed = self.forwarders()
        for process in doomed:
            process.kill()
        psutil.wait_procs(doomed, timeout=START)

    def _leave(self, machine: str) -> None:
        """No address leads to that machine any more."""
        found = [routes.read(self.root, name) for name in self.addresses()]
        if any(route and route.machine == machine for route in found):
            self._ask("leave", machine=machine)

    def _ask(self, question: str, **arguments: Any) -> Any:
        """What the forwarder says. ProviderError: it says no, or nothing."""
        if not routes.folder(self.root).exists():
            raise ProviderError("there is no address yet: allocate one")
        try:
            with self._reach() as connection, connection.makefile("rb") as reply:
                connection.sendall(json.dumps([question, arguments]).encode() + b"\n")
                said = reply.read()
        except OSError as error:
            raise ProviderError(f"the forwarder of local addresses does not answer: {error}") from error
        if not said:
            raise ProviderError(f"the forwarder of local addresses failed: see {self._log}")
        answer = json.loads(said)
        if "full" in answer:
            raise OutOfCapacity(answer["full"])
        if "no" in answer:
            raise ProviderError(answer["no"])
        return answer["said"]

    def _reach(self) -> socket.socket:
        """A connection to the forwarder, which is started if none runs. OSError: it can't be reached."""
        with suppress(ConnectionRefusedError):
            return self._connect()
        self._start()
        deadline = time.monotonic() + START
        while True:
            try:
                return self._connect()
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise ConnectionRefusedError(f"the forwarder does not start, see {self._log}") from None
                time.sleep(TICK)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(ANSWER)
            connection.connect(routes.socket_name(self.root))
        except BaseException:
            connection.close()
            raise
        return connection

    def _start(self) -> None:
        """Two of us may do so at once: the second forwarder finds the socket's name taken, and ends."""
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PYTHONPATH": str(CHECKOUT), "LANG": "C.UTF-8"}
        with self._log.open("ab") as log:
            spawn.start(self._argv, cwd=self.root, env=env, log=log)

    @property
    def _argv(self) -> list[str]:
        return [sys.executable, "-P", "-m", FORWARDER, str(self.root), str(self.net)]

    @property
    def _log(self) -> Path:
        return routes.folder(self.root) / "log"
