"""How far a logical backup is: its size so far against the size that it is expected to have."""

from dataclasses import dataclass

from fleet.models import Backup
from fleet.states import KEPT


@dataclass(frozen=True)
class Progress:
    """Sizes in bytes, `rate` in bytes a second since its job began, `left_s` the seconds that the rest should take;
    None where that is not known yet."""

    bytes: int
    of_bytes: int | None
    rate: float | None
    left_s: float | None

    @property
    def share(self) -> float | None:
        """How much of it is there, from 0 to 1."""
        return None if not self.of_bytes else self.bytes / self.of_bytes


def progress(backup: Backup) -> Progress:
    """As the row has it; its beats look every second while it is being taken."""
    if backup.state == KEPT:
        size = backup.bytes or 0
        return Progress(size, size, None, 0.0)
    taken = int(backup.facts.get("taken_bytes") or 0)
    took_s = float(backup.facts.get("taken_s") or 0)
    expected = int(backup.attrs.get("of_bytes") or 0)
    rate = taken / took_s if taken and took_s > 0 else None
    if not expected:
        return Progress(taken, None, rate, None)
    of_bytes = max(taken, expected)
    return Progress(taken, of_bytes, rate, (of_bytes - taken) / rate if rate else None)


def foreseen(db_bytes: int, last: Backup | None) -> int:
    """The size that a dump of a database of `db_bytes` should have: by how much the last one was smaller than its
    database; by the database itself when there is no last one."""
    before = int(last.attrs.get("db_bytes") or 0) if last else 0
    return db_bytes * (last.bytes or 0) // before if last and before else db_bytes
