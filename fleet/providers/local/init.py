"""What process 1 is to a machine: a local host takes in the processes that lost their parent, and buries the dead.

Not every machine's own process 1 does so quickly, or at all, as in many containers. A killed postmaster that is not
buried still holds its number, and PostgreSQL would not start again in its data directory.
"""

import asyncio
import ctypes
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

PR_SET_CHILD_SUBREAPER = 36


class Init:
    """Made once, inside the event loop of the process that becomes the parent of all orphans below it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._own: set[int] = set()
        self._starting = 0
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._loop.add_signal_handler(signal.SIGCHLD, self.bury)

    async def start(self, protocol: asyncio.SubprocessProtocol, argv: Sequence[str], **options: Any) -> None:
        """Start a child for `protocol`, which must `keep` it in connection_made and `release` it in process_exited.
        OSError or ValueError says that it can't be started."""
        self._starting += 1
        try:
            await self._loop.subprocess_exec(lambda: protocol, *argv, **options)
        finally:
            self._starting -= 1

    def keep(self, pid: int) -> None:
        """asyncio itself waits for this child: taking its exit code away would lose it."""
        self._own.add(pid)

    def release(self, pid: int) -> None:
        self._own.discard(pid)
        self.bury()

    def bury(self) -> None:
        """Take the dead off the process table, except our own. Called often: one of our own stands in the way of those
        behind it until asyncio has taken it, and nothing is buried while it is not yet known whose a new child is."""
        with suppress(ChildProcessError):
            while not self._starting:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if dead is None or dead.si_pid in self._own:
                    return
                os.waitpid(dead.si_pid, 0)
