"""The process that carries the stable addresses of a hosts root: `python -m fleet.providers.local.forwarder ROOT NET`.

An address is a listener whose connections are relayed to the outer address of one host, so that what cuts the host's
network cuts them too. It is asked over a unix socket (addresses.py), one question a connection, and keeps every route
on disk before it follows it: killed and started again, it leads where it led. It belongs to no host.
"""

import asyncio
import json
import os
import resource
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fleet.providers.base import Endpoint, OutOfCapacity, ProviderError
from fleet.providers.local import net, routes
from fleet.providers.local.place import Place
from fleet.providers.local.routes import Route
from fleet.providers.local.wire import Forward

LOOK = 0.2
DIAL = 5.0  # seconds for a host to take a connection; a frozen one stops doing so when its queue is full
QUESTIONS = ("allocate", "describe", "associate", "disassociate", "hold", "release", "leave")
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class Line:
    """One address in operation: its route, and the relay that follows it while it leads somewhere."""

    def __init__(self, route: Route):
        self.route = route
        self.forward: Forward | None = None
        self._hold: asyncio.TimerHandle | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where it leads in truth: nowhere, if its port could not be listened on."""
        machine = self.route.machine if self.forward else ""
        return Endpoint(self.route.address, machine, held=self._hold is not None)

    def lead(self, address: str) -> None:
        """Relay to a host, unhindered; connections to another one are reset. OSError: the port is taken."""
        target = (address, self.route.port)
        if self.forward:
            self.forward.redirect(target)
        else:
            self.forward = Forward((self.route.address, self.route.port), target, DIAL)
        self.resume()

    def hold(self, seconds: float) -> None:
        """Let clients wait, until `resume` or for so long; said again, the time begins anew."""
        self.resume()
        if self.forward:
            self.forward.hold(towards=True, back=False)
            self._hold = asyncio.get_running_loop().call_later(seconds, self.resume)

    def resume(self) -> None:
        if self._hold:
            self._hold.cancel()
            self._hold = None
            if self.forward:
                self.forward.hold(towards=False, back=False)

    def end(self) -> None:
        """Lead nowhere: connections are reset, new ones refused."""
        self.resume()
        if self.forward:
            self.forward.close()
            self.forward = None


class Forwarder:
    """All lines of one root; made inside a running event loop. Its public methods are the QUESTIONS."""

    def __init__(self, root: Path, octet: int):
        self._root, self._octet = root, octet
        self._lines: dict[str, Line] = {}
        for name in routes.names(root):
            route = routes.read(root, name)
            if route:
                self._lines[name] = Line(route)
                with suppress(OSError):  # the port is taken: it leads nowhere, says so, and can be associated again
                    self._follow(name)

    def allocate(self, name: str, port: int) -> dict[str, Any]:
        """Make it, or give the one that there is another port. OutOfCapacity: every address is taken."""
        line = self._lines.get(name)
        if line is None:
            taken = [one.route.address for one in self._lines.values()]
            line = self._keep(name, Route(net.stable(self._octet, port, taken), port))
        elif line.route.port != port:
            line.end()
            self._keep(name, replace(line.route, port=port))
            self._follow(name)
        return asdict(line.endpoint)

    def describe(self, name: str) -> dict[str, Any]:
        return asdict(self._line(name).endpoint)

    def associate(self, name: str, machine: str, generation: int) -> None:
        route = self._line(name).route
        if generation < route.generation:
            raise ProviderError(f"the address {name} has seen generation {route.generation}: {generation} is too old")
        if not Place(self._root / machine).exists:
            raise ProviderError(f"there is no local host {machine}")
        self._keep(name, replace(route, machine=machine, generation=generation))
        self._follow(name)

    def disassociate(self, name: str) -> None:
        line = self._line(name)
        self._keep(name, replace(line.route, machine=""))
        line.end()

    def hold(self, name: str, seconds: float) -> None:
        line = self._line(name)
        if line.forward is None:
            raise ProviderError(f"the address {name} leads nowhere: there is nothing to hold")
        line.hold(seconds)

    def release(self, name: str) -> None:
        routes.remove(self._root, name)
        if line := self._lines.pop(name, None):
            line.end()

    def leave(self, machine: str) -> None:
        """Disassociate whatever leads to that machine."""
        for name, line in self._lines.items():
            if line.route.machine == machine:
                self.disassociate(name)

    def _line(self, name: str) -> Line:
        if name not in self._lines:
            raise ProviderError(f"there is no address {name}")
        return self._lines[name]

    def _keep(self, name: str, route: Route) -> Line:
        routes.write(self._root, name, route)
        line = self._lines.setdefault(name, Line(route))
        line.route = route
        return line

    def _follow(self, name: str) -> None:
        line = self._lines[name]
        place = Place(self._root / line.route.machine)
        if line.route.machine and place.exists:
            line.lead(place.read().address)


def answer(forwarder: Forwarder, question: bytes) -> dict[str, Any]:
    """Do what a line of JSON, [question, arguments], asks for: {"said": …}, or why not as {"no": …} or {"full": …}."""
    verb, arguments = json.loads(question)
    if verb not in QUESTIONS:
        return {"no": f"{verb!r} is no question"}
    try:
        return {"said": getattr(forwarder, verb)(**arguments)}
    except OutOfCapacity as error:
        return {"full": str(error)}
    except (ProviderError, OSError) as error:
        return {"no": str(error)}


async def serve(root: Path, octet: int) -> None:
    """Carry the addresses until killed, or until their folder is gone; not at all, if another process does already."""
    name = routes.socket_name(root)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        door.bind(name)
    except OSError as error:
        raise SystemExit(f"{os.getpid()} ends: another process carries these addresses ({error})") from error
    forwarder = Forwarder(root, octet)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            question = await reader.readline()
            if question and _may_ask(writer.get_extra_info("socket")):
                said = answer(forwarder, question)
                await asyncio.sleep(0)  # what was reset is closed now, so that the answer comes after it
                writer.write(json.dumps(said).encode())
        finally:
            writer.close()

    await asyncio.start_unix_server(talk, sock=door)
    while _is_there(root, name):
        await asyncio.sleep(LOOK)


def _may_ask(connection: socket.socket) -> bool:
    """Whether it is root who connected, or who we are: an abstract socket has no permissions of its own."""
    _, uid, _ = CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    return uid in (0, os.geteuid())


def _is_there(root: Path, name: str) -> bool:
    try:
        return routes.socket_name(root) == name
    except FileNotFoundError:
        return False


def main(root: str, octet: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(serve(Path(root), int(octet)))


if __name__ == "__main__":
    main(*sys.argv[1:])
