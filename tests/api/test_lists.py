"""Lists and details: filters in the fields' own terms, pages that stay true, ETags, and as many queries for many as for
one."""

import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fleet.models import Customer, Plan
from observations.models import Observation
from tests import factories
from tests.api.operations import READING, label
from tests.api.world import holding

pytestmark = pytest.mark.django_db


def names(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [one["name"] for one in answer.json()["results"]]


@pytest.fixture
def herd():
    """Two zones, two plans, three states, and one that is gone."""
    ada, bob = factories.customer(name="ada"), factories.customer(name="bob")
    a = factories.instance(name="pg-a", server=factories.server(name="host-a", zone="a"))
    starter = factories.plan("starter-0")
    b = factories.instance(name="pg-b", server=factories.server(name="host-b", zone="b"), plan=starter)
    factories.resource(name="one", instance=a, customer=ada)
    factories.resource(name="two", instance=b, customer=ada, state="down", plan=starter, major=18)
    factories.resource(name="three", instance=None, customer=bob, state="creating")
    factories.resource(name="gone", instance=None, customer=bob, state="destroyed")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"one", "two", "three"}),
        ("state=down", {"two"}),
        ("state=destroyed", {"gone"}),
        ("state=any", {"one", "two", "three", "gone"}),
        ("zone=b", {"two"}),
        ("zone=b&state=available", set()),
        ("plan=starter-0", {"two"}),
        ("customer=ada", {"one", "two"}),
        ("server=host-a", {"one"}),
        ("instance=pg-b", {"two"}),
        ("major=18", {"two"}),
        ("q=NE", {"one"}),
        ("q=BOB", {"three"}),
        ("q=%25", set()),
        ("q=%00one", {"one"}),
        ("q=", {"one", "two", "three"}),
    ],
)
def test_filters(herd, viewer, query, found):
    assert set(names(viewer.read(f"resources?{query}"))) == found


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("staet=down", "staet"),
        ("state=broken", "state"),
        ("state=down&state=available", "state"),
        ("state=", "state"),
        ("major=many", "major"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=%D9%A3", "limit"),
        ("ordering=facts", "ordering"),
        ("plan=" + "x" * 101, "plan"),
        ("wait=5", "wait"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(herd, viewer, query, wrong):
    answer = viewer.read(f"resources?{query}")
    assert answer.status_code == 400 and list(answer.json()["errors"]) == [wrong]


@pytest.mark.parametrize("ordering", ["name", "-name", "created_at", "-created_at", "state_since"])
def test_a_cursor_goes_through_all_once_whatever_comes(herd, viewer, ordering):
    """Also where several rows are of the same moment."""
    factories.resource()
    first = viewer.read(f"resources?limit=1&ordering={ordering}&state=any")
    expected = names(viewer.read(f"resources?limit=200&ordering={ordering}&state=any"))
    found, answer = names(first), first
    while following := answer.json()["next"]:
        answer = viewer.get(following)
        found += names(answer)
    assert found == expected and len(found) == 5


@pytest.mark.parametrize("cursor", ["x", "x:y", "WyJhIl0:abc", "%00", "=" * 50])
def test_a_cursor_that_was_made_up_is_no_page(herd, viewer, cursor):
    assert viewer.read(f"resources?cursor={cursor}").status_code == 404


def test_a_cursor_is_of_one_list_in_one_order(herd, viewer):
    following = viewer.read("resources?limit=1").json()["next"]
    cursor = parse_qs(urlsplit(following).query)["cursor"][0]
    assert viewer.read(f"servers?limit=1&cursor={cursor}").status_code == 404
    assert viewer.read(f"resources?limit=1&ordering=-created_at&cursor={cursor}").status_code == 404


def cost(asker, operation, held) -> int:
    query = f"?subject={held.resource.name}" if operation.place == "observations" else ""
    with CaptureQueriesContext(connection) as queries:
        assert asker.read(operation.place + query).status_code == 200
    return len(queries)


@pytest.mark.thorough
@pytest.mark.parametrize("operation", [one for one in READING if "{name}" not in one.place], ids=label)
def test_a_list_costs_as_many_queries_for_many_as_for_one(acme, viewer, operation):
    cost(viewer, operation, acme)
    few = cost(viewer, operation, acme)
    for name in ("b", "c", "d"):
        holding(name)
    assert cost(viewer, operation, acme) == few


def test_one_thing_is_found_by_its_name_and_by_its_id(acme, viewer):
    by_name = viewer.read("resources/acme-orders").json()
    assert by_name == viewer.read(f"resources/{acme.resource.pk}").json()
    assert by_name["facts"]["connections"] == "3" and by_name["max_connections"] == 120
    answer = viewer.read("resources/acme-order")
    assert answer.status_code == 404 and "Did you mean acme-orders?" in answer.json()["detail"]
    for wrong in ("resources/%00", "events/x", "events/99999999999999999999", "intents/x", "credentials/-1"):
        assert viewer.read(wrong).status_code == 404


def test_an_etag_saves_reading_again(acme, viewer):
    first = viewer.read("resources/acme-orders")
    assert viewer.read("resources/acme-orders", if_none_match=first["ETag"]).status_code == 304
    acme.resource.problem = "a new one"
    acme.resource.save()
    again = viewer.read("resources/acme-orders", if_none_match=first["ETag"])
    assert again.status_code == 200 and again["ETag"] != first["ETag"]


def test_nobody_writes_over_a_newer_version(acme, admin):
    place = f"customers/{acme.customer.pk}"
    etag = admin.read(place)["ETag"]
    assert admin.send(place, {"email": "a@b.example"}, "PATCH").status_code == 428
    changed = admin.send(place, {"email": "a@b.example"}, "PATCH", if_match=etag)
    assert changed.status_code == 200 and changed.json()["email"] == "a@b.example" and changed["ETag"] != etag
    assert admin.send(place, {"email": "c@d.example"}, "PATCH", if_match=etag).status_code == 412
    assert Customer.objects.get(pk=acme.customer.pk).email == "a@b.example"
    assert admin.send(place, {"email": "no mail"}, "PATCH", if_match=changed["ETag"]).json()["errors"]["email"]


def test_a_plan_is_changed_within_its_bounds(admin):
    etag = admin.read("plans/standard-0")["ETag"]
    wrong = ({"beat_s": 61}, {"beat_s": "5"}, {"connections": 0}, {"label": " "}, {"name": "x"}, {"offered": "yes"})
    for body in wrong:
        answer = admin.send("plans/standard-0", body, "PATCH", if_match=etag)
        assert answer.status_code == 400 and set(answer.json()["errors"]) == set(body)
    assert admin.send("plans/standard-0", {"offered": False}, "PATCH", if_match=etag).status_code == 200
    assert not Plan.objects.get(name="standard-0").offered


def test_observations_in_pages_and_by_steps(acme, viewer):
    Observation.objects.all().delete()
    begin = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=5)
    begin -= timedelta(seconds=begin.timestamp() % 120)  # where the steps of 40 s and of 60 s begin together
    for n in range(6):
        Observation.objects.create(
            at=begin + timedelta(seconds=20 * n), kind="resource", subject=acme.resource.pk, vantage="box/7", took_ms=n,
            attrs={"connections": str(n), "size": "1", "none": None},
        )  # fmt: skip

    def felt(query: str) -> list[float]:
        found, answer = [], viewer.read(f"observations?subject=acme-orders&limit=2&{query}")
        while True:
            assert answer.status_code == 200, answer.content
            found += [one["took_ms"] for one in answer.json()["results"]]
            if not (following := answer.json()["next"]):
                return found
            answer = viewer.get(following)

    assert felt("") == [0, 1, 2, 3, 4, 5]
    assert felt("step=60") == [2, 5] and felt("step=40") == [1, 3, 5] and felt("step=86400") in ([5], [2, 5])
    since = (begin + timedelta(seconds=40)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert felt(f"since={since}") == [2, 3, 4, 5] and felt(f"until={since}") == [0, 1]
    [one] = viewer.read("observations?subject=acme-orders&step=86400&attributes=size,none").json()["results"][-1:]
    assert one["attrs"] == {"size": "1", "none": None}


def test_observations_as_a_stream_of_lines(acme, viewer, customer, rival):
    place, lines = "observations?subject=resource/acme-orders&attributes=connections", "application/x-ndjson"
    answer = viewer.read(place, accept=lines)
    assert answer.status_code == 200 and answer["Content-Type"] == "application/x-ndjson"
    looks = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [look["attrs"]["connections"] for look in looks] == ["2", "1", "0"]
    hidden = customer.read("observations?subject=rival-orders", accept=lines)
    assert hidden.status_code == 404 and hidden["Content-Type"] == "application/problem+json"
    assert viewer.read("observations").json()["errors"]["subject"] == ["This field is required."]


def test_rings_and_workers_are_told(acme, viewer):
    kinds = {ring["kind"]: ring["members"] for ring in viewer.read("rings").json()["results"]}
    assert kinds["resource"] == kinds["instance"] == 1
    assert viewer.read("workers").json() == {"results": []}
