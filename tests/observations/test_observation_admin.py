"""Observations in the admin: the recent, by thing, without ever counting or scanning the table."""

from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from observations.models import Observation
from tests import factories

pytestmark = pytest.mark.django_db
LIST = "/admin/observations/observation/"


@pytest.fixture(autouse=True)
def operator(client):
    user = User.objects.create_superuser("operator")
    client.force_login(user)
    return user


def look(subject, at=None, **attrs):
    at = at or timezone.now()
    return Observation.objects.create(
        at=at, kind=subject.KIND, subject=subject.pk, vantage="box/8", took_ms=3.25, attrs=attrs
    )


def text(response) -> str:
    return response.content.decode()


def test_the_recent_ones_are_listed_by_name(client):
    resource, server = factories.resource(name="proud-walrus"), factories.server(name="host-a")
    look(resource, service_why="timed out")
    look(server, ssh="true", load1=None)
    page = text(client.get(LIST))
    for part in ("proud-walrus", "host-a", "service_why timed out", "ssh true", "load1 unknown", "box/8"):
        assert part in page


@pytest.mark.parametrize(
    "query",
    ["q=proud-walrus", "q=%20proud-walrus", "subject={pk}", "kind=resource"],
    ids=["name", "space", "id", "kind"],
)
def test_those_of_one_thing(client, query):
    resource, server = factories.resource(name="proud-walrus"), factories.server(name="host-a")
    look(resource, service_why="this one")
    look(server, ssh_why="not this one")
    page = text(client.get(f"{LIST}?{query.format(pk=resource.pk)}"))
    assert "this one" in page and "not this one" not in page


def test_an_unknown_name_finds_nothing(client):
    look(factories.server(), ssh_why="anything")
    assert "anything" not in text(client.get(f"{LIST}?q=nobody"))


def test_nonsense_is_no_error(client):
    for query in ("subject=nonsense", "q=%00", "kind=nonsense", "p=nonsense", "p=99999"):
        assert client.get(f"{LIST}?{query}", follow=True).status_code == 200


def test_the_list_neither_counts_nor_reads_far_back(client):
    server = factories.server()
    look(server, ssh_why="lately")
    with CaptureQueriesContext(connection) as queries:
        assert "lately" in text(client.get(LIST))
    asked = [query["sql"] for query in queries if "observations_observation" in query["sql"]]
    assert asked and all("COUNT(" not in sql and '"at" > ' in sql for sql in asked)


def test_the_list_costs_as_many_queries_for_many_rows_as_for_few(client):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(LIST).status_code == 200
        return len(queries)

    look(factories.server())
    few = cost()
    for _ in range(10):
        look(factories.resource())
    assert cost() <= few


def test_one_look_is_found_by_its_key(client):
    at = timezone.now()
    server = factories.server(name="host-a")
    one, other = look(server, at, ssh_why="this one"), look(server, at, ssh_why="not this one")
    page = text(client.get(LIST))
    address = f"{LIST}{quote(f'{at.isoformat()}~{one.pk}'.replace(':', '_3A').replace('+', '_2B'))}/change/"
    assert f"~{one.pk}/change/" in page and f"~{other.pk}/change/" in page
    with CaptureQueriesContext(connection) as queries:
        shown = text(client.get(address))
    assert "this one" in shown and "not this one" not in shown
    asked = [query["sql"] for query in queries if "observations_observation" in query["sql"]]
    assert asked and all('"at" = ' in sql for sql in asked)


@pytest.mark.parametrize("key", ["17", "nonsense~17", "2026-01-01T00_3A00_3A00_2B00_3A00~nonsense"])
def test_a_key_that_is_none_leads_back(client, key):
    answer = client.get(f"{LIST}{key}/change/")
    assert answer.status_code == 302


def test_nothing_is_written(client):
    one = look(factories.server())
    key = f"{one.at.isoformat()}~{one.pk}".replace(":", "_3A").replace("+", "_2B")
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{key}/change/", {"vantage": "elsewhere"}).status_code == 403
    assert client.post(f"{LIST}{key}/delete/", {"post": "yes"}).status_code == 403


def test_a_thing_shows_its_last_looks_on_its_own_page(client):
    server = factories.server()
    look(server, ssh_why="the first")
    look(factories.server(), ssh_why="of another")
    page = text(client.get(f"/admin/fleet/server/{server.pk}/change/"))
    assert "Last observations" in page and "ssh_why the first" in page and "of another" not in page
