"""The web asks, the beat does: every URL and every admin action works although whatever reaches the fleet raises.

The URLs are enumerated from the site itself. A new one is covered by being there; one with a parameter that is not
known here fails the test until it can be filled.
"""

import gzip
import re
import socket
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from uuid import UUID

import paramiko
import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from fleet import certificates
from fleet.api import tokens
from fleet.models import MEMBERS, Authority, Credential, Customer, Event, Intent, Plan
from fleet.providers.local import spawn
from fleet.providers.local.provider import LocalProvider
from fleet.providers.ssh import SshProvider
from fleet.transports import ssh
from fleet.transports.sql import PsycopgSql
from fleet.transports.ssh import SshShell
from fleet.verbs import TABLE
from herdsite.edge import headers
from incidents.hands import HANDS
from incidents.models import Incident, Rota
from incidents.models.notices import Notice
from observations.models import Observation
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


class TouchedTheFleet(BaseException):
    """Not an Exception, so that nothing on the way out takes it for one of its own."""


REACHES = (
    (SshShell, "run"),
    (PsycopgSql, "fetch"),
    (ssh, "scan"),
    (paramiko.Transport, "__init__"),
    (socket.socket, "connect"),
    (socket.socket, "connect_ex"),
    (spawn, "start"),
    (spawn, "call"),
    *((provider, verb) for provider in (LocalProvider, SshProvider) for verb in dir(provider) if verb[0] != "_"),
)

VALUES = {
    "CharField": "sample",
    "TextField": "sample",
    "UUIDField": UUID(int=7),
    "DateTimeField": datetime(2030, 1, 1, tzinfo=UTC),
    "FloatField": 1.0,
    "JSONField": {},
    **dict.fromkeys(("PositiveIntegerField", "PositiveSmallIntegerField", "PositiveBigIntegerField"), 1),
}

API_RECORDS = (Credential, Customer, Event, Incident, Intent, Notice, Plan)


@pytest.fixture(autouse=True)
def harmless(monkeypatch, settings):
    """Whatever leaves this process for the fleet raises."""
    settings.METRICS_DATABASES = 5  # the address is there

    def touch(*_args, **_kwargs):
        raise TouchedTheFleet

    for owner, name in REACHES:
        monkeypatch.setattr(owner, name, touch)


@pytest.fixture
def operator():
    return User.objects.create_superuser("operator")


@pytest.fixture
def samples(operator):
    """One row of every model that the admin shows."""
    now = timezone.now()
    resource = factories.resource(name="proud-walrus", instance=factories.instance(name="lucid-moose"))
    instance = resource.instance
    rows = [
        *(resource, instance, instance.server, instance.timeline, resource.plan, resource.customer, operator),
        Credential.objects.get(),
        Intent.objects.create(kind="resource", subject=resource.pk, name=resource.name, verb="restart", actor="x"),
        Event.objects.create(kind="resource", subject=resource.pk, name=resource.name, verb="doubt", why="", actor="x"),
        Incident.objects.create(name="i", subject=resource.pk, subject_kind="resource", subject_name=resource.name),
        tokens.make(operator, "sample", ["read"], 1)[0],
        Rota.objects.create(who="ada", email="ada@example.com", starts=now, ends=now + timedelta(hours=12)),
        Observation.objects.create(at=now, kind="server", subject=instance.server.pk, vantage="box/7", took_ms=1),
    ]
    certificates.make(Authority.CURRENT)
    found = {type(row): row for row in rows}
    for model in admin.site._registry:
        found.get(model) or plain(model, found)
    return found


def plain(model, found):
    """A row of a model that nobody has written a sample for: something in every column that wants to be given."""
    given = {}
    for field in model._meta.concrete_fields:
        if isinstance(field, models.ForeignKey) and not field.null:
            given[field.name] = found.get(field.related_model) or plain(field.related_model, found)
        elif not (field.null or field.has_default() or field.has_db_default() or isinstance(field, models.AutoField)):
            given[field.name] = field.choices[0][0] if field.choices else VALUES[field.get_internal_type()]
    found[model] = model.objects.create(**given)
    return found[model]


def key(row) -> str:
    """As the admin writes it into an address."""
    plain = f"{row.at.isoformat()}~{row.pk}" if isinstance(row, Observation) else str(row.pk)
    return re.sub(r'[:/_#?;@&=+$,"\[\]<>%\n\\]', lambda found: f"_{ord(found[0]):02X}", plain)


PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
# Whose id is the name in addresses of the API.
NAMED = {f"api/v1/{model._meta.verbose_name_plural}/": model for model in (*MEMBERS.values(), *API_RECORDS)} | {
    "api/v1/addresses/": MEMBERS["address"]
}
# Where nothing is, by intent: a row of no content type, and what the admin and the API do not know.
NOTHING = ("/admin/r/0/0/", "/admin/nowhere", "/api/v1/nowhere")


def routes(resolver=None, prefix=""):
    """Every address of the site as its pattern is written, and the names of the parameters in it."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern).removeprefix("^").removesuffix("$")
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        elif isinstance(entry, URLPattern):
            yield route


def addresses(samples) -> list[str]:
    """Every address of the site, with rows that there are."""
    known = {"app_label": "fleet", "name": "proud-walrus", "url": "nowhere", "content_type_id": "0"}
    known |= {"id": str(samples[User].pk), "incident": samples[Incident].name, "verb": "ack"}
    ids = {start: str((samples.get(model) or plain(model, samples)).pk) for start, model in NAMED.items()}
    keys = {f"admin/{model._meta.app_label}/{model._meta.model_name}/": key(row) for model, row in samples.items()}
    found = []
    for route in routes():
        values = known | {"object_id": next((key for start, key in keys.items() if route.startswith(start)), "0")}
        values |= {"name": next((id for start, id in ids.items() if route.startswith(start)), "proud-walrus")}
        found.append("/" + PARAMETER.sub(lambda part, values=values: values[part[1] or part[2]], route))
    return found


def test_it_would_be_noticed():
    for owner, name in REACHES:
        with pytest.raises(TouchedTheFleet):
            getattr(owner, name)()


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("who", ["operator", "stranger"])
def test_every_url_works_without_the_fleet(samples, operator, method, who):
    for address in addresses(samples):
        client = Client()
        if who == "operator":
            client.force_login(operator)
        answer = getattr(client, method)(address)
        # Nobody looks after this herd, and /herdz says so.
        assert answer.status_code < 500 or address == "/herdz", address
        if who == "operator":
            assert (answer.status_code == 404) == (address in NOTHING), address


class Page(HTMLParser):
    """What of a page would run or show beside the files that it names."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.styles: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        handlers = [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "").lower()]
        self.scripts += [f"<{tag} {name}>" for name in handlers]
        if tag == "script" and not (given.get("src") or "").startswith("/"):
            self.scripts.append(f"<script {attrs}>")
        if tag == "style" or "style" in given:
            self.styles.append(f"<{tag} {attrs}>")


@pytest.mark.parametrize("who", ["operator", "stranger"])
def test_every_answer_tells_browsers_to_run_nothing_but_our_files(samples, operator, who):
    for address in addresses(samples):
        client = Client()
        if who == "operator":
            client.force_login(operator)
        answer = client.get(address)
        for name, value in headers.FIXED.items():
            held = ("no-referrer", value) if name == "Referrer-Policy" else (value,)
            assert answer.headers.get(name) in held, (address, name)
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'", address
        assert "unsafe-inline" not in policy.get("script-src", ""), address
        assert "http" not in "".join(policy.values()), address
        if answer.headers["Content-Type"].startswith("text/html"):
            page = Page()
            page.feed(answer.content.decode())
            assert page.scripts == [], address
            assert page.styles == [] or "unsafe-inline" in policy["style-src"], address
        for cookie in answer.cookies.values():
            assert cookie["samesite"] == "Lax" and (cookie["httponly"] or cookie.key == "csrftoken"), address


SECRET = re.compile(rb"csrfmiddlewaretoken|postgres(?:ql)?://[^:/\s]+:[^@\s*]+@")


def test_nothing_with_a_secret_in_it_is_compressed(samples, operator):
    """How long a compressed page is tells what is in it to whoever can put guesses beside it (BREACH)."""
    compressed = 0
    for address in addresses(samples):
        client = Client()
        client.force_login(operator)
        plain, answer = client.get(address), client.get(address, headers={"Accept-Encoding": "gzip"})
        if answer.headers.get("Content-Encoding") == "gzip":
            compressed += 1
            assert not SECRET.search(gzip.decompress(answer.content)) and not answer.cookies, address
            assert not plain.cookies, address
    assert compressed > 2


@pytest.mark.parametrize("model", [*admin.site._registry], ids=lambda model: model.__name__)
def test_every_action_works_without_the_fleet(samples, operator, rf, model):
    client = Client()
    client.force_login(operator)
    request = rf.get("/")
    request.user = operator
    row, shown = samples[model], admin.site._registry[model]
    for action in shown.get_actions(request):
        chosen = {"action": action, "_selected_action": [str(row.pk)]}
        address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        between = client.post(address, chosen)
        done = client.post(address, chosen | {"asked": "1", "reason": "a test", "confirm": str(row)})
        assert between.status_code in (200, 302) and done.status_code in (200, 302), action


def test_every_verb_of_the_portal_works_without_the_fleet(samples, operator):
    client = Client()
    client.force_login(operator)
    asked = 0
    for verb in TABLE:
        name = samples[MEMBERS[verb.kind]].name
        answer = client.post(f"/things/{verb.kind}/{name}", {"verb": verb.name, "reason": "a test", "confirm": name})
        assert answer.status_code in (302, 422), verb
        asked += answer.status_code == 302
    assert asked == Intent.objects.filter(actor="operator").count() > 4


def test_every_hand_laid_on_an_incident_works_without_the_fleet(samples, operator):
    client = Client()
    client.force_login(operator)
    asked = {"minutes": 60, "to": "operator", "text": "a test", "reason": "a test"}
    for verb, hand in HANDS.items():
        body = {name: asked[name] for name in hand.form().fields}
        answer = client.post("/api/v1/incidents/i/" + verb, body, content_type="application/json")
        assert answer.status_code == 200, verb
    samples[Incident].refresh_from_db()
    assert samples[Incident].state == "resolved"


def test_adding_works_without_the_fleet(samples, operator):
    client = Client()
    client.force_login(operator)
    host = {"name": "host-z", "provider": "local", "zone": "a", "disk_mb": "2048", "capacity": "1"}
    shop = {"customer": str(samples[MEMBERS["resource"]].customer_id), "plan": "standard-0", "major": "17"}
    assert client.post("/admin/fleet/server/add/", host).status_code == 302
    assert client.post("/admin/fleet/resource/add/", shop).status_code == 302
    assert Intent.objects.filter(verb="create").count() == 2
