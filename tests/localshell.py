"""A Shell without a wire: runs on this machine as the unprivileged user, in a home of its own. For tests of what
runs on hosts; the real Shell has its own contract tests."""

import os
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fleet import jobs
from fleet.providers.local import spawn
from fleet.transports.base import Result, Unreachable

# The command's exit code travels as the last line of its output: spawn.call takes any but 0 for an error.
_RUN = 'sh -c "$1"; printf "\\n%s" $?'


class LocalShell:
    """`home` is a fresh folder that belongs to the unprivileged user; `close` ends what still runs in it."""

    def __init__(self, prefix: str = "herdsite-") -> None:
        spawn.ensure_owner()
        self.home = spawn.give(Path(tempfile.mkdtemp(prefix=prefix)))

    def run(
        self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 10.0, secrets: Sequence[str] = ()
    ) -> Result:
        began = time.monotonic()
        env = {"PATH": os.defpath, "HOME": str(self.home), "LANG": "C.UTF-8"}
        try:
            done = spawn.call(
                ["sh", "-c", _RUN, "herdsite", shlex.join(argv)],
                drop=True,
                stdin=stdin,
                cwd=self.home,
                env=env,
                timeout=timeout,
            )
        except spawn.subprocess.TimeoutExpired as late:
            raise Unreachable(f"{argv[0]} did not end in {timeout} s") from late
        out, code = done.stdout.decode(errors="replace").rsplit("\n", 1)
        return Result(int(code), out, done.stderr.decode(errors="replace"), time.monotonic() - began)

    def log_in(self, timeout: float = 4.0) -> None:
        """There is no door that could be shut."""

    def close(self) -> None:
        while pids := self.processes():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def processes(self) -> list[int]:
        """What lives in the home. A zombie has no working directory any more."""
        found = []
        for cwd in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):
                if cwd.readlink().is_relative_to(self.home):
                    found.append(int(cwd.parent.name))
        return found


def ended(shell: LocalShell, job: str) -> jobs.Look:
    """What the job came to in the end; fails when it does not end in a minute."""
    deadline = time.monotonic() + 60
    while (look := jobs.look(shell, str(shell.home), job)).job == jobs.RUNNING:
        assert time.monotonic() < deadline, f"{job} still runs"
        time.sleep(0.02)
    return look
