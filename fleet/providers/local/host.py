"""The process that is a local host: `python -m fleet.providers.local.host DIR`.

It serves SSH on the host's inner address and carries the host's network in front of it. It holds no state: what it
is stands in DIR/.machine, and ending it is losing the host. One runs for every host, so it imports only what it needs.
"""

import asyncio
import os
import resource
import signal
import sys
import uuid
from pathlib import Path

import asyncssh

from fleet.providers.local import disk, spawn
from fleet.providers.local.command import Command
from fleet.providers.local.init import Init
from fleet.providers.local.net import PORTS, SSH_PORT
from fleet.providers.local.place import Place
from fleet.providers.local.wire import Wire

LOOK = 0.1
LINGER = 2.0  # seconds until a host that hung up ends by itself, should whoever told it to be gone
FILES = 16384


class Door(asyncssh.SSHServer):
    """Lets in the owner with an authorised key, nobody else, for commands and nothing else."""

    def __init__(self, place: Place, init: Init):
        self._place = place
        self._init = init

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        if username == spawn.owner().pw_name:
            self._connection.set_authorized_keys(str(self._place.authorized_keys))
        return True

    def session_requested(self) -> Command:
        return Command(self._place, self._init)


async def serve(place: Place) -> None:
    """Boot, then be the host until killed, or until the host's folder is gone."""
    record = place.read()
    init = Init()
    place.put(place.boot_id, f"{uuid.uuid4()}\n", 0o644)
    wire = Wire(record.address, record.inner, PORTS, place.rules)
    wire.look()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, hang_up, wire, place)
    await asyncssh.listen(
        record.inner,
        SSH_PORT,
        server_factory=lambda: Door(place, init),
        server_host_keys=[str(place.host_key)],
        encoding=None,
        allow_pty=False,
        line_editor=False,
        agent_forwarding=False,
        x11_forwarding=False,
        password_auth=False,
        kbdint_auth=False,
        compression_algs=None,
    )
    place.put(place.ready, str(os.getpid()))
    if place.is_full:
        disk.limit(0, full=True)
    while place.exists:
        await asyncio.sleep(LOOK)
        wire.look()
        init.bury()


def hang_up(wire: Wire, place: Place) -> None:
    """Vanish from the network, as the first thing of a death (processes.py); what remains is to bury the others."""
    wire.close()
    place.ready.unlink(missing_ok=True)
    asyncio.get_running_loop().call_later(LINGER, os._exit, 1)


def main(home: str) -> None:
    os.umask(0o022)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    # Under nohup it is ignored, and a shell can't trap what was ignored when it began.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    asyncio.run(serve(Place(Path(home))))


if __name__ == "__main__":
    main(sys.argv[1])
