"""An archive in a directory that all hosts see: a disk of this machine, or NFS. Nothing needs to be installed; what it
does on hosts is in directory_scripts.py. WAL is stored compressed, base backups as they are, so that a restore is a
bare copy."""

from collections.abc import Mapping, Sequence

from fleet.archives import directory_scripts as scripts
from fleet.archives.base import (
    ARCHIVE_TIMEOUT_S,
    Kept,
    Line,
    Wiring,
    command,
    is_segment,
    plain,
    told,
    written_by,
)
from fleet.postgres.commands import Script
from fleet.subject import Subject

# A setting has one line, and pg_verifybackup writes paths between double quotes for a shell.
BARRED = frozenset('"$`\\\n\0')
PUSH, FETCH = "archive-push.sh", "archive-fetch.sh"


class Directory:
    """`root` is the absolute path of the directory, the same on every host; it must be there, and belong to the
    account that PostgreSQL runs under. ValueError for one that is not absolute, or has one of BARRED."""

    name = "directory"

    def __init__(self, root: str) -> None:
        if not root.startswith("/"):
            raise ValueError(f"{root!r} is no absolute path")
        if barred := BARRED.intersection(root):
            raise ValueError(f"{root!r} can't be an archive's path: PostgreSQL's programs would trip over {barred}")
        self.root = root.rstrip("/")

    def writing(self, line: Line, subject: Subject, ancestors: Sequence[Line] = ()) -> Wiring:
        written_by(line, subject)
        return self._writing(line, ancestors)

    def filling(self, line: Line, subject: Subject) -> Wiring:  # noqa: ARG002 (every host is alike)
        return self._writing(line, ())

    def _writing(self, line: Line, ancestors: Sequence[Line]) -> Wiring:
        place, before = (line.name, line.writer, str(line.timeline_id)), (one.name for one in ancestors)
        push = command("sh", PUSH, self.root, *place, "%p", "%f", *before)
        settings = {"archive_command": push, "archive_timeout": f"{ARCHIVE_TIMEOUT_S}s"}
        return Wiring(settings, {PUSH: scripts.PUSH})

    def fetching(self, lines: Sequence[Line], subject: Subject) -> Wiring:  # noqa: ARG002 (every host is alike)
        fetch = command("sh", FETCH, self.root, "%f", "%p", *(line.name for line in lines))
        return Wiring({"restore_command": fetch}, {FETCH: scripts.FETCH})

    def prepare(self, line: Line, subject: Subject) -> Script:
        return self._script(scripts.PREPARE, line, line.writer, line.system, subject.bin, subject.data)

    def backup(self, line: Line, subject: Subject, label: str) -> Script:
        where = (subject.bin, subject.socket, str(subject.port))
        return self._script(scripts.BACKUP, line, str(line.timeline_id), plain(label), *where)

    def forget(self, line: Line, label: str) -> Script:
        return self._script(scripts.FORGET, line, plain(label))

    def restore(self, line: Line, subject: Subject, label: str, into: str) -> Script:
        if not into.startswith(f"{subject.home}/") or ".." in into.split("/"):
            raise ValueError(f"{into!r} does not lie below {subject.home!r}")
        return self._script(scripts.RESTORE, line, plain(label), into.rstrip("/"))

    def look(self, line: Line, home: str, until: str = "", others: Sequence[Line] = ()) -> Script:  # noqa: ARG002
        more = (until, *(one.name for one in others)) if until else ()
        return self._script(scripts.LOOK, line, str(line.timeline_id), *more)

    def read(self, said: Mapping[str, str]) -> tuple[dict[str, str | None], list[Kept]]:
        return told(said)

    def verify(self, line: Line, subject: Subject, label: str) -> Script:
        return self._script(scripts.VERIFY, line, str(line.timeline_id), plain(label), subject.bin)

    def expire(self, line: Line, keep: str, hold: Sequence[str] = ()) -> Script:
        held = (held if is_segment(held) else plain(held) for held in hold)
        return self._script(scripts.EXPIRE, line, plain(keep), *held)

    def drop(self, line: Line) -> Script:
        return self._script(scripts.DROP, line)

    def _script(self, text: str, line: Line, *args: str) -> Script:
        return Script(text, (self.root, line.name, *args))
