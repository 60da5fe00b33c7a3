"""/healthz and /readyz, /rings, and how values are worded on the pages."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from fleet.facts import FACTS
from fleet.models import Worker
from herdsite.portal.shown import known, moment, percent, share, size
from tests import factories


@pytest.fixture
def broken(monkeypatch):
    """A database that does not answer."""

    def refuse(*_args):
        raise OperationalError("connection to server at 10.1.2.3, port 5432 failed: no password for user herdsite")

    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", refuse)


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/healthz", "/readyz"])
def test_it_is_well_without_a_login(client, url):
    answer = client.get(url)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"ok\n", "text/plain; charset=utf-8")
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/healthz", "/readyz"])
def test_a_database_that_does_not_answer_is_told_in_a_line_without_its_whereabouts(client, broken, url):
    answer = client.get(url)
    assert (answer.status_code, answer.content) == (503, b"the database does not answer (OperationalError)\n")


@pytest.mark.django_db
def test_it_is_not_ready_without_its_migrations(client):
    [(app, newest)] = MigrationLoader(connection).graph.leaf_nodes("fleet")
    MigrationRecorder(connection).record_unapplied(app, newest)
    answer = client.get("/readyz")
    assert answer.status_code == 503 and answer.content.decode() == f"migrations are not applied: {app}.{newest}\n"
    assert client.get("/healthz").status_code == 200


def test_only_reading_is_possible(client):
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_rings_and_workers(client):
    client.force_login(User.objects.create_superuser("operator"))
    now = timezone.now()
    factories.server(queue="feel", felt_at=now, due_at=now - timedelta(seconds=90))
    factories.resource(queue="suspect", felt_at=now - timedelta(seconds=30), due_at=now + timedelta(seconds=5))
    common = {
        "queue": "feel",
        "started_at": now - timedelta(hours=2),
        "rss_mb": 88,
        "beats": 1234,
        "beats_per_s": 31.44,
    }
    Worker.objects.create(name="box/1", seen_at=now, errors=0, **common)
    Worker.objects.create(name="box/2", seen_at=now - timedelta(minutes=5), errors=3, **common)
    page = client.get("/rings").content.decode()
    late = page[page.index('id="ring-Servers-feel"') :].split("</tr>")[0]
    fine = page[page.index('id="ring-Resources-suspect"') :].split("</tr>")[0]
    assert "<b>late</b>" in late and "90." in late
    assert "<b>late</b>" not in fine and "30 s" in fine
    alive, silent = (page[page.index(f'id="worker-box/{n}"') :].split("</tr>")[0] for n in (1, 2))
    assert "31.4" in alive and "88 MB" in alive and "silent" not in alive
    assert "<b>silent</b>" in silent


@pytest.mark.django_db
def test_no_ring_and_no_worker(client):
    client.force_login(User.objects.create_superuser("operator"))
    page = client.get("/rings").content.decode()
    assert "No ring has a member" in page and "No worker has reported yet" in page


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("service_available", "true", "yes"),
        ("service_available", "false", "no"),
        ("service_available", None, "not known"),
        ("service_available", "maybe", "not known"),
        ("doubt_s", "2.50", "2.5 s"),
        ("doubt_s", "20", "20 s"),
        ("doubt_s", "0.0", "0 s"),
        ("members", "10", "10"),
        ("db_size_bytes", "1536", "1.5 KB"),
        ("mem_total_kb", "2048", "2.0 MB"),
        ("not_in_the_catalogue", "as it is", "as it is"),
    ],
)
def test_facts_in_words(name, text, value):
    assert known(name, text).value == value
    assert known(name, text).meaning == (FACTS[name].meaning if name in FACTS else "")


def test_other_values_in_words():
    assert [size(text) for text in ("0", "1536", None, "much")] == ["0 bytes", "1.5 KB", "", ""]
    assert [share("3", 20), share("3", None), share(None, 20), share("0", 20)] == ["3 / 20", "3", "", "0 / 20"]
    assert [percent("23"), percent(None)] == ["23 %", ""]
    assert moment(None) is None
