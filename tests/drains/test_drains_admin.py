"""Drains in the admin: what operators set up and see, and what nobody sees."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from fleet.models import Resource
from observations.drains.models import Drain, Line
from tests import factories

pytestmark = pytest.mark.django_db
ADD, LIST = "/admin/drains/drain/add/", "/admin/drains/drain/"
URL, TOKEN = "https://user:hunter2@logs.example/in", "d.8f5b4b2c-0000-4000-8000-000000000001"


@pytest.fixture
def operator(client):
    client.force_login(User.objects.create_superuser("operator"))
    return client


@pytest.fixture
def resource() -> Resource:
    return factories.resource(name="proud-walrus")


def given(resource: Resource, **fields: Any) -> dict[str, Any]:
    return {"resource": str(resource.pk), "kind": "drain", "url": URL, "token": TOKEN, "active": "on"} | fields


def test_a_drain_is_set_up_and_its_url_is_never_shown(operator, resource: Resource) -> None:
    assert operator.post(ADD, given(resource)).status_code == 302
    made = Drain.objects.get()
    assert (made.url, made.token, made.kind) == (URL, TOKEN, Drain.DRAIN)
    Line.objects.create(drain=made, at=timezone.now(), text="source=X")
    pages = [operator.get(url).content.decode() for url in (LIST, f"{LIST}{made.pk}/change/")]
    assert "logs.example" in pages[0] and "proud-walrus" in pages[0]
    assert not any("hunter2" in page or TOKEN in page for page in pages)


def test_what_is_left_empty_stays_as_it_is(operator, resource: Resource) -> None:
    operator.post(ADD, given(resource))
    page = f"{LIST}{Drain.objects.get().pk}/change/"
    assert operator.post(page, given(resource, url="", token="", active="")).status_code == 302
    after = Drain.objects.get()
    assert (after.url, after.token, after.active) == (URL, TOKEN, False)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "http://logs.example/"}, "begins with https://"),
        ({"url": ""}, "begins with https://"),
        ({"url": "https://user:hunter2@169.254.169.254/"}, "not on the public internet"),
        ({"token": ""}, "d.&lt;uuid&gt;"),
    ],
)
def test_what_can_not_be_is_said(operator, resource: Resource, wrong: dict[str, str], said: str) -> None:
    answer = operator.post(ADD, given(resource, **wrong))
    assert answer.status_code == 200 and said in answer.content.decode()
    assert not Drain.objects.exists()


def test_an_input_needs_no_token_of_its_own_and_there_is_one_at_most(operator, resource: Resource) -> None:
    platforms = given(resource, kind="input", token="", url="https://token:t.1@logs.example/logs")
    assert operator.post(ADD, platforms).status_code == 302
    assert operator.post(ADD, platforms).status_code == 200
    assert Drain.objects.count() == 1


def test_lines_and_meters_are_only_to_be_read(operator, resource: Resource) -> None:
    drain = Drain.objects.create(resource=resource, url=URL)
    Line.objects.create(drain=drain, at=timezone.now(), text="source=HERDSITE_X")
    assert "source=HERDSITE_X" in operator.get("/admin/drains/line/").content.decode()
    assert operator.get("/admin/drains/meter/").status_code == 200
    assert operator.get("/admin/drains/line/add/").status_code == 403
