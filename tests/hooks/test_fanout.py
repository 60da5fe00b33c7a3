"""Each Event once for each endpoint that wants it, however transactions overlap."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from fleet.models import Changeover, Event, Timeline
from incidents.hooks import about, fanout
from incidents.hooks.fanout import fan_out, wants
from incidents.hooks.models import Cursor, Delivery, Endpoint
from incidents.models import Incident
from tests import factories
from tests.herd import offer

real = pytest.mark.django_db(transaction=True)


def endpoint(**fields: Any) -> Endpoint:
    fields = {"name": f"hook-{Endpoint.objects.count()}", "url": "http://127.0.0.1:9/", "moves_only": False} | fields
    return Endpoint.objects.create(**fields)


def event(subject: Any = None, **fields: Any) -> Event:
    fields = {"kind": "resource", "name": "x", "verb": "go_down", "why": "", "actor": "a"} | fields
    subject = subject or "00000000-0000-0000-0000-000000000001"
    return Event.objects.create(subject=subject, **fields)


def told(to: Endpoint | None = None) -> list[int]:
    """The Events that were queued, in their order; an Event that was queued twice is there twice."""
    found = Delivery.objects.filter(endpoint=to) if to else Delivery.objects.all()
    return sorted(found.values_list("event_id", flat=True))


@pytest.fixture
def begun():
    """The reading has begun."""
    assert fan_out() == 0
    return Cursor.objects.get()


def somewhere_else(does: Any) -> Any:
    """Run it with a connection of its own."""

    def run() -> Any:
        try:
            return does()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


@real
def test_what_happened_before_there_was_a_reader_is_not_told_and_all_after_it_once() -> None:
    to = endpoint()
    event()
    assert fan_out() == 0
    after = [event().pk for _ in range(3)]
    assert fan_out() == 3
    assert fan_out() == 0
    assert told(to) == after


@real
def test_a_transaction_that_commits_late_is_not_passed_over(begun: Cursor) -> None:
    endpoint()
    with transaction.atomic():
        first = event()
        second = somewhere_else(event)
        assert first.pk < second.pk
        assert somewhere_else(fan_out) == 0, "the later one waits for the earlier one to be over"
    assert fan_out() == 2
    assert told() == [first.pk, second.pk]


@real
def test_a_number_drawn_before_its_transaction_has_one_is_not_passed_over(begun: Cursor) -> None:
    """As an INSERT does in an instant, drawn out: the number is lower, the transaction is later."""
    endpoint()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('fleet_event', 'id'))")
            number = cursor.fetchone()[0]
            cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NULL")
            assert cursor.fetchone()[0]
        higher = somewhere_else(event)
        assert somewhere_else(fan_out) == 1
        late = event(pk=number)
    assert late.pk < higher.pk
    assert fan_out() == 1
    assert told() == [late.pk, higher.pk]


@real
def test_what_was_rolled_back_is_not_waited_for(begun: Cursor) -> None:
    endpoint()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        event()
        raise ZeroDivisionError
    kept = event()
    fan_out()
    assert told() == [kept.pk]


@real
def test_writers_of_every_kind_and_two_readers(begun: Cursor) -> None:
    """Transactions that overlap, save, roll back in part or whole; the end is each Event that there is, once each."""
    both = [endpoint(), endpoint()]
    writing, slip = threading.Event(), Counter[str]()
    writing.set()

    def write(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(25):
            try:
                with transaction.atomic():
                    event()
                    try:
                        with transaction.atomic():
                            event()
                            if draw.random() < 0.4:
                                raise ZeroDivisionError
                    except ZeroDivisionError:
                        slip["part"] += 1
                    if draw.random() < 0.3:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                slip["whole"] += 1
        connection.close()

    def read(_n: int) -> int:
        made = 0
        while writing.is_set():
            made += fan_out(most=7)
        connection.close()
        return made

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read, n) for n in range(2)]
        for done in [pool.submit(write, seed) for seed in range(4)]:
            done.result()
        writing.clear()
        made = sum(reader.result() for reader in readers)
    while more := fan_out(most=7):
        made += more
    there = sorted(Event.objects.values_list("pk", flat=True))
    assert slip["part"] and slip["whole"] and len(there) > 20
    assert [told(to) for to in both] == [there, there]
    assert made == 2 * len(there)


@real
def test_the_floor_rises_behind_what_was_read(begun: Cursor, monkeypatch) -> None:
    monkeypatch.setattr(fanout, "SLACK", 1)
    endpoint()
    seen = []
    for _ in range(4):
        event()
        fan_out()
        seen.append(Cursor.objects.get().floor)
    newest = Event.objects.latest("pk").pk
    assert seen == sorted(seen) and newest - 4 < seen[-1] < newest
    assert len(told()) == 4


@real
def test_another_cluster_counts_transactions_from_anew(begun: Cursor) -> None:
    to = endpoint()
    Cursor.objects.update(xid=begun.xid + 10**12, mark_xid=begun.xid + 10**12)
    assert fan_out() == 0
    late = event()
    assert fan_out() == 1
    assert told(to) == [late.pk]


@real
def test_reading_on_another_worker_is_left_to_it(begun: Cursor) -> None:
    endpoint()
    event()
    with transaction.atomic():
        Cursor.objects.select_for_update().get()
        assert somewhere_else(fan_out) == 0
    assert fan_out() == 1


@real
def test_an_endpoint_that_is_off_hears_nothing_and_misses_it_for_good(begun: Cursor) -> None:
    to = endpoint(active=False)
    event()
    assert fan_out() == 0
    Endpoint.objects.update(active=True)
    heard = event()
    assert fan_out() == 1
    assert told(to) == [heard.pk]


@real
def test_old_deliveries_are_removed_and_what_waits_is_not(begun: Cursor, settings) -> None:
    settings.KEEP_DELIVERIES_DAYS = 0
    to, other = endpoint(), endpoint(active=False)
    event()
    Cursor.objects.update(swept_at="2026-01-01T00:00Z")
    for state in (Delivery.SENT, Delivery.FAILED, Delivery.QUEUED):
        Delivery.objects.create(
            endpoint=other, event=event(), subject=to.pk, state=state, created_at="2026-01-01T00:00Z"
        )
    assert fan_out() == 4
    assert [delivery.state for delivery in Delivery.objects.filter(endpoint=other)] == [Delivery.QUEUED]


# Who hears what.

WHOSE: about.About = {}


@pytest.mark.parametrize(
    ("fields", "heard"),
    [
        ({}, True),
        ({"kinds": ["resource"]}, True),
        ({"kinds": ["incident", "backup"]}, False),
        ({"verbs": ["go_down"]}, True),
        ({"verbs": ["come_back"]}, False),
        ({"kinds": ["resource"], "verbs": ["come_back"]}, False),
    ],
)
def test_by_kind_and_verb(fields: dict[str, Any], heard: bool) -> None:
    happened = Event(kind="resource", verb="go_down", source="available", target="down")
    assert wants(Endpoint(**fields), happened, WHOSE) is heard


def test_by_change_of_state() -> None:
    acted = Event(kind="instance", verb="restart", source="available", target="available")
    noted, opened = Event(kind="instance", verb="ask"), Event(kind="incident", verb="open", target="triggered")
    assert [wants(Endpoint(), one, WHOSE) for one in (acted, noted, opened)] == [False, False, True]
    assert wants(Endpoint(moves_only=False), acted, WHOSE)


@real
def test_whose_database_an_event_is_about(begun: Cursor) -> None:
    offer()
    mine, theirs = factories.resource(), factories.resource()
    shared = factories.resource(plan=factories.plan("starter-0"), instance=factories.instance())
    timeline = Timeline.objects.create(name="line", resource=mine)
    move = Changeover.objects.create(name="move", resource=mine, reason="switchover", actor="x")
    wrong = [
        Incident.objects.create(name=f"i{n}", type=f"t{n}", subject=pk, subject_kind=kind, subject_name="x")
        for n, (kind, pk) in enumerate(
            [("resource", mine.pk), ("instance", mine.instance.pk), ("server", mine.instance.server.pk)]
        )
    ]
    about_mine = [
        event(mine.pk),
        event(mine.instance.pk, kind="instance"),
        event(timeline.pk, kind="timeline"),
        event(move.pk, kind="changeover"),
        *(event(incident.pk, kind="incident") for incident in wrong[:2]),
    ]
    nobodys = [
        event(mine.instance.server.pk, kind="server"),
        event(shared.instance.pk, kind="instance"),
        event(wrong[2].pk, kind="incident"),
        event(kind="colour"),
    ]
    about_them = [event(theirs.pk)]
    by_customer, by_resource = endpoint(customer=mine.customer), endpoint(resource=theirs)
    everything = endpoint()
    fan_out()
    assert told(by_customer) == [one.pk for one in about_mine]
    assert told(by_resource) == [one.pk for one in about_them]
    assert told(everything) == sorted(one.pk for one in (*about_mine, *nobodys, *about_them))
