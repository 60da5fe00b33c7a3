"""Two real host scripts at once on one data directory, command by command: bash runs each with a DEBUG trap that waits
for the word to go on, so a test decides who takes which step. PostgreSQL's programs are small stand-ins."""

import fcntl
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from fleet.orders import Order
from fleet.postgres import commands
from fleet.postgres.commands import Script
from fleet.subject import INSTANCE, Subject
from tests.worlds import NOW

# What a script may take; more is a script that waits for what never comes.
MOST_STEPS = 4000
# Only the script's own process waits, not what it leaves to others.
BATON = """
set -T
baton() { [ "$BASHPID" != "$$" ] || { echo step >&20 && read -r word <&21; }; }
trap baton DEBUG
"""
POSTGRES = """
import os, signal, sys
for number in (20, 21):
    try: os.close(number)
    except OSError: pass
data = sys.argv[2]
os.chdir(data)
def control(state): open("control.new", "w").write(state); os.replace("control.new", "control")
def promote(*_):
    if os.path.exists("promote") and os.path.exists("standby.signal"):
        open("pg_wal/00000002.history", "w").write("1\\t0/3000000\\tno reason\\n")
        os.remove("promote"); os.remove("standby.signal"); control("in production")
signal.signal(signal.SIGUSR1, promote)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
control("in archive recovery" if os.path.exists("standby.signal") else "in production")
open("pid.new", "w").write("\\n".join([str(os.getpid()), *["x"] * 6, "ready", ""]))
os.replace("pid.new", "postmaster.pid")
while True: signal.pause()
"""
PG_CTL = """
case $1 in reload) exit 0 ;; esac
read -r pid < "$3/postmaster.pid" 2> /dev/null || exit 1
case "$*" in *immediate*) ;; *) echo "shut down" > "$3/control" ;; esac
kill -9 "$pid" 2> /dev/null
while [ -e "/proc/$pid/exe" ]; do /bin/sleep 0.01; done
rm -f "$3/postmaster.pid"
"""
CONTROLDATA = """
printf "Database cluster state:               %s\\n" "$(cat "$2/control")"
printf "Latest checkpoint location:           0/3000028\\nLatest checkpoint's TimeLineID:       1\\n"
"""
BASEBACKUP = """
[ "$1" != --help ] || exit 0
while [ "$1" != -D ]; do shift; done
mkdir -p "$2/pg_wal" && echo 17 > "$2/PG_VERSION" && echo "in production" > "$2/control"
"""
# Where the lock is another's it says so and waits for the word, as if each try were a step.
FLOCK = """
until /usr/bin/flock -n "$1"; do echo lock >&20; read -r word <&21 || exit 1; done
"""


@dataclass
class Host:
    """One data directory with stand-ins for programs. `epochs` are all that it has taken, in order."""

    home: Path
    epochs: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bin, self.data = self.home / "bin", self.home / "instances" / "shop" / "data"
        self.bin.mkdir(parents=True)
        shell = {"pg_ctl": PG_CTL, "pg_controldata": CONTROLDATA, "pg_basebackup": BASEBACKUP, "psql": "exit 0"}
        shell |= {"flock": FLOCK, "sleep": "exit 0", "sync": "exit 0"}
        for name, text in shell.items():
            self._program(name, f"#!/bin/{'bash' if name == 'flock' else 'sh'}\n{text}")
        self._program("postgres", f"#!{sys.executable} -SE\n{POSTGRES}")

    def _program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def reset(self, *, runs: bool, standby: bool, fenced: bool = False) -> None:
        """As if nothing had ever been done to it."""
        self.stop()
        shutil.rmtree(self.home / "instances", ignore_errors=True)
        (self.data / "pg_wal").mkdir(parents=True)
        (self.data / "log").mkdir()
        (self.data / "PG_VERSION").write_text("17\n")
        (self.data / "pg_wal" / "00000001.history").write_text("1\t0/2000000\tno reason\n")
        (self.data / "control").write_text("in archive recovery" if standby else "in production")
        if standby:
            (self.data / "standby.signal").touch()
        if fenced:
            (self.data / "herdsite.fenced").symlink_to("1")
        self.epochs = []
        if runs:
            argv = [self.bin / "postgres", "-D", self.data]
            subprocess.Popen(argv, start_new_session=True)
            while not self.runs:
                pass

    @property
    def pid(self) -> int | None:
        with suppress(OSError, ValueError):
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            return pid if os.readlink(f"/proc/{pid}/cwd") == str(self.data) else None
        return None

    @property
    def runs(self) -> bool:
        return self.pid is not None

    @property
    def fenced(self) -> bool:
        return (self.data / "herdsite.fenced").is_symlink()

    @property
    def leads(self) -> bool:
        return self.runs and not (self.data / "standby.signal").exists()

    def stop(self) -> None:
        """Whatever works in its data directory ends."""
        for cwd in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):
                if os.readlink(cwd).startswith(f"{self.home}/instances/"):
                    os.kill(int(cwd.parent.name), 9)

    def note(self) -> None:
        with suppress(OSError):
            epoch = int(os.readlink(f"{self.data}.orders").split()[2])
            if not self.epochs or self.epochs[-1] != epoch:
                self.epochs.append(epoch)

    def script(self, verb: str, epoch: int) -> Script:
        subject = Subject(
            INSTANCE, uuid4(), "shop", "available", NOW, major=17, home=str(self.home), bin=str(self.bin),
            data=str(self.data), order=Order(epoch, "plane", 1),
        )  # fmt: skip
        made: dict[str, Callable[[], Script]] = {
            "start": lambda: commands.start(subject),
            "fence": lambda: commands.fence(subject, epoch),
            "halt": lambda: commands.halt(subject, 1, epoch),
            "unfence": lambda: commands.unfence(subject, epoch),
            "configure": lambda: commands.configure(subject, {"herdsite.conf": f"herdsite.generation = '{epoch}'\n"}),
            "promote": lambda: commands.promote(subject, epoch),
            "standby": lambda: commands.stand_by(subject, {"herdsite.conf": ""}, "host=x", "shop", commands.COPY),
        }
        return made[verb]()


VERBS = ("start", "fence", "halt", "unfence", "configure", "promote", "standby")


class Running:
    """A script that waits before each of its commands. `code` is None until it has ended; `blocked` while it waits for
    a lock that the other has."""

    def __init__(self, host: Host, script: Script) -> None:
        self.host, self.code, self.steps = host, None, 0
        self.blocked = False
        said, hear = os.pipe()
        self._listen = os.fdopen(said, "rb", buffering=0)
        word, self._word = os.pipe()
        # Away from the numbers by which the script knows them.
        theirs = [fcntl.fcntl(one, fcntl.F_DUPFD, 100) for one in (hear, word)]
        self._out = open(host.home / f"said-{uuid4().hex[:8]}", "w+b")  # noqa: SIM115
        wires = f"exec 20>&{theirs[0]} 21<&{theirs[1]} {theirs[0]}>&- {theirs[1]}<&-\n" + BATON
        argv = ["bash", "--posix", "-c", wires + script.text, "herdsite", *script.args]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=self._out, stderr=self._out, pass_fds=theirs,
            env={"PATH": f"{host.bin}:/usr/bin:/bin"},
        )  # fmt: skip
        assert self._process.stdin
        self._process.stdin.write(script.stdin)
        self._process.stdin.close()
        for one in (hear, word, *theirs):
            os.close(one)
        self._waits()

    def _waits(self) -> None:
        """Until it waits for the word, or has ended."""
        word = self._listen.read(5)
        self.blocked = word == b"lock\n"
        if not word:
            self.code = self._process.wait()
            os.close(self._word)
            self._listen.close()
            self._ended = self.said
            self._out.close()

    def step(self) -> None:
        self.steps += 1
        assert self.steps < MOST_STEPS, f"it never ends: {self.said}"
        os.write(self._word, b"go\n")
        self._waits()
        self.host.note()

    def go(self, steps: int | None = None) -> None:
        """So many steps, or to its end, or to a lock."""
        self.blocked = False
        while self.code is None and steps != 0 and not self.blocked:
            self.step()
            steps = None if steps is None else steps - 1

    @property
    def said(self) -> str:
        if self._out.closed:
            return self._ended
        self._out.seek(0)
        return textwrap.shorten(self._out.read().decode(), 400)


@dataclass(frozen=True)
class Schedule:
    """`first` takes so many steps, `second` so many, then each goes to its end. The first bears the smaller epoch
    unless it is the `newer`."""

    first: str
    second: str
    steps: tuple[int, int]
    runs: bool
    standby: bool
    newer: bool = False


def play(host: Host, schedule: Schedule) -> dict[str, int | None]:
    """What each came to. AssertionError where the two together did what none of them may."""
    host.reset(runs=schedule.runs, standby=schedule.standby, fenced=not schedule.runs and not schedule.standby)
    epochs = (6, 5) if schedule.newer else (5, 6)
    one, other = (
        Running(host, host.script(verb, epoch))
        for verb, epoch in zip((schedule.first, schedule.second), epochs, strict=True)
    )
    one.go(schedule.steps[0])
    other.go(schedule.steps[1])
    # A lock that the other holds is waited for in turns.
    while one.code is None or other.code is None:
        for script in (one, other):
            script.go(50)
    for found in _broken(host, schedule, {schedule.first: one, schedule.second: other}, epochs):
        raise AssertionError(f"{found}: {schedule}; {one.code}: {one.said}; {other.code}: {other.said}")
    return {schedule.first: one.code, schedule.second: other.code}


def _broken(host: Host, schedule: Schedule, ran: dict[str, Running], epochs: tuple[int, int]) -> Iterator[str]:
    if host.epochs != sorted(host.epochs):
        yield f"an older order was taken after a newer one, {host.epochs}"
    if host.leads and host.fenced:
        yield "it leads, and bears a fence mark"
    newest = schedule.first if epochs[0] > epochs[1] else schedule.second
    if newest in ("fence", "halt") and ran[newest].code == 0 and (host.runs or not host.fenced):
        yield f"{newest} was the newest order and said that it is done"
    if newest == "standby" and ran[newest].code == 0 and host.leads:
        yield "it leads, and the newest order made it a standby"
    if (host.data.parent / "data.files").exists() and all(one.code == 0 for one in ran.values()):
        yield "files that were to be put beside the data lie there still"
