"""What an archive does, whichever it is: it keeps each Timeline's WAL and base backups, and gives them back.

A Timeline has one place in the archive, its Line, and one instance that may write there. The port is pure. What
PostgreSQL calls by itself is Wiring (settings, and POSIX sh files beside postgresql.conf); all else is a Script that
runs on a host as the account that PostgreSQL runs under, can be cut off anywhere and run again, ends with 0 only if
all was done, and says on stderr why it was not.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fleet.postgres.commands import Script
from fleet.subject import Subject

# PostgreSQL's default, which nothing here changes. A name's last 16 digits count in these.
SEGMENT_BYTES = 16 << 20
# No transaction of an idle database waits longer for the archive.
ARCHIVE_TIMEOUT_S = 60


@dataclass(frozen=True)
class Line:
    """One Timeline's place in the archive. `name` (letters, digits, "-") is unique among all that share an archive;
    `timeline_id` is PostgreSQL's own number of the timeline that is written there; `writer` is the id of the only
    instance that may write; `system` is the system identifier, "" as long as it is not known.

    ValueError for what can't be part of a command.
    """

    name: str
    timeline_id: int
    writer: str
    system: str = ""

    def __post_init__(self) -> None:
        plain(self.name)
        plain(self.writer)
        if self.timeline_id < 1 or not re.fullmatch(r"[0-9]*", self.system):
            raise ValueError(f"{self} has no timeline or no system of PostgreSQL's")


@dataclass(frozen=True)
class Wiring:
    """What goes into an instance's configuration: `settings` are names and values of postgresql.conf, `files` are
    files in the data directory (name → text, of mode 0600)."""

    settings: Mapping[str, str]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Kept:
    """A complete base backup. Times are in epoch seconds by the host's clock: from `ended_at` on, every instant can be
    restored. The segments from `first_wal` to `last_wal` make it consistent, which it is at `stop_lsn`."""

    label: str
    began_at: float
    ended_at: float
    first_wal: str
    last_wal: str
    bytes: int
    stop_lsn: str = ""


class Archive(Protocol):
    """Each verb checks its arguments (ValueError) and does nothing else but put words together."""

    name: str

    def writing(self, line: Line, subject: Subject, ancestors: Sequence[Line] = ()) -> Wiring:
        """How the leader that writes `line` archives. archive_mode stays with whoever starts it. What it archives of a
        timeline before goes into its own place, unless one of the `ancestors` has it. ValueError when another instance
        is the line's writer."""

    def fetching(self, lines: Sequence[Line], subject: Subject) -> Wiring:
        """How `subject` gets WAL back: from the first of `lines` that has it, so its own comes first and then its
        ancestors'. What is not there ends recovery (or has a standby wait); what can't be read stops it."""

    def prepare(self, line: Line, subject: Subject) -> Script:
        """Make the line's place, before its writer is wired to it. Fails for one that is another writer's or another
        system's."""

    def backup(self, line: Line, subject: Subject, label: str) -> Script:
        """Take a base backup of the running instance `subject`, which must be on the line's timeline. It is listed
        when it is complete and checked, and not before; one that is there already is left as it is."""

    def forget(self, line: Line, label: str) -> Script:
        """Take away what is left of a base backup that did not come to be. One that is complete stays."""

    def restore(self, line: Line, subject: Subject, label: str, into: str) -> Script:
        """Put the files of that base backup into the folder `into`: all that a cluster needs but postgresql.conf and
        a signal file. Fails before it writes when there is no such backup, when something else is in that place, or
        when the disk has no room. Does nothing if it is done already."""

    def filling(self, line: Line, subject: Subject) -> Wiring:
        """How a member that is not its writer, and never was, puts what the place of a line that is closed lacks into
        that place."""

    def look(self, line: Line, home: str, until: str = "", others: Sequence[Line] = ()) -> Script:
        """Say in NAME=VALUE lines what the line holds; `read` understands them. Fast, whatever the line's length. One
        that is closed has to have all up to the segment `until`, in its own place or in those of the `others`, into
        which whoever led after it archives what was left."""

    def read(self, said: Mapping[str, str]) -> tuple[dict[str, str | None], list[Kept]]:
        """What `look` said, as facts and as the base backups, oldest first. The facts, None for what there is not:

        archive_last (name of the newest segment), archive_last_age_s (since it came), archive_segments (their
        number), archive_bytes (of all that is stored), archive_missing (what is not there between the oldest backup's
        start, or else the line's, and the newest segment: ranges "FIRST-LAST", or a history file, divided by commas;
        "" when nothing is missing), archive_backups (their number).
        """

    def verify(self, line: Line, subject: Subject, label: str) -> Script:
        """Read that backup and all WAL since it, every byte; fails and names what is missing or damaged."""

    def expire(self, line: Line, keep: str, hold: Sequence[str] = ()) -> Script:
        """Drop the base backups before `keep` (a label) and the WAL that neither it nor a later one needs. `hold`
        names labels to keep with all WAL since their start, and segments to keep with all that follow: what the
        line's forks need. Fails, and drops nothing, when `keep` or a held label is not complete."""

    def drop(self, line: Line) -> Script:
        """Remove the line with all that it holds."""


def plain(name: str) -> str:
    """`name`, if it may be the name of a line, a writer or a backup: letters, digits and "-". ValueError if not."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}", name):
        raise ValueError(f"{name!r} is no name for something in an archive: letters, digits and - only")
    return name


def is_segment(name: str) -> bool:
    """Whether that is what PostgreSQL calls a WAL segment: timeline and place, in hexadecimal."""
    return re.fullmatch(r"[0-9A-F]{24}", name) is not None


def begins(name: str) -> int:
    """Where the WAL segment of that name begins, in bytes."""
    return int(name[8:16], 16) << 32 | int(name[16:24], 16) * SEGMENT_BYTES


def names_between(missing: str) -> list[str]:
    """The segments of a range "FIRST-LAST"; none for a history file."""
    first, _, last = missing.partition("-")
    if not (is_segment(first) and is_segment(last)):
        return []
    ends = [begins(name) // SEGMENT_BYTES for name in (first, last)]
    return [f"{first[:8]}{number >> 8:08X}{number & 255:08X}" for number in range(ends[0], ends[1] + 1)]


def told(said: Mapping[str, str]) -> tuple[dict[str, str | None], list[Kept]]:
    """Facts and base backups from the lines of a look, where archive_backups is LABEL:BEGAN:ENDED:FIRST:LAST:BYTES:STOP
    for each, divided by commas. ValueError when that is not what it is."""
    listed = said.get("archive_backups", "")
    kept = [_kept(*entry.split(":")) for entry in listed.split(",") if entry]
    facts: dict[str, str | None] = {name: value or None for name, value in said.items() if name.startswith("archive_")}
    missing = {"archive_missing": said["archive_missing"]} if "archive_missing" in said else {}
    return facts | missing | {"archive_backups": f"{len(kept)}"}, sorted(kept, key=lambda one: one.began_at)


def _kept(label: str, began: str, ended: str, first: str, last: str, size: str, stop: str) -> Kept:
    return Kept(label, float(began), float(ended), first, last, int(size), stop)


def written_by(line: Line, subject: Subject) -> None:
    """ValueError unless `subject` is the one that may write `line`."""
    if line.writer != str(subject.id):
        raise ValueError(f"{subject.name} may not write {line.name}: its writer is {line.writer}")


def command(*words: str) -> str:
    """A command for PostgreSQL to run: each word as it is, whatever it holds, except that %p and %f stand for what
    PostgreSQL puts there. ValueError for a line break, which no setting can hold."""
    if any("\n" in word or "\0" in word for word in words):
        raise ValueError(f"{words!r} can't be a command of PostgreSQL's: it has a line break")
    return " ".join(word if word in ("%p", "%f") else shlex.quote(word).replace("%", "%%") for word in words)
