"""A base backup that is taken of a follower in the moment in which it is needed, and kept nowhere: what is made of it
has little left to replay, however old the last one in the archive is, and its leader is not touched."""

from fleet.archives.scripts import COMMON, ROOM, SETTLE
from fleet.postgres.commands import Script
from fleet.progress import SAYING
from fleet.subject import Subject

# CONNINFO LINE LABEL BYTES INTO BIN.
_COPY = (
    COMMON
    + SAYING
    + """
conninfo=$1 line=$2 label=$3 bytes=$4 into=$5 bin=$6
"""
    + ROOM
    + """
far copying "$bytes"
"$bin/pg_basebackup" -w -d "$conninfo" -D "$into.new" -l "$label" -c fast -X stream --progress
"""
    + SETTLE
)


def copy(conninfo: str, line: str, subject: Subject, size: int, into: str) -> Script:
    """Put the files of the follower that `conninfo` leads to into the folder `into`, as an archive's `restore` does.
    `line` is the name of its timeline, `size` how many bytes it is about to be."""
    return Script(_COPY, (conninfo, line, "living", str(size), into, subject.bin))
