"""A command that somebody runs on a local host over SSH: between asyncssh's channel and the process's pipes.

It behaves like one under sshd: its result goes back when it has ended and both its outputs are closed, whatever still
holds its input; when the client goes away first, its process group is hung up on, and what detached itself lives on.
"""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any

import asyncssh

from fleet.providers.local import spawn
from fleet.providers.local.init import Init
from fleet.providers.local.place import Place

STDIN, STDOUT, STDERR = 0, 1, 2
CHANNEL = {STDOUT: None, STDERR: asyncssh.EXTENDED_DATA_STDERR}
CANNOT_START = 126


class Command(asyncssh.SSHServerSession[bytes]):
    """One session of a client: exec requests only, one command, as the owner, in the host's home."""

    def __init__(self, place: Place, init: Init):
        self._place = place
        self._init = init
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._process: asyncio.SubprocessTransport | None = None
        self._early: list[bytes] = []
        self._input_ended = False
        self._open = {STDOUT, STDERR}
        self._over = False

    # What the client does.

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def session_started(self) -> None:
        self._starting = asyncio.get_running_loop().create_task(self._start())

    def data_received(self, data: bytes, datatype: int | None) -> None:  # noqa: ARG002 (asyncssh's signature)
        if self._process is None:
            self._early.append(data)
        elif not (pipe := self._pipe(STDIN)).is_closing():
            pipe.write(data)

    def eof_received(self) -> bool:
        self._input_ended = True
        if self._process:
            self._pipe(STDIN).close()
        return True

    def signal_received(self, signal: str) -> None:
        self._tell(f"SIG{signal}")

    def pause_writing(self) -> None:
        for fd in self._open if self._process else ():
            self._pipe(fd).pause_reading()

    def resume_writing(self) -> None:
        for fd in self._open if self._process else ():
            self._pipe(fd).resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._channel = None
        self._tell("SIGHUP")
        self.eof_received()
        self.resume_writing()

    # What the process does.

    def began(self, process: asyncio.SubprocessTransport) -> None:
        self._process = process
        self._init.keep(process.get_pid())
        for data in self._early:
            self._pipe(STDIN).write(data)
        if self._input_ended:
            self._pipe(STDIN).close()
        if self._channel is None:
            self._tell("SIGHUP")

    def said(self, fd: int, data: bytes) -> None:
        if self._channel:
            self._channel.write(data, CHANNEL[fd])

    def closed(self, fd: int) -> None:
        self._open.discard(fd)
        if fd == STDIN:
            self.drain()
        self.ended()

    def fill(self) -> None:
        if self._channel:
            self._channel.pause_reading()

    def drain(self) -> None:
        if self._channel:
            self._channel.resume_reading()

    def exited(self) -> None:
        assert self._process
        self._init.release(self._process.get_pid())
        self.ended()

    def ended(self) -> None:
        """Send the result, if the process has one and everything it said is sent."""
        code = self._process.get_returncode() if self._process else None
        if self._process is None or code is None or self._open or self._over:
            return
        self._over = True
        self._process.close()
        if self._channel and code >= 0:
            self._channel.exit(code)
        elif self._channel:
            self._channel.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))

    async def _start(self) -> None:
        home = self._place.home
        env = {
            "PATH": f"{home}/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "BOOT_ID_FILE": str(self._place.boot_id),
        }
        argv = ("/bin/sh", "-c", self._command)
        try:
            await self._init.start(Pipes(self), argv, cwd=home, env=env, start_new_session=True, **spawn.dropped())
        except (OSError, ValueError) as error:
            if self._channel:
                self._channel.write(f"{error}\n".encode(), CHANNEL[STDERR])
                self._channel.exit(CANNOT_START)

    def _pipe(self, fd: int) -> Any:
        """The pipe to input `fd` of the process, or from its output `fd`."""
        assert self._process
        return self._process.get_pipe_transport(fd)

    def _tell(self, name: str) -> None:
        """Send a signal to the command's process group, while it runs."""
        if self._process and self._process.get_returncode() is None and name in signal.Signals.__members__:
            with suppress(ProcessLookupError):
                os.killpg(self._process.get_pid(), signal.Signals[name])


class Pipes(asyncio.SubprocessProtocol):
    """Tells a Command what its process does."""

    def __init__(self, command: Command):
        self._command = command

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._command.began(transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._command.said(fd, data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002
        self._command.closed(fd)

    def process_exited(self) -> None:
        self._command.exited()

    def pause_writing(self) -> None:
        self._command.fill()

    def resume_writing(self) -> None:
        # Not at once: asyncio's pipe loses what is written, if it is closed too, before it returns from here.
        asyncio.get_running_loop().call_soon(self._command.drain)
