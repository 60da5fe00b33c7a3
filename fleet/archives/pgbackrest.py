"""An archive that pgBackRest keeps, in S3 or on a disk that all hosts see: what to use in production. It has to be
installed on the hosts; version 2.45 knows PostgreSQL up to 15. Each line is a stanza. What runs on hosts is in
pgbackrest_scripts.py.
"""

import json
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as Unreadable

from fleet.archives import pgbackrest_scripts as scripts
from fleet.archives.base import ARCHIVE_TIMEOUT_S, Kept, Line, Wiring, command, is_segment, plain, told, written_by
from fleet.postgres.commands import Script
from fleet.subject import Subject

NEWEST = 15
PUSH, FETCH, CONF = "pgbackrest-push.sh", "pgbackrest-fetch.sh", "pgbackrest.conf"
DEFAULTS = {
    # gzip, because base systems have it: `verify` reads segments without the tool. The level is the fastest.
    "compress-type": "gz",
    "compress-level": "1",
    "process-max": "2",
    # Small files share objects: a store is slow and dear by the object.
    "repo1-bundle": "y",
    # What expires is decided by us, never by the tool.
    "repo1-retention-full": "9999999",
    "log-level-console": "off",
    "log-level-file": "off",
    "log-level-stderr": "error",
}


class Pgbackrest:
    """`repo` are pgBackRest's own settings, secrets among them: repo1-path, and for S3 repo1-type, repo1-s3-bucket and
    so on; they go before our defaults. With `queue_max` ("64GB"), a leader whose archive is out of reach for too long
    drops WAL rather than fill its disk; without, which is the default, it never does. ValueError for a value of
    several lines."""

    name = "pgbackrest"

    def __init__(self, repo: Mapping[str, str], queue_max: str = "") -> None:
        queue = {"archive-push-queue-max": queue_max} if queue_max else {}
        self._settings = DEFAULTS | queue | dict(repo)
        self.queue_max = queue_max
        for name, value in self._settings.items():
            if "\n" in f"{name}{value}":
                raise ValueError(f"{name} of pgBackRest can't have several lines")

    def writing(self, line: Line, subject: Subject, ancestors: Sequence[Line] = ()) -> Wiring:
        written_by(line, subject)
        return self._writing(line, subject, ancestors)

    def filling(self, line: Line, subject: Subject) -> Wiring:
        return self._writing(line, subject, ())

    def _writing(self, line: Line, subject: Subject, ancestors: Sequence[Line]) -> Wiring:
        before = (one.name for one in ancestors)
        push = command("sh", PUSH, line.name, line.writer, str(line.timeline_id), "%p", "%f", *before)
        settings = {"archive_command": push, "archive_timeout": f"{ARCHIVE_TIMEOUT_S}s"}
        return Wiring(settings, {PUSH: scripts.PUSH, CONF: self._conf(subject)})

    def fetching(self, lines: Sequence[Line], subject: Subject) -> Wiring:
        fetch = command("sh", FETCH, "%f", "%p", *(line.name for line in lines))
        return Wiring({"restore_command": fetch}, {FETCH: scripts.FETCH, CONF: self._conf(subject)})

    def prepare(self, line: Line, subject: Subject) -> Script:
        """The cluster must be there: pgBackRest makes a stanza from its control file."""
        return self._script(scripts.PREPARE, line, line.writer, line.system, subject.bin, subject.data)

    def backup(self, line: Line, subject: Subject, label: str) -> Script:
        """From the leader only, whose archiving must be on."""
        where = (subject.bin, subject.data, subject.socket, str(subject.port))
        return self._script(scripts.BACKUP, line, str(line.timeline_id), plain(label), *where)

    def forget(self, line: Line, label: str) -> Script:  # noqa: ARG002 (the next backup clears it away by itself)
        return Script(":", ())

    def restore(self, line: Line, subject: Subject, label: str, into: str) -> Script:
        if not into.startswith(f"{subject.home}/") or ".." in into.split("/"):
            raise ValueError(f"{into!r} does not lie below {subject.home!r}")
        return self._script(scripts.RESTORE, line, plain(label), into.rstrip("/"))

    def look(self, line: Line, home: str, until: str = "", others: Sequence[Line] = ()) -> Script:  # noqa: ARG002
        more = (until, *(one.name for one in others)) if until else ()
        return self._script(scripts.LOOK, line, str(line.timeline_id), *more)

    def read(self, said: Mapping[str, str]) -> tuple[dict[str, str | None], list[Kept]]:
        backups = [one for stanza in json.loads(said["archive_info"]) for one in stanza["backup"] if _ours(one)]
        facts, _ = told({name: value for name, value in said.items() if name != "archive_info"})
        stored = int(said["archive_bytes"]) + sum(one["info"]["repository"]["delta"] for one in backups)
        kept = sorted(map(_kept, backups), key=lambda one: one.began_at)
        return facts | {"archive_bytes": f"{stored}", "archive_backups": f"{len(kept)}"}, kept

    def verify(self, line: Line, subject: Subject, label: str) -> Script:  # noqa: ARG002 (the tool needs no cluster)
        return self._script(scripts.VERIFY, line, str(line.timeline_id), plain(label))

    def expire(self, line: Line, keep: str, hold: Sequence[str] = ()) -> Script:
        held = (held if is_segment(held) else plain(held) for held in hold)
        return self._script(scripts.EXPIRE, line, plain(keep), *held)

    def drop(self, line: Line) -> Script:
        return self._script(scripts.DROP, line)

    def _script(self, text: str, line: Line, *args: str) -> Script:
        entries = (f"PGBACKREST_{name.upper().replace('-', '_')}={value}\n" for name, value in self._settings.items())
        return Script(text, (line.name, *args), "".join(entries).encode())

    def _conf(self, subject: Subject) -> str:
        """ValueError for a PostgreSQL that the tool does not know."""
        if subject.major > NEWEST:
            raise ValueError(f"pgBackRest 2.45 knows PostgreSQL up to {NEWEST}, and this is {subject.major}")
        return "[global]\n" + "".join(f"{name}={value}\n" for name, value in self._settings.items())


def configured(path: str) -> Pgbackrest:
    """The archive that a file in pgBackRest's own form says, in its section [global]. ValueError when it can't be read,
    or says nothing."""
    parser = ConfigParser(delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    try:
        with open(path) as file:
            parser.read_file(file)
        said = dict(parser["global"])
    except (OSError, UnicodeDecodeError, Unreadable, KeyError) as error:
        raise ValueError(f"{path or 'no file'} says nothing about pgBackRest: {error}") from error
    return Pgbackrest(said, said.get("archive-push-queue-max", ""))


def _ours(backup: dict) -> bool:
    return "herdsite" in backup.get("annotation", {}) and not backup["error"]


def _kept(backup: dict) -> Kept:
    """The tool counts whole seconds: the backup ended within the one that it names."""
    at, wal = backup["timestamp"], backup["archive"]
    label, size = backup["annotation"]["herdsite"], backup["info"]["size"]
    return Kept(label, at["start"], at["stop"] + 1.0, wal["start"], wal["stop"], size, backup["lsn"]["stop"])
