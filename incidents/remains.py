"""What remains of a leader that is lost: up to where its archive came, and up to where anybody saw it write."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from fleet.models import Instance
from fleet.subject import Subject
from fleet.succession import lsn
from fleet.transports.base import Shell, checked
from observations import series

SEGMENT = 16 * 2**20
# A segment is archived at the latest a minute after it was begun: of a leader that archives, more than this is hardly
# ever missing (B).
USUAL = 4 * SEGMENT
LATELY, AFTER = timedelta(minutes=15), timedelta(seconds=5)
MOST_LOOKS = 60
_LAST_COMMIT = """grep -hs 'last completed transaction was at log time' "$1"/log/*.log | tail -n 1"""


@dataclass(frozen=True)
class Remains:
    """`looks` are positions in its WAL, each with the last time that it was seen there (epoch, s), oldest first;
    `archived` is where the archive's WAL ends; `failing`: archiving failed when last asked. None: not known."""

    looks: list[tuple[int, float]]
    archived: int | None
    failing: bool | None

    @property
    def seen(self) -> str:
        """The last position, as PostgreSQL writes it."""
        return lsn.text(self.looks[-1][0]) if self.looks else "no position"

    @property
    def missing(self) -> int | None:
        """Bytes that it was seen to have written and that its archive has not."""
        return lsn.ahead(self.looks[-1][0] if self.looks else None, self.archived)

    @property
    def too_much(self) -> str:
        """Why nobody but a person should let go of what is missing; "" when it is what may always be."""
        if self.failing:
            return "archiving was failing when the old leader was last seen"
        if self.missing is None:
            return "how much WAL the archive lacks is not known"
        return f"the archive lacks {words(self.missing)} of WAL" if self.missing > USUAL else ""


def of(source: Instance) -> Remains:
    """From the last looks that saw something of it: a look that sees nothing wipes what the row had."""
    last = source.seen_at or timezone.now()
    seen: dict[int, float] = {}
    names, failing = [source.timeline.facts.get("archive_last") or ""], None
    for look in series.looks(series.Range(source.pk, last - LATELY, last + AFTER)):
        if (at := lsn.known(look.attrs.get("lsn"))) is not None:
            seen[at] = look.at.timestamp()
        names.append(look.attrs.get("last_archived_wal") or "")
        failing = {"true": True, "false": False}.get(look.attrs.get("archiver_failing"), failing)
    archived = max((end for name in names if (end := segment_end(name)) is not None), default=None)
    return Remains(sorted(seen.items())[-MOST_LOOKS:], archived, failing)


def not_got(said: Mapping[str, str]) -> str:
    """What could not be archived from a host that lives, by what came of it there (control.rest), in a sentence; ""
    when all was."""
    if not said["end"]:
        return "The end of the former leader's WAL can't be read on its host: what the archive lacks is not known."
    left = said["left"].split(",") if said["left"] else []
    if not left:
        return ""
    return f"WAL on the former leader's host could not be archived: {', '.join(left[:3])}{' …' * (len(left) > 3)}."


def segment_end(name: str) -> int | None:
    """Where the WAL of a segment file of the usual size ends; None for what is no segment's name."""
    try:
        return (int(name[8:16], 16) << 32 | int(name[16:24], 16) * SEGMENT) + SEGMENT if len(name) == 24 else None
    except ValueError:
        return None


def last_commit(shell: Shell, subject: Subject) -> str:
    """When the last transaction that a recovery replayed was committed, as its log says it; "" when it replayed none.
    Raises TransportError."""
    argv = ["sh", "-c", _LAST_COMMIT, "herdsite", subject.data]
    return checked(argv, shell.run(argv)).out.strip().partition("at log time ")[2].strip()


def words(size: int | None) -> str:
    """A size as people read it."""
    return "an unknown amount" if size is None else lsn.size(size)
