"""One database of an add-on, and the two browsers that its customer may have."""

import uuid

import pytest
from django.test import Client

from fleet.addon.models import Addon
from fleet.models import Resource
from tests import factories
from tests.addon.mine.customers import browser, token_of


@pytest.fixture
def resource() -> Resource:
    server = factories.server(name="violet", address="127.0.0.9")
    made = factories.resource(
        name="calm-otter-7",
        instance=factories.instance(name="calm-otter-7-1", server=server, facts={"version": "170010"}),
        facts={
            "db_size_bytes": "7540000",
            "connections": "12",
            "connection_limit": "120",
            "estimated_rows": "4200",
            "tables": "31",
            "table_hit_pct": "99.2",
        },
        window="Tue 03:00",
    )
    Addon.objects.create(
        uuid=uuid.uuid4(), resource=made, generation=3, name="acme-primary", app_name="acme", region="us"
    )
    return made


@pytest.fixture
def platform(settings, resource) -> Client:
    return browser(settings, resource=str(resource.pk), platform=True, app="acme")


@pytest.fixture
def token(resource) -> str:
    return token_of(resource.customer)


@pytest.fixture
def customer(token) -> Client:
    """A browser that came by a token of the customer's."""
    client = Client()
    assert client.post("/mine/token", {"token": token})["Location"] == "/mine"
    return client
