"""What runs on a host to read the WAL of a cluster that runs no more. Nothing there is changed."""

from fleet.postgres.commands import Script
from fleet.postgres.scripts import COMMON
from fleet.subject import Subject

# TIMELINE LSN: how many transactions were committed from there on, by the WAL of one that runs no more. Its end is no
# error: there the WAL just stops.
COMMITS = (
    COMMON
    + """
timeout 15 "$bin/pg_waldump" -p "$data/pg_wal" -t "$3" -s "$4" -r Transaction 2> /dev/null |
    awk '/desc: COMMIT/ { n++ } END { print "commits=" n + 0 }'
"""
)


def commits(subject: Subject, timeline: int, since: str) -> Script:
    """Count what it has committed on that timeline from a position on."""
    return Script(COMMITS, (subject.bin, subject.data, str(timeline), since))
