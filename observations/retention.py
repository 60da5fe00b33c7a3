"""Days of observations: one partition each, made ahead and dropped when they are old. Days are UTC."""

from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import connections, transaction

PARENT = "observations_observation"
AHEAD = 2
# One lock for all who look after partitions: a CREATE and a DROP at the same moment would wait for each other.
_LOCK = 4_711_001


def name_of(day: date) -> str:
    return f"{PARENT}_{day:%Y%m%d}"


def days() -> list[date]:
    """The days that have a partition, oldest first."""
    with connections[settings.OBSERVATIONS_DB].cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1", [PARENT]
        )
        return [datetime.strptime(row[0].rsplit("_", 1)[1], "%Y%m%d").date() for row in cursor.fetchall()]


def keep(today: date | None = None) -> tuple[list[date], list[date]]:
    """Make the partitions from today to AHEAD days on, drop those older than KEEP_OBSERVATIONS_DAYS. Returns the days
    made and the days dropped; doing it again does nothing."""
    today = today or datetime.now(UTC).date()
    wanted = [today + timedelta(days=n) for n in range(AHEAD + 1)]
    oldest = today - timedelta(days=settings.KEEP_OBSERVATIONS_DAYS)
    database = settings.OBSERVATIONS_DB
    with transaction.atomic(using=database), connections[database].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        there = days()
        made = [day for day in wanted if day not in there]
        for day in made:
            cursor.execute(
                f"CREATE TABLE {name_of(day)} PARTITION OF {PARENT} FOR VALUES FROM (%s) TO (%s)",
                [_midnight(day), _midnight(day + timedelta(days=1))],
            )
        dropped = [day for day in there if day < oldest]
        for day in dropped:
            cursor.execute(f"DROP TABLE {name_of(day)}")
    return made, dropped


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
