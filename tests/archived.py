"""Real clusters that archive: built small and quickly, wired to an archive, restored from it. What runs on them runs as
the unprivileged user, as on a host."""

import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from uuid import UUID, uuid4

from fleet import jobs
from fleet.archives.base import Archive, Kept, Line, Wiring
from fleet.postgres import commands, scratch
from fleet.postgres.commands import Script
from fleet.postgres.config import Sizing, hba, lines, settings
from fleet.subject import INSTANCE, Subject
from fleet.transports.base import Result
from tests.clusters import PROGRAMS
from tests.localshell import LocalShell, ended

SIZING = Sizing(memory_mb=64, connections=4, disk_mb=1024)
# For what needs no cluster.
WRITER = "7a3c4d0e-0000-4000-8000-000000000001"
SUBJECT = Subject(
    *(INSTANCE, UUID(WRITER), "shop", "creating", datetime(2026, 11, 20, tzinfo=UTC)),
    home="/srv/h",
    bin="/pg/bin",
    data="/srv/h/instances/shop/data",
    socket="@shop",
    port=5433,
)
LINE = Line("shop-1", 2, WRITER)
PARENT = Line("shop-0", 1, "another")
SEGMENT = "00000001000000000000000A"
# A host whose disk has 100 kB left, whatever is asked.
FULL = "#!/bin/sh\necho Filesystem 1024-blocks Used Available Capacity Mounted on\necho d 100000 99900 100 99% /\n"

INITDB = """
set -eu
"$1/initdb" -D "$2" -U postgres --auth=peer --encoding=UTF8 --locale=C.UTF-8 --data-checksums --no-sync > /dev/null
printf 'herdsite "%s" postgres\\n' "$(id -un)" > "$2/pg_ident.conf"
"""
WRITE = 'umask 077; cat > "$1"'


@dataclass
class Rig:
    """An archive, a shell of the hosts that use it, and where the archive keeps a segment: `stored(line, name)`."""

    archive: Archive
    major: int
    shell: LocalShell
    stored: Callable[[Line, str], Path]

    def subject(self, name: str, **fields: str) -> Subject:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        identity, home = uuid4(), str(self.shell.home)
        given = {"home": home, "bind": "127.0.0.1", "data": f"{home}/instances/{name}/data", "port": port}
        given |= {"major": self.major, "bin": str(PROGRAMS[self.major]), "socket": f"@herdsite-{identity}"}
        return Subject(INSTANCE, identity, name, "creating", datetime.now(UTC), **(given | fields))

    def leader(self, name: str, **more: str) -> "Leader":
        """A running cluster that archives into a line of its own, called like itself."""
        subject = self.subject(name)
        line = Line(name, 1, str(subject.id))
        self.initdb(subject)
        self.do(self.archive.prepare(line, subject))
        leader = Leader(self, subject, line)
        leader.configure(self.archive.writing(line, subject), more | {"archive_mode": "on"})
        leader.start()
        return leader

    def initdb(self, subject: Subject) -> None:
        self.do(Script(INITDB, (subject.bin, subject.data)))

    def run(self, script: Script, path: str = "") -> Result:
        """What a script comes to, with the folder `path` before all others in its PATH."""
        prelude = f'PATH="{path}:$PATH"\n' if path else ""
        return self.shell.run(["sh", "-c", prelude + script.text, "herdsite", *script.args], script.stdin, 60)

    def do(self, script: Script) -> str:
        result = self.run(script)
        assert result.code == 0, result.err
        return result.out

    def refused(self, script: Script, path: str = "") -> str:
        result = self.run(script, path)
        assert result.code != 0, result
        return result.err

    def look(self, line: Line) -> tuple[Mapping[str, str | None], list[Kept]]:
        said = self.do(self.archive.look(line, str(self.shell.home)))
        return self.archive.read(dict(entry.split("=", 1) for entry in said.splitlines()))

    def restored(self, line: Line, label: str, name: str) -> "Leader":
        """The files of a base backup, not yet started."""
        subject = self.subject(name)
        self.do(self.archive.restore(line, subject, label, subject.data))
        return Leader(self, subject, line)

    def program(self, name: str, text: str) -> str:
        """A folder with a program of that name: to stand before the real ones."""
        folder = self.shell.home / f"programs-{uuid4().hex[:8]}"
        self.do(Script('mkdir "$1"; cat > "$1/$2"; chmod +x "$1/$2"', (str(folder), name), text.encode()))
        return str(folder)


@dataclass
class Leader:
    rig: Rig
    subject: Subject
    line: Line

    def configure(self, *parts: Wiring | Mapping[str, str]) -> None:
        """Write its configuration, whole."""
        subject, values = self.subject, {}
        values |= settings(SIZING, subject.major, subject.bind, subject.port, subject.socket, tls=False)
        files = {"pg_hba.conf": hba(tls=False)}
        for part in parts:
            values |= part.settings if isinstance(part, Wiring) else part
            files |= part.files if isinstance(part, Wiring) else {}
        files["postgresql.conf"] = lines(values)
        self.install(Wiring({}, files))

    def install(self, wiring: Wiring) -> Wiring:
        """Only the files of a wiring, for its commands to be tried."""
        for name, text in wiring.files.items():
            self.rig.do(Script(WRITE, (f"{self.subject.data}/{name}",), text.encode()))
        return wiring

    def start(self) -> None:
        self.rig.do(commands.start(self.subject))

    def stop(self) -> None:
        self.rig.do(commands.stop(self.subject))

    def recover(self, lines: Sequence[Line], *more: Wiring | Mapping[str, str]) -> None:
        """Start it to recover from those lines and to lead then."""
        fetching = self.rig.archive.fetching(lines, self.subject)
        self.configure({"archive_mode": "off", "recovery_target_action": "promote"}, fetching, *more)
        self.rig.do(Script(WRITE, (f"{self.subject.data}/recovery.signal",)))
        self.start()
        wait(lambda: self.sql("SELECT pg_is_in_recovery()") == "f")

    def sql(self, text: str) -> str:
        """As an operator on the host, with a search_path of PostgreSQL's own."""
        return self.rig.do(Script('"$@"', (*commands.psql(self.subject)[:-1], "postgres"), text.encode())).strip()

    def archived(self) -> str:
        """Close the segment that is written to, wait until it is in the archive, and name it."""
        last = self.sql("SELECT pg_walfile_name(pg_switch_wal() - 1)")
        wait(lambda: not self.waiting(last), self.why)
        return last

    def waiting(self, name: str) -> bool:
        return not Path(self.subject.data, "pg_wal/archive_status", f"{name}.done").exists()

    def why(self) -> str:
        logs = sorted(Path(self.subject.data, "log").glob("*"))
        return "".join(path.read_text()[-2000:] for path in logs)

    def backup(self, label: str) -> Kept:
        self.rig.do(self.rig.archive.backup(self.line, self.subject, label))
        return next(kept for kept in self.rig.look(self.line)[1] if kept.label == label)

    def push(self, wiring: Wiring, path: Path | str, before: str = "") -> Result:
        """What its archive_command says to that file. `before` runs first, in the same shell."""
        words = {"%p": str(path), "%f": Path(path).name}
        return self.command(wiring.settings["archive_command"], words, before)

    def fetch(self, wiring: Wiring, name: str, into: str) -> Result:
        """What its restore_command says when it is asked for that file, by a recovery if it is no standby's."""
        there = Path(self.subject.data, "recovery.signal")
        recovers = not Path(self.subject.data, "standby.signal").exists() and not there.exists()
        if recovers:
            there.touch()
        try:
            return self.command(wiring.settings["restore_command"], {"%p": into, "%f": name})
        finally:
            if recovers:
                there.unlink()

    def command(self, text: str, words: dict[str, str], before: str = "") -> Result:
        text = re.sub("%[pf%]", lambda found: (words | {"%%": "%"})[found[0]], text)
        return self.rig.run(Script(f'cd "$1"\n{before}\n{text}', (self.subject.data,)))

    def alike(self, **fields: str) -> "Leader":
        return replace(self, subject=replace(self.subject, **fields))


def wait(done: Callable[[], bool], why: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, why()
        time.sleep(0.02)


def restoring(
    leader: Leader,
    subject: Subject,
    label: str,
    moment: datetime | None = None,
    last: str = "",
    backup: Script | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
    goal: tuple[int, str] | None = None,
) -> Script:
    """What herdsite runs on a host to make `subject` of what the leader's archive holds, or of another `backup` and
    what follows on it; `more` are files beside its data, `goal` is where it has to come to."""
    archive = leader.rig.archive
    fetching = archive.fetching([leader.line], subject)
    recovery = {**fetching.settings, "recovery_target_timeline": "1", "recovery_target_action": "promote"}
    if moment:
        recovery["recovery_target_time"] = moment.isoformat(sep=" ")
    values = settings(SIZING, subject.major, subject.bind, subject.port, subject.socket, tls=False) | {
        "archive_mode": "off",
        "fsync": "off",
    }
    conf = f"{lines(values)}include_if_exists = 'herdsite.conf'\n"
    beside = {"postgresql.conf": conf, "pg_hba.conf": hba(tls=False), "herdsite.conf": "", **fetching.files, **more}
    backup = backup or archive.restore(leader.line, subject, label, f"{subject.data}.new")
    return commands.restore(subject, beside, backup, recovery, "SELECT 1;\n", last, goal)


def restored(leader: Leader, name: str, label: str = "first", moment: datetime | None = None) -> Leader:
    """A copy that leads, made as herdsite does."""
    subject = leader.rig.subject(name)
    job(leader.rig, f"{name}-build", restoring(leader, subject, label, moment))
    assert job_ended(leader.rig, f"{name}-build") == jobs.Look(jobs.DONE)
    return Leader(leader.rig, subject, leader.line)


def drilled(leader: Leader, name: str, label: str, rows: str, database: str = "postgres") -> jobs.Look:
    """What a drill came to."""
    rig, subject = leader.rig, leader.rig.subject(name, data=f"{leader.rig.shell.home}/drills/{name}/data")
    fetching = rig.archive.fetching([leader.line], subject)
    backup = rig.archive.restore(leader.line, subject, label, subject.data)
    job(rig, name, scratch.drill(subject, backup, fetching, 1, database, rows))
    return job_ended(rig, name)


def job(rig: Rig, name: str, script: Script) -> None:
    """Begin it as herdsite does."""
    jobs.start(rig.shell, str(rig.shell.home), name, script.text, script.args, script.stdin)


def job_ended(rig: Rig, name: str) -> jobs.Look:
    return ended(rig.shell, name)
