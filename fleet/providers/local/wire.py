"""A relay of TCP connections that can be cut like a network: the wire of a local host, the core of a local address.

Who connects to where a Forward listens is connected to its target, under the address he came from. A cut holds bytes
back, it loses none: nobody reads them, so TCP's own back-pressure tells the sender, and they pass when the cut heals.
Only connections towards a host pass its wire; those that it opens itself pass the wire of the other end.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

Endpoint = tuple[str, int]

BUFFER = 1 << 20
SPACE = memoryview(bytearray(1 << 18))
BACKLOG = 128
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
BIND_ADDRESS_NO_PORT = 24  # Linux's IP_BIND_ADDRESS_NO_PORT: the port is chosen when the target is known
RETRY = 0.5


class End(asyncio.BufferedProtocol):
    """One end of a relayed connection: what it reads goes out at its twin.

    It reads while there is no reason not to, always into the same space: a fresh one for each read would cost more
    than all else that is done with a short message.
    """

    transport: asyncio.Transport
    twin: "End"

    def __init__(self, siblings: set["End"]):
        self._siblings = siblings
        self._reasons = {"starting"}

    def begin(self, twin: "End") -> None:
        """Count among the siblings, and read; both ends are connected now."""
        self.twin = twin
        self._siblings.add(self)
        self.go("starting")

    def stop(self, reason: str) -> None:
        self._reasons.add(reason)
        self.transport.pause_reading()

    def go(self, reason: str) -> None:
        self._reasons.discard(reason)
        if not self._reasons:
            self.transport.resume_reading()

    def reset(self) -> None:
        """Break the connection off, so that the other side sees a reset rather than an end."""
        if not self.transport.is_closing():
            reset_on_close(self.transport.get_extra_info("socket"))
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        # asyncio does this only for sockets that were made with an explicit protocol number.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=BUFFER)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's signature)
        return SPACE

    def buffer_updated(self, nbytes: int) -> None:
        self.twin.transport.write(bytes(SPACE[:nbytes]))

    def eof_received(self) -> bool:
        """Pass the end on; the other direction stays open until it ends too."""
        self.stop("ended")
        if "ended" in self.twin._reasons:
            self.transport.close()
            self.twin.transport.close()
        elif not self.twin.transport.is_closing():
            self.twin.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        self.twin.stop("full")

    def resume_writing(self) -> None:
        self.twin.go("full")

    def connection_lost(self, exc: Exception | None) -> None:
        self._siblings.discard(self)
        if exc:
            self.twin.reset()
        else:
            self.twin.transport.close()


class Forward:
    """Listens at one endpoint and relays every connection to another; made inside a running event loop.

    A connection that the target refuses, or does not take within `patience` seconds, is reset. OSError says that the
    endpoint can't be listened on.
    """

    def __init__(self, listen: Endpoint, target: Endpoint, patience: float | None = None):
        self._target = target
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._near: set[End] = set()
        self._far: set[End] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self._cut = (False, False)
        self._closed = False
        self._listener = socket.create_server(listen, backlog=BACKLOG)
        self._listener.setblocking(False)
        self._listen()

    def hold(self, towards: bool, back: bool) -> None:
        """Hold what goes towards the target, what comes back, or let either pass again. While anything is held, new
        connections wait unanswered in the kernel."""
        self._cut = (towards, back)
        for ends, held in ((self._near, towards), (self._far, back)):
            for end in ends:
                (end.stop if held else end.go)("cut")
        self._listen()

    def redirect(self, target: Endpoint) -> None:
        """Relay to another target from now on: connections to the former one are reset, those that still wait in the
        kernel are not. Does nothing when it is the target already."""
        if target != self._target:
            self._target = target
            self._break()

    def close(self) -> None:
        """Listen no longer, and reset every connection; does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._listener)
        self._listener.close()
        self._break()

    def _break(self) -> None:
        """Reset every connection, those that are just being made too."""
        for task in self._dialling:
            task.cancel()
        for end in [*self._near, *self._far]:
            end.reset()

    def _listen(self) -> None:
        if self._closed:
            return
        if any(self._cut):
            self._loop.remove_reader(self._listener)
        else:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            client, peer = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            # No file descriptor is left: look again when some may have been closed.
            self._loop.remove_reader(self._listener)
            self._loop.call_later(RETRY, self._listen)
            return
        task = self._loop.create_task(self._relay(client, peer[0]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, client: socket.socket, peer: str) -> None:
        client.setblocking(False)
        target, task = self._target, asyncio.current_task()
        assert task
        self._dialling.add(task)
        try:
            server = await self._dial(peer)
        except (OSError, asyncio.CancelledError):
            reset_on_close(client)
            client.close()
            return
        finally:
            self._dialling.discard(task)
        near, far = End(self._near), End(self._far)
        await self._join(near, client)
        await self._join(far, server)
        for end, twin, held in ((near, far, self._cut[0]), (far, near, self._cut[1])):
            if held:
                end.stop("cut")
            end.begin(twin)
        if self._closed or target is not self._target:
            near.reset()
            far.reset()

    async def _join(self, end: End, connection: socket.socket) -> None:
        """Make `end` the protocol of a connection, and read nothing before both ends are there."""
        await self._loop.create_connection(lambda: end, sock=connection)
        # Nothing can have been read so far. In connection_made it would be too early: some asyncios forget it again.
        end.transport.pause_reading()

    async def _dial(self, peer: str) -> socket.socket:
        """Connect to the target, from the peer's address where this machine can take it."""
        server = socket.socket()
        server.setblocking(False)
        try:
            with suppress(OSError):
                server.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
                server.bind((peer, 0))
            async with asyncio.timeout(self._patience):
                await self._loop.sock_connect(server, self._target)
        except BaseException:
            server.close()
            raise
        return server


class Wire:
    """The network of one host: the same ports at its address and at its inner twin, under one file of rules."""

    def __init__(self, address: str, inner: str, ports: Iterable[int], rules: Path):
        self._rules = rules
        self._seen: tuple[int, int] | None = None
        self._forwards = [Forward((address, port), (inner, port)) for port in ports]

    def look(self) -> None:
        """Do as the rules say, if they have changed; no file is no cut."""
        try:
            stat = self._rules.stat()
        except FileNotFoundError:
            return
        if (stat.st_mtime_ns, stat.st_ino) != self._seen:
            self._seen = (stat.st_mtime_ns, stat.st_ino)
            rules = json.loads(self._rules.read_text())
            for forward in self._forwards:
                forward.hold(towards=rules["in"], back=rules["out"])

    def close(self) -> None:
        """Vanish: every connection is reset, and new ones are refused."""
        for forward in self._forwards:
            forward.close()


def reset_on_close(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
