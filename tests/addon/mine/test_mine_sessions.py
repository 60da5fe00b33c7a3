"""The customer's page: who gets in, until when, and that such a session opens nothing else."""

import uuid

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from fleet.addon import sso
from fleet.addon.models import Addon
from fleet.api import tokens
from fleet.api.models import Token
from fleet.models import Intent, Resource
from tests import factories
from tests.addon.mine.customers import at, browser, page, token_of
from tests.test_web_is_harmless import PARAMETER

pytestmark = pytest.mark.django_db


def test_a_platforms_session_is_for_one_database(platform, resource) -> None:
    sibling = factories.resource(customer=resource.customer)
    stranger = factories.resource()
    for other in (sibling, stranger):
        assert platform.get(at(other)).status_code == platform.post(at(other), {"verb": "restart"}).status_code == 404
    assert sibling.name not in platform.get("/mine").content.decode()
    assert not Intent.objects.exists()


def test_a_customers_session_is_for_all_of_the_customers_own(customer, resource) -> None:
    sibling, stranger = factories.resource(customer=resource.customer), factories.resource()
    text = customer.get("/mine").content.decode()
    assert "acme-primary" in text and sibling.name in text and stranger.name not in text
    assert customer.get(at(sibling)).status_code == 200 and customer.get(at(stranger)).status_code == 404


def test_a_token_of_no_customer_opens_nothing(customer, resource) -> None:
    of_the_herd = tokens.make(User.objects.create_superuser("ops"), "herd", ["read", "secrets"], 30, None)[1]
    for wrong in (of_the_herd, "herd_" + "0" * 64, "", "two words", "ä", "\0"):
        client = Client()
        answer = client.post("/mine/token", {"token": wrong})
        assert answer.status_code == 403 and "belongs to no customer" in answer.content.decode()
        assert client.get("/mine").status_code == 403
    assert Client().get("/mine/token").status_code == 200


def test_a_session_ends_with_its_token(customer, resource) -> None:
    assert customer.get(at(resource)).status_code == 200
    Token.objects.update(expiry="2020-01-01T00:00Z")
    assert customer.get(at(resource)).status_code == 403
    Token.objects.update(expiry=None, revoked_at=timezone.now())
    assert customer.get(at(resource)).status_code == 403
    Token.objects.update(revoked_at=None)
    User.objects.update(is_active=False)
    assert customer.get(at(resource)).status_code == 403


def test_a_token_for_looking_shows_no_password_and_asks_nothing(resource) -> None:
    client = Client()
    client.post("/mine/token", {"token": token_of(resource.customer, "read")})
    text = page(client, resource)
    assert "postgres://" not in text and 'id="ask"' not in text
    assert client.post(at(resource), {"verb": "restart"}).status_code == 422
    assert not Intent.objects.exists()


def test_signing_in_needs_its_token_and_leaves_no_trace_of_it(token, caplog) -> None:
    assert Client(enforce_csrf_checks=True).post("/mine/token", {"token": token}).status_code == 403
    answer = Client().post("/mine/token", {"token": token})
    assert answer.status_code == 302 and token not in caplog.text + answer["Location"]


@pytest.mark.parametrize("id", ["nonsense", "1", "%00", str(uuid.UUID(int=1))])
def test_what_is_not_there_is_not_found(platform, id) -> None:
    assert platform.get(f"/mine/{id}").status_code == 404


def test_a_session_ends_with_its_add_on(platform, resource) -> None:
    Addon.objects.update(ended_at=timezone.now())
    assert platform.get(at(resource)).status_code == 404
    Addon.objects.update(ended_at=None)
    Resource.objects.update(state="destroyed")
    assert platform.get(at(resource)).status_code == 404


@pytest.mark.parametrize("held", ["text", 7, None, []])
def test_a_session_of_another_make_opens_nothing(settings, resource, held) -> None:
    client = browser(settings)
    session = SessionStore(client.cookies[settings.SESSION_COOKIE_NAME].value)
    session[sso.SESSION] = held
    session.save()
    assert client.get(at(resource)).status_code == client.get("/mine").status_code == 403


def test_nobody_is_told_where_to_come_from(resource) -> None:
    answer = Client().get(at(resource))
    assert answer.status_code == 403 and "dashboard" in answer.content.decode()
    assert "acme" not in answer.content.decode()


# What everybody may see, and what a session of any kind has to itself.
OPEN = (
    "healthz",
    "readyz",
    "herdz",
    "metrics",
    "admin/login/",
    "admin/logout/",
    "admin/jsi18n/",
    "mine",
    "mine/token",
    "mine/<str:id>",
)


def routes(resolver=None, prefix: str = ""):
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern).removeprefix("^").removesuffix("$")
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        else:
            yield route


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["platform", "customer"])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_a_customers_session_opens_nothing_of_the_operators(request, resource, kind, method) -> None:
    """Every address of the site, as its pattern is written and with the names of things that there are."""
    client, before = request.getfixturevalue(kind), Intent.objects.count()
    client.raise_request_exception = False
    tried = 0
    for route in routes():
        if route in OPEN:
            continue
        for value in ("calm-otter-7", str(resource.pk), "1"):
            address = "/" + PARAMETER.sub(value, route)
            answer = getattr(client, method)(address)
            body = b"" if answer.streaming else answer.content
            assert answer.status_code in (301, 302, 400, 401, 403, 404, 405, 406, 415), (address, answer.status_code)
            assert "/admin/login" in answer.get("Location", "/admin/login"), address
            assert b"violet" not in body and b"calm-otter-7-1" not in body, address
            tried += 1
    assert tried > 100 and Intent.objects.count() == before
