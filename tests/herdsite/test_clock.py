"""The clock: one of many ticks, queues are topped up and no more, and housekeeping keeps no turn waiting."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from fleet import workers
from fleet.models import Worker
from herdsite import clock
from observations import retention

pytestmark = pytest.mark.django_db


def hang_up() -> None:
    """Close the session of the thread that calls."""
    connection.close()


def session() -> int:
    """The server's process for the thread that calls."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


@pytest.fixture
def another():
    """A clock in another session. Both give the lock back in the end."""
    with ThreadPoolExecutor(1) as pool:

        def ask(what):
            return pool.submit(what).result()

        yield ask
        ask(hang_up)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")


def test_one_of_two_clocks_is_elected_and_stays_so(another) -> None:
    assert clock.elected()
    assert not another(clock.elected)
    assert clock.elected()
    assert not another(clock.elected)


def test_when_it_dies_the_other_ticks(another) -> None:
    assert another(clock.elected)
    assert not clock.elected()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 20000)", [another(session)])
    assert clock.elected()


def test_asking_again_takes_the_lock_once(another) -> None:
    for _tick in range(3):
        assert clock.elected()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", [clock._LOCK])
    assert another(clock.elected)


def waiting() -> dict[str, int]:
    return {queue: OrmQ.objects.filter(key=queue).count() for queue in ("feel", "suspect", "work", "slow")}


def sizes(settings, **workers_: int) -> None:
    settings.QUEUES = {queue: {"workers": n, "threads": 1} for queue, n in workers_.items()}


def test_a_tick_tops_the_queues_up_to_their_workers_and_no_more(settings) -> None:
    sizes(settings, feel=3, suspect=2, work=1, slow=1)
    assert clock.tick() == {"feel": 3, "suspect": 2, "work": 1, "slow": 1}
    assert waiting() == {"feel": 3, "suspect": 2, "work": 1, "slow": 1}
    assert clock.tick() == {}
    assert waiting() == {"feel": 3, "suspect": 2, "work": 1, "slow": 1}


def test_a_turn_that_was_taken_is_replaced(settings) -> None:
    sizes(settings, feel=2)
    clock.tick()
    taken = OrmQ.objects.filter(key="feel").first()
    OrmQ.objects.filter(pk=taken.pk).update(lock=timezone.now() + timedelta(seconds=180))
    assert clock.tick() == {"feel": 1}


def test_what_is_queued_is_a_turn_of_that_queue(settings) -> None:
    sizes(settings, slow=1)
    clock.tick()
    task = SignedPackage.loads(OrmQ.objects.get().payload)
    assert (task["func"], task["args"], task["cluster"]) == ("herdsite.turns.turn", ("slow",), "slow")


def test_keeping_house_makes_partitions_and_forgets_who_is_gone() -> None:
    today = datetime.now(UTC).date()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {retention.name_of(today)}")
    now = timezone.now()
    for name, seen_at in (("here/1", now), ("here/2", now - timedelta(seconds=workers.GONE_S + 5))):
        Worker.objects.create(name=name, queue="feel", started_at=now, seen_at=seen_at)
    clock.keep_house()
    assert today in retention.days()
    assert list(Worker.objects.values_list("name", flat=True)) == ["here/1"]


class Over(Exception):
    """So many ticks are enough."""


@pytest.fixture
def ticks(monkeypatch):
    """What each of three rounds of the clock did; it does not sleep in between."""
    did: list[str] = []
    rounds: list[float] = []

    def sleep(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 3:
            raise Over

    monkeypatch.setattr(clock.time, "sleep", sleep)
    monkeypatch.setattr(clock.connection, "close", lambda: did.append("close"))
    monkeypatch.setattr(clock, "elected", lambda: True)
    monkeypatch.setattr(clock, "tick", lambda: did.append("tick"))
    monkeypatch.setattr(clock, "keep_house", lambda: did.append("house"))
    return did


def run() -> None:
    with pytest.raises(Over):
        clock.run()


def test_it_ticks_for_ever_and_keeps_house_at_first(ticks) -> None:
    run()
    assert ticks == ["house", "tick", "tick", "tick"]


def test_who_is_not_elected_does_nothing(ticks, monkeypatch) -> None:
    monkeypatch.setattr(clock, "elected", lambda: False)
    run()
    assert ticks == []


def test_it_lives_through_a_database_that_goes_away(ticks, monkeypatch) -> None:
    def tick() -> None:
        ticks.append("tick")
        if ticks.count("tick") == 1:
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(clock, "tick", tick)
    run()
    assert ticks == ["house", "tick", "close", "tick", "tick"]


def test_housekeeping_that_fails_keeps_no_turn_waiting(ticks, monkeypatch) -> None:
    def keep_house() -> None:
        raise OperationalError("canceling statement due to lock timeout")

    monkeypatch.setattr(clock, "keep_house", keep_house)
    run()
    assert ticks == ["close", "tick", "tick", "tick"]
