"""/metrics: what it tells, by which labels, to whom, and at what price."""

import re
import runpy
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

import herdsite.settings
from fleet.models import Event, Intent, Worker
from herdsite.portal.metrics import Herd
from incidents.hooks.models import Delivery, Endpoint
from incidents.models import Incident, Notice, Page
from observations.drains.models import Drain, Line
from tests import factories

pytestmark = pytest.mark.django_db


def scraped(client: Any, **headers: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.content.decode())
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(client: Any, name: str, **labels: str) -> float | None:
    return scraped(client).get((f"herdsite_{name}", frozenset(labels.items())))


def test_the_herd_by_kind_state_plan_and_zone(client) -> None:
    server = factories.server(zone="b")
    for _ in range(2):
        factories.resource(instance=factories.instance(server=server), state="down")
    factories.resource(instance=None)
    factories.server(state="destroyed")
    assert value(client, "things", kind="server", state="available", plan="", zone="b") == 1
    assert value(client, "things", kind="instance", state="available", plan="standard-0", zone="b") == 2
    assert value(client, "things", kind="resource", state="down", plan="standard-0", zone="b") == 2
    assert value(client, "things", kind="resource", state="available", plan="standard-0", zone="") == 1
    assert value(client, "things", kind="server", state="destroyed", plan="", zone="a") is None


def test_rings_with_what_is_late(client) -> None:
    now = timezone.now()
    factories.server(queue="feel", due_at=now - timedelta(seconds=90), felt_at=now - timedelta(seconds=100))
    factories.server(queue="feel", due_at=now + timedelta(seconds=90), leased_until=now + timedelta(seconds=9))
    of = {"kind": "server", "queue": "feel"}
    names = ("members", "due", "leased")
    assert [value(client, f"ring_{name}", **of) for name in names] == [2, 1, 1]
    assert 90 <= (value(client, "ring_late_seconds", **of) or 0) < 200
    assert 100 <= (value(client, "ring_age_seconds", **of) or 0) < 200


def test_workers_by_queue_and_those_that_are_missing(client) -> None:
    now = timezone.now()
    for n in (1, 2):
        told = {
            "queue": "feel",
            "started_at": now,
            "seen_at": now - timedelta(seconds=7),
            "beats": 100 * n,
            "errors": n,
            "rss_mb": n,
        }
        Worker.objects.create(name=f"box/{n}", beats_per_s=1.5, **told)
    names = ("workers", "worker_beats", "worker_errors", "beats_per_second", "worker_rss_bytes")
    assert [value(client, name, queue="feel") for name in names] == [2, 300, 3, 3, 2 * 2**20]
    Worker.objects.filter(name="box/1").update(seen_at=now - timedelta(seconds=90))
    assert [value(client, name, queue="feel") for name in names] == [1, 300, 3, 1.5, 2 * 2**20]
    assert 7 <= (value(client, "worker_silence_seconds", queue="feel") or 0) < 100
    assert value(client, "workers", queue="slow") == 0
    assert value(client, "worker_beats", queue="slow") is None


def test_what_is_wrong_and_what_is_asked(client) -> None:
    for n, state in enumerate(("triggered", "needs_human", "resolved")):
        Incident.objects.create(
            name=f"i{n}", type="disk_filling", subject=uuid4(), subject_kind="server", subject_name="x", state=state
        )
    Intent.objects.create(kind="resource", subject=uuid4(), name="x", verb="restart", actor="a")
    assert value(client, "incidents", type="disk_filling", severity="page", state="needs_human") == 1
    assert value(client, "incidents", type="disk_filling", severity="page", state="resolved") is None
    assert value(client, "intents_open", kind="resource", verb="restart") == 1


def test_what_waits_to_be_told(client) -> None:
    now = timezone.now()
    common = {"thread": "t", "purpose": "page", "channel": "email", "subject": "s", "body": "b"}
    Notice.objects.create(key="1", created_at=now - timedelta(seconds=50), **common)
    Notice.objects.create(key="2", state=Notice.SENT, **common)
    page = {"type": "x", "severity": "page", "source": "s", "component": "c", "summary": "s", "incident_name": "i"}
    Page.objects.create(incident=uuid4(), n=1, key="1", let_out_at=now, **page)
    Page.objects.create(incident=uuid4(), n=1, key="2", **page)
    Page.objects.create(incident=uuid4(), n=1, key="3", ended_at=now, **page)
    assert value(client, "notices", channel="email", purpose="page", state="queued") == 1
    assert 50 <= (value(client, "notices_oldest_seconds") or 0) < 150
    pages = [value(client, "pages", state=state) for state in ("held", "calling", "acknowledged")]
    assert pages == [1, 1, 0]


def test_webhooks_and_drains(client) -> None:
    to = Endpoint.objects.create(name="e", url="http://127.0.0.1:9/", silences=2)
    happened = Event.objects.create(kind="resource", subject=to.pk, name="x", verb="doubt", why="", actor="a")
    Delivery.objects.create(endpoint=to, event=happened, subject=to.pk)
    drain = Drain.objects.create(resource=factories.resource(), url="https://127.0.0.1/", sent=7, dropped=2)
    Line.objects.create(drain=drain, at=timezone.now(), text="x")
    assert value(client, "hook_deliveries", state="queued") == 1
    assert [value(client, "hook_endpoints", state=state) for state in ("well", "silent", "off")] == [0, 1, 0]
    assert value(client, "hook_oldest_seconds") is not None
    assert [value(client, "drain_lines", state=state) for state in ("sent", "dropped", "waiting")] == [7, 2, 1]
    assert [value(client, "drains", state=state) for state in ("well", "rotated", "off")] == [1, 0, 0]


def test_what_runs_here(client) -> None:
    [(_name, labels)] = [key for key in scraped(client) if key[0] == "herdsite_build_info"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", dict(labels)["version"]) and set(dict(labels)) == {
        "version",
        "python",
        "django",
    }


def test_an_empty_herd_is_told_too(client) -> None:
    names = {name for name, _labels in scraped(client)}
    assert {"herdsite_workers", "herdsite_clock_elected", "herdsite_pages", "herdsite_drains"} <= names


def test_no_label_is_a_name_and_no_number_of_queries_grows(client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            scraped(client)
        return len(captured)

    before = queries()
    for _ in range(5):
        factories.resource(instance=factories.instance(server=factories.server(address="192.0.2.7")))
    assert queries() == before < 40
    text = client.get("/metrics").content.decode()
    names = [name for one in (factories.server, factories.resource) for name in type(one()).objects.values_list("name")]
    assert names and not any(name[0] in text for name in names) and "192.0.2.7" not in text
    assert {len(family.samples) < 50 for family in Herd().collect()} == {True}


def test_it_speaks_as_the_scraper_wants(client) -> None:
    plain = client.get("/metrics")
    assert plain["Content-Type"].startswith("text/plain") and "no-store" in plain["Cache-Control"]
    newer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert newer["Content-Type"].startswith("application/openmetrics-text")
    assert newer.content.endswith(b"# EOF\n")


# Who may.


@pytest.mark.parametrize(
    ("address", "headers", "may"),
    [
        ("127.0.0.1", {}, True),
        ("127.8.0.3", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("192.0.2.7", {}, False),
        ("::ffff:192.0.2.7", {}, False),
        ("", {}, False),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, False),
        ("127.0.0.1", {"Via": "1.1 proxy"}, False),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}, False),
        ("127.0.0.1", {"X-Forwarded-Proto": "https"}, False),
        ("192.0.2.7", {"Authorization": "Bearer open sesame"}, True),
        ("192.0.2.7", {"Authorization": "bearer open sesame", "X-Forwarded-For": "1.2.3.4"}, True),
        ("192.0.2.7", {"Authorization": "Bearer open"}, False),
        ("192.0.2.7", {"Authorization": "Bearer "}, False),
        ("192.0.2.7", {"Authorization": "Basic open sesame"}, False),
        ("192.0.2.7", {"Authorization": "Bearer öpen"}, False),
    ],
)
def test_who_may_scrape(client, settings, address: str, headers: dict[str, str], may: bool) -> None:
    settings.METRICS_TOKEN = "open sesame"
    answer = client.get("/metrics", headers=headers, REMOTE_ADDR=address)
    assert answer.status_code == (200 if may else 403)
    assert may or b"herdsite_things" not in answer.content


@pytest.mark.parametrize("given", ["Bearer ", "Bearer", "", "Bearer x"])
def test_without_a_token_in_the_settings_nobody_knows_it(client, settings, given: str) -> None:
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"Authorization": given}, REMOTE_ADDR="192.0.2.7").status_code == 403


@pytest.mark.parametrize(
    ("env", "local"),
    [
        ({}, True),
        ({"HERDSITE_ALLOWED_HOSTS": "localhost,[::1]"}, True),
        ({"HERDSITE_HTTPS": "1"}, False),
        ({"HERDSITE_ALLOWED_HOSTS": "localhost,herd.example"}, False),
        ({"HERDSITE_ALLOWED_HOSTS": "*"}, False),
        ({"HERDSITE_ALLOWED_HOSTS": ".localhost"}, False),
    ],
)
def test_where_a_proxy_may_stand_loopback_proves_nothing(client, settings, monkeypatch, env, local) -> None:
    for name in ("HERDSITE_HTTPS", "HERDSITE_ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    settings.METRICS_LOCAL = runpy.run_path(herdsite.settings.__file__)["METRICS_LOCAL"]
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == (200 if local else 403)


def test_a_login_does_not_open_it_from_elsewhere(client, settings) -> None:
    client.force_login(User.objects.create_superuser("operator"))
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    assert client.post("/metrics").status_code == 405


def test_a_database_that_is_away_is_an_error_to_the_scraper(client, monkeypatch) -> None:
    def refuse(*_args):
        raise OperationalError("connection to server at 10.1.2.3 failed")

    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", refuse)
    answer = client.get("/metrics")
    assert (answer.status_code, answer.content) == (503, b"The database does not answer.\n")
