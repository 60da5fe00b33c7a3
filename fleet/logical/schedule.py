"""How often a logical backup is due by itself, how many are kept, and for how long: what each tier of plans promises.
Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.plans import PRODUCTION, STARTER


@dataclass(frozen=True)
class Promise:
    """One each `every`, of which the newest `keep` stay. One that nothing came of is tried again after `again`. Those
    that somebody asked for stay for `asked`, and all that are left of a database that is gone for `gone`."""

    keep: int
    every: timedelta = timedelta(days=1)
    again: timedelta = timedelta(hours=1)
    asked: timedelta = timedelta(days=30)
    gone: timedelta = timedelta(days=30)


PROMISES = {
    PRODUCTION: Promise(keep=7),
    STARTER: Promise(keep=2),
}


def due(promise: Promise, now: datetime, made: datetime, planned: float | None) -> bool:
    """Whether one is due. `made` is when the database was asked for; `planned` (epoch, s) what was written down at the
    last one: an hour on when it was begun, a day on when it was kept."""
    return now.timestamp() >= ((made + promise.again).timestamp() if planned is None else planned)


def over(promise: Promise, now: datetime, keep_until: datetime | None, gone: datetime | None) -> bool:
    """Whether one need not be kept any more. `gone` is since when its database is no more."""
    return any(end is not None and end <= now for end in (keep_until, gone + promise.gone if gone else None))
