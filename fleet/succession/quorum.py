"""What one leader must wait for before it acknowledges a commit, and how that may change without the record ever
claiming a safety that the leader doesn't have.

The setting is strict: every required standby must have flushed a commit, so any of them has all that was acknowledged,
and without the one that is promoted the old leader acknowledges nothing. "may_lose" is on record *before* any change
reaches the leader; "cant_lose" only after it was seen in force there, by two looks or more. Each change has a serial,
which stands next to the setting in one file on the leader's host: the host refuses an older one, so an order that was
held up on its way can't undo what was proven since.

Three things the caller owes. A record is written only over the one that the step was thought from (compare and set),
and not while a changeover is fencing or promoting. The record is read before the look is taken. Every standby streams
through a slot of its own: PostgreSQL counts connections, not names, and a slot lets only one of a name stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fleet.succession.seen import Seen, behind, setting, unheard

MAY_LOSE, CANT_LOSE = "may_lose", "cant_lose"


@dataclass(frozen=True)
class Record:
    """What we hold true of the leader: `required` in the setting's order; `shown`: a look found the setting of this
    `serial` loaded; `since_lsn`: where the leader's WAL was at a look that found it in force."""

    required: tuple[str, ...] = ()
    says: str = MAY_LOSE
    serial: int = 0
    shown: bool = False
    since_lsn: int | None = None


@dataclass(frozen=True)
class Standby:
    """One that belongs to the leader, the preferred first. `away_s`: for how long the leader has not seen it stream (0:
    it streams now). `ready`: it streams and is near enough that a commit may wait for it. `unfit`: its replay stands
    still, or it has less than its leader of what replay needs, so that it could not lead."""

    name: str
    away_s: float | None
    ready: bool | None
    unfit: bool = False


@dataclass(frozen=True)
class Nothing:
    why: str


@dataclass(frozen=True)
class Write:
    """Put this record in place of the one that was thought from."""

    record: Record
    why: str


@dataclass(frozen=True)
class Apply:
    """Have the host put the setting and its serial in force, unless it has taken a newer one."""

    setting: str
    serial: int
    why: str


Step = Nothing | Write | Apply


def next_step(record: Record, seen: Seen, standbys: Sequence[Standby], wanted: int, patience_s: float) -> Step:
    """The one thing to do now, so that `wanted` standbys are required. Any step may be lost or done twice."""
    if seen.sure is not True:
        return Nothing("the leader is in doubt: its synchronous standbys stay as they are")
    required = record.required
    shows = (seen.setting, seen.serial) == (setting(required), record.serial)
    heard = shows and record.shown and not unheard(required, seen)
    names = wish(required, standbys, wanted, patience_s, heard)
    if set(names) != set(required):
        lost = ", ".join(name for name in required if name not in names)
        return Write(_next(record, names), _waits(names) + (f", no longer for {lost}" if lost else ""))
    if seen.setting is None:
        return Nothing("the leader's synchronous_standby_names is not known")
    if not shows and record.says == CANT_LOSE:
        return Write(_next(record, required), "the leader shows another setting than was proven")
    if not shows:
        return Apply(setting(required), record.serial, _waits(required))
    if record.says == CANT_LOSE:
        return Nothing("no acknowledged write can be lost")
    if not record.shown:
        return Write(replace(record, shown=True), "the setting is loaded; from the next look on it may be proven")
    if not required:
        return Nothing("no standby is required")
    if not heard:
        return Nothing(unheard(required, seen))
    # Under load a standby is never where the leader is now. It is enough that it has come to where the leader was when
    # the setting was in force already: later commits wait for it.
    if not (late := behind(required, seen, seen.lsn if record.since_lsn is None else record.since_lsn)):
        return Write(
            replace(record, says=CANT_LOSE), f"a commit waits for {', '.join(required)}, which have all so far"
        )
    if record.since_lsn is None and seen.lsn is not None:
        return Write(replace(record, since_lsn=seen.lsn), "the setting is in force from here on")
    return Nothing(late)


def wish(
    required: Sequence[str], standbys: Sequence[Standby], wanted: int, patience_s: float, heard: bool
) -> tuple[str, ...]:
    """Who shall be required: those that are, less who is gone or was away for too long, filled up with who is ready.

    A connection that has not reloaded releases commits by the smaller number of an older setting. It gives itself away
    by the priority that it shows, as long as that differs: so new ones come first, which moves the others, and a second
    or third one only joins when everybody on the leader has `heard` of the setting as it is.
    """
    by_name = {standby.name: standby for standby in standbys}
    stays = [by_name[name] for name in required if name in by_name and not _lost(by_name[name], patience_s)]
    kept = tuple(standby.name for standby in stays)[: max(0, wanted)]
    # While one is away for a moment, its word may still be what saves a failover: a set that changes proves nothing.
    if len(kept) == len(required) and any(standby.away_s != 0 for standby in stays):
        return kept
    ready = tuple(s.name for s in standbys if s.ready is True and not s.unfit and s.away_s == 0 and s.name not in kept)
    return ready[: max(0, (wanted if heard else min(wanted, 1)) - len(kept))] + kept


def promoted(record: Record) -> Record:
    """The record of the next leader: it waits for nobody yet, and no order meant for the old one fits it."""
    return Record(serial=record.serial + 1)


def _next(record: Record, names: tuple[str, ...]) -> Record:
    return Record(names, MAY_LOSE, record.serial + 1)


def _waits(names: Sequence[str]) -> str:
    return f"commits are to wait for {', '.join(names) or 'no standby'}"


def _lost(standby: Standby, patience_s: float) -> bool:
    return standby.unfit or (standby.away_s is not None and standby.away_s > patience_s)
