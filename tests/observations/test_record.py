"""Writing down what was felt: all of it, in one go, and nothing of it twice."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from observations.models import Observation
from observations.record import Look, write

pytestmark = pytest.mark.django_db


def look(**fields) -> Look:
    given = {"kind": "server", "subject": uuid4(), "at": datetime.now(UTC), "took_ms": 1.25, "good": True}
    return Look(**(given | {"attrs": {}, "probed": {}} | fields))


def test_a_look_is_kept_as_it_was() -> None:
    attrs = {
        "ssh": "true",
        "load1": "0.5",
        "ssh_why": None,
        "os_release": 'Debian "12" \\ \t ä => x, "a"=>NULL',
        "": "",
    }
    one = look(attrs=attrs)
    write([one], "here/1")
    row = Observation.objects.get(subject=one.subject)
    assert (row.kind, row.at, row.vantage, row.took_ms) == ("server", one.at, "here/1", 1.25)
    assert row.attrs == attrs


def test_a_look_that_saw_nothing_is_a_row_too() -> None:
    one = look(good=False, attrs={"look_failed": "it was dark"})
    write([one, look(good=False)], "here/1")
    assert Observation.objects.count() == 2
    assert Observation.objects.get(subject=one.subject).attrs == {"look_failed": "it was dark"}


def test_an_attribute_that_nobody_knows_needs_no_migration() -> None:
    write([look(attrs={"colour_of_the_rack": "green"})], "here/1")
    assert Observation.objects.filter(attrs__colour_of_the_rack="green").count() == 1


def test_many_are_one_statement() -> None:
    with CaptureQueriesContext(connection) as queries:
        write([look() for _ in range(200)], "here/1")
    assert len(queries) <= 1
    assert Observation.objects.count() == 200


def test_none_is_no_error() -> None:
    write([], "here/1")
    assert Observation.objects.count() == 0


def test_the_same_thing_may_be_seen_twice_at_the_same_moment() -> None:
    one = look()
    write([one], "here/1")
    write([one], "there/1")
    assert sorted(Observation.objects.values_list("vantage", flat=True)) == ["here/1", "there/1"]
