"""Days of observations: made ahead, dropped when old, and doing it again does nothing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from observations import retention
from observations.models import Observation
from observations.retention import AHEAD, days, keep

TODAY = datetime.now(UTC).date()
# Far from the partitions that every test stands on.
THEN = date(2031, 3, 30)


def span(first: date, count: int) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


def look(at: datetime) -> Observation:
    return Observation.objects.create(at=at, kind="server", subject="0" * 32, vantage="here/1", took_ms=1.0)


@pytest.fixture
def bare(db) -> None:
    """No partition at all."""
    with connection.cursor() as cursor:
        for day in days():
            cursor.execute(f"DROP TABLE {retention.name_of(day)}")


@pytest.mark.usefixtures("bare")
class TestKeeping:
    def test_today_and_some_days_ahead_are_made(self) -> None:
        assert keep(THEN) == (span(THEN, AHEAD + 1), [])
        assert days() == span(THEN, AHEAD + 1)

    def test_doing_it_again_does_nothing(self) -> None:
        keep(THEN)
        assert keep(THEN) == ([], [])

    def test_each_new_day_makes_one_more(self) -> None:
        keep(THEN)
        assert keep(THEN + timedelta(days=1)) == ([THEN + timedelta(days=AHEAD + 1)], [])

    def test_old_days_are_dropped_with_what_is_in_them(self, settings) -> None:
        settings.KEEP_OBSERVATIONS_DAYS = 3
        keep(THEN)
        look(datetime(THEN.year, THEN.month, THEN.day, 12, tzinfo=UTC))
        _made, dropped = keep(THEN + timedelta(days=3))
        assert dropped == []
        assert Observation.objects.count() == 1
        _made, dropped = keep(THEN + timedelta(days=4))
        assert dropped == [THEN]
        assert Observation.objects.count() == 0

    def test_after_a_long_pause_all_that_is_old_goes_at_once(self) -> None:
        keep(THEN)
        made, dropped = keep(THEN + timedelta(days=400))
        assert dropped == span(THEN, AHEAD + 1)
        assert days() == made

    def test_a_day_begins_and_ends_at_midnight_utc(self) -> None:
        keep(THEN)
        midnight = datetime(THEN.year, THEN.month, THEN.day, tzinfo=UTC)
        moments = [midnight, midnight + timedelta(days=1) - timedelta(microseconds=1), midnight + timedelta(days=1)]
        for at in moments:
            look(at)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT at FROM {retention.name_of(THEN)} ORDER BY at")
            assert [row[0] for row in cursor.fetchall()] == moments[:2]

    def test_a_day_without_a_partition_takes_no_observation(self) -> None:
        with pytest.raises(IntegrityError, match="no partition"), transaction.atomic():
            look(datetime(2031, 3, 30, 12, tzinfo=UTC))


def test_without_a_date_it_is_today(db) -> None:
    keep()
    assert set(span(TODAY, AHEAD + 1)) <= set(days())


@pytest.mark.django_db(transaction=True)
def test_two_housekeepers_at_once_do_it_once() -> None:
    made_before = days()

    def work(_n: int) -> tuple[list[date], list[date]]:
        try:
            return keep(THEN)
        finally:
            connection.close()

    try:
        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(work, range(2))
        assert sorted(one[0] + other[0]) == span(THEN, AHEAD + 1)
        assert [] in (one[0], other[0])
    finally:
        with connection.cursor() as cursor:
            for day in days():
                cursor.execute(f"DROP TABLE {retention.name_of(day)}")
        keep()
    assert set(days()) & set(made_before) == set(span(TODAY, AHEAD + 1))
