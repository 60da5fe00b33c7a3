"""Adding a server or a resource in the admin: a wish with all its parts, or an error at the field that is wrong."""

import re

import pytest
from django.contrib.auth.models import User

from fleet import intents, names
from fleet.models import Credential, Intent, Plan, Resource, Server
from fleet.states import CREATING
from tests import factories

pytestmark = pytest.mark.django_db
SERVER, RESOURCE = "/admin/fleet/server/add/", "/admin/fleet/resource/add/"
HOST = {"name": "host-z", "provider": "local", "zone": "b", "disk_mb": "4096", "capacity": "2", "reason": "room"}


@pytest.fixture(autouse=True)
def operator(client):
    user = User.objects.create_superuser("operator")
    client.force_login(user)
    return user


@pytest.fixture
def shop():
    return {"customer": str(factories.customer().pk), "plan": "standard-0", "major": "17", "reason": "a new shop"}


def errors_at(response, field: str) -> str:
    """The part of the page between this field and the next."""
    page = response.content.decode()
    start = page.index(f'name="{field}"')
    return page[start : page.find('<label for="id_', start)]


def test_a_server_is_asked_for(client):
    answer = client.post(SERVER, HOST, follow=True)
    server = Server.objects.get()
    assert answer.redirect_chain == [(f"/admin/fleet/server/{server.pk}/change/", 302)]
    assert (server.name, server.zone, server.disk_mb, server.capacity, server.state) == (
        "host-z",
        "b",
        4096,
        2,
        CREATING,
    )
    intent = Intent.objects.get()
    assert (intent.verb, intent.subject, intent.actor, intent.reason) == ("create", server.pk, "operator", "room")


def test_a_resource_is_asked_for(client, shop):
    client.post(RESOURCE, shop | {"name": "proud-walrus", "zone": "c", "major": "18"})
    resource = Resource.objects.get()
    assert (resource.name, resource.zone, resource.major, resource.plan_id) == ("proud-walrus", "c", 18, "standard-0")
    assert Credential.objects.get().resource == resource
    assert Intent.objects.get().reason == "a new shop"


def test_a_resource_without_a_name_draws_one(client, shop):
    client.post(RESOURCE, shop)
    assert names.find(Resource.objects.get().name).KIND == "resource"


def test_a_form_sent_twice_adds_one(client, shop):
    for address, given in ((SERVER, HOST), (RESOURCE, shop), (RESOURCE, shop | {"name": "proud-walrus"})):
        nonce = re.search(r'name="nonce" value="(\w+)"', client.get(address).content.decode()).group(1)
        for _ in range(2):
            assert client.post(address, given | {"nonce": nonce}).status_code == 302
    assert Server.objects.count() == 1 and Resource.objects.count() == 2 and Intent.objects.count() == 3


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "This field is required"),
        ("name", "Host Z", "Use lower-case letters"),
        ("name", "calm-yak", "There is a resource of this name already"),
        ("name", "host-a", "There is a server of this name already"),
        ("provider", "elsewhere", "There is no provider &#x27;elsewhere&#x27;. Choose one of: local, ssh"),
        ("zone", "a b", "Enter a valid"),
        ("disk_mb", "12", "greater than or equal to 1024"),
        ("disk_mb", "99999999999", "less than or equal to"),
        ("capacity", "0", "greater than or equal to 1"),
        ("reason", "x" * 1001, "at most 1000"),
    ],
)
def test_what_is_wrong_with_a_server_is_said_at_the_field(client, field, value, said):
    factories.resource(name="calm-yak", instance=None)
    factories.server(name="host-a")
    answer = client.post(SERVER, HOST | {field: value})
    assert answer.status_code == 422 and said in errors_at(answer, field)
    assert 'value="room"' in answer.content.decode() or field == "reason"
    assert Server.objects.count() == 1 and not Intent.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "-", "Use lower-case letters"),
        ("plan", "enormous", "There is no plan &#x27;enormous&#x27;. Choose one of: "),
        ("plan", "standard-1", "There is no plan &#x27;standard-1&#x27;. Choose one of: "),
        ("plan", "", "This field is required"),
        ("customer", "nobody", "is not a valid UUID"),
        ("customer", "2b2a7a5c-8a4c-4a44-9d8e-3f5f5d0f4a11", "not one of the available choices"),
        ("major", "9", "9 is not one of the available choices"),
    ],
)
def test_what_is_wrong_with_a_resource_is_said_at_the_field(client, shop, field, value, said):
    Plan.objects.filter(name="standard-1").update(offered=False)
    answer = client.post(RESOURCE, shop | {field: value})
    assert answer.status_code == 422 and said in errors_at(answer, field)
    assert not Resource.objects.exists()


def test_a_refusal_that_comes_late_is_said_too(client, shop, monkeypatch):
    def refuse(**_given):
        raise intents.AskError("Somebody was faster.")

    monkeypatch.setattr(intents, "create_resource", refuse)
    answer = client.post(RESOURCE, shop)
    assert answer.status_code == 422 and "Somebody was faster." in answer.content.decode()


def test_customers_are_found_by_typing(client, shop):
    factories.customer(name="Acme")
    found = client.get(
        "/admin/autocomplete/",
        {"term": "acm", "app_label": "fleet", "model_name": "resource", "field_name": "customer"},
    )
    assert [one["text"] for one in found.json()["results"]] == ["Acme"]
