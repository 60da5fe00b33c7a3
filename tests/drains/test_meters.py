"""Whose line is due: each production database once a minute, of its last look, by whichever worker."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from fleet.models import Instance, Resource, Server
from observations.drains import meters
from observations.drains.meters import EVERY_S, enrol, line_of, read
from observations.drains.models import Meter
from tests import factories
from tests.herd import change, offer

pytestmark = pytest.mark.django_db


def production(**fields: Any) -> Resource:
    """One that was looked at just now, as was all beneath it."""
    now = timezone.now()
    server = factories.server(felt_at=now, home="/srv", facts={"load1": "1.0", "cpus": "2"})
    instance = factories.instance(server=server, felt_at=now, facts={"transaction_id": "77"})
    fields = {"felt_at": now, "facts": {"tables": "4"}, "instance": instance} | fields
    return factories.resource(**fields)


def due() -> None:
    Meter.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def looked(resource: Resource) -> datetime:
    at = timezone.now()
    change(resource, felt_at=at)
    return at


def test_production_has_a_meter_and_nothing_else_does() -> None:
    kept, gone = production(), production()
    production(plan=factories.plan("starter-0"))
    production(state="destroyed")
    enrol()
    assert set(Meter.objects.values_list("resource", flat=True)) == {kept.pk, gone.pk}
    change(gone, state="destroyed")
    enrol(), enrol()
    meter = Meter.objects.get()
    assert meter.resource == kept
    assert timedelta(0) <= meter.due_at - timezone.now() + timedelta(seconds=5) <= timedelta(seconds=EVERY_S + 5)


def test_a_line_is_of_the_last_look_and_is_told_once() -> None:
    resource = production()
    enrol(), due()
    [reading] = read()
    assert (reading.resource, reading.at) == (resource, resource.felt_at)
    assert reading.text == (
        f"source={meters.source(resource)} addon={resource.name} sample#current_transaction=77 sample#tables=4 "
        "sample#load-avg-1m=0.5"
    )
    assert read() == [], "its minute is not over"
    due()
    assert read() == [], "nobody has looked since"
    due()
    at = looked(resource)
    assert [reading.at for reading in read()] == [at]


def test_a_meter_keeps_its_place_in_the_minute_and_a_late_one_goes_on_from_now() -> None:
    prompt, late = production(), production()
    enrol()
    now = timezone.now()
    Meter.objects.filter(resource=prompt).update(due_at=now - timedelta(seconds=2))
    Meter.objects.filter(resource=late).update(due_at=now - timedelta(hours=3))
    read()
    after = {meter.resource_id: (meter.due_at - now).total_seconds() for meter in Meter.objects.all()}
    assert after[prompt.pk] == EVERY_S - 2
    assert EVERY_S / 2 <= after[late.pk] < EVERY_S


def test_no_more_than_asked_for_at_a_time() -> None:
    for _ in range(3):
        production()
    enrol(), due()
    assert [len(read(most=2)), len(read(most=2)), len(read(most=2))] == [2, 1, 0]


@pytest.mark.parametrize("never", [True, False])
def test_what_was_not_looked_at_lately_has_no_line(never: bool) -> None:
    production(felt_at=None if never else timezone.now() - meters.STALE)
    enrol(), due()
    assert read() == []


@pytest.mark.parametrize(("model", "missing"), [(Server, "load-avg-1m"), (Instance, "current_transaction")])
def test_facts_that_are_old_are_not_known(model: Any, missing: str) -> None:
    resource = production()
    model.objects.update(felt_at=F("felt_at") - meters.STALE)
    text = line_of(Resource.objects.get(pk=resource.pk), timezone.now())
    assert missing not in text and "sample#tables=4" in text


def test_facts_that_are_null_or_no_numbers_are_left_out() -> None:
    resource = production(facts={"tables": None, "connections": "many", "blocked": "0"})
    text = line_of(resource, timezone.now())
    assert "tables" not in text and "active" not in text and "sample#waiting-connections=0" in text


def test_memory_is_that_of_the_instance_beneath() -> None:
    resource = production()
    name = resource.instance.name
    change(
        resource.instance.server,
        facts={"postgres_memory": f"instances/{name}-2/data:7,instances/{name}/data:33960,x/data:"},
    )
    assert "sample#memory-postgres=33960kB" in line_of(Resource.objects.get(pk=resource.pk), timezone.now())
    change(resource.instance.server, facts={"postgres_memory": "instances/other/data:7"})
    assert "memory-postgres" not in line_of(Resource.objects.get(pk=resource.pk), timezone.now())


def test_a_follower_is_held_against_whom_it_follows() -> None:
    leader = production()
    follower = production(follows=leader)
    change(leader.instance, facts={"transaction_id": "90"})
    read_again = Resource.objects.select_related("follows__instance").get(pk=follower.pk)
    assert "sample#follower-lag-commits=13" in line_of(read_again, timezone.now())
    assert "follower-lag" not in line_of(Resource.objects.get(pk=leader.pk), timezone.now())


def test_a_database_without_a_place_has_a_line_all_the_same() -> None:
    resource = production(instance=None)
    assert line_of(resource, timezone.now()).endswith("sample#tables=4")


def test_its_source_is_its_name_unless_it_is_told_another() -> None:
    assert meters.source(Resource(name="serene-elephant-42")) == "HERDSITE_SERENE_ELEPHANT_42"
    assert meters.source(Resource(name="x", attrs={"source": "HERDSITE_VIOLET"})) == "HERDSITE_VIOLET"


def test_stdout_has_a_line_each_with_the_looks_time_unless_it_is_switched_off(capsys, settings) -> None:
    resource = production()
    reading = meters.Reading(resource, timezone.now(), "source=X addon=y")
    meters.write([reading, reading])
    assert capsys.readouterr().out == f"at={reading.at.isoformat()} source=X addon=y\n" * 2
    settings.METRICS_LINES = False
    meters.write([reading])
    assert capsys.readouterr().out == ""


@pytest.mark.django_db(transaction=True)
def test_workers_side_by_side_tell_each_line_once() -> None:
    offer()
    made = {production().pk for _ in range(12)}
    enrol(), due()

    def work(seed: int) -> list[Any]:
        draw = random.Random(seed)
        try:
            enrol()
            return [reading.resource.pk for _ in range(12) for reading in read(most=draw.randint(1, 4))]
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        told = [pk for pks in pool.map(work, range(3)) for pk in pks]
    assert sorted(told) == sorted(made) and Meter.objects.count() == 12
