"""/herdz: whether anybody looks after the herd, and what is missing when nobody does."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from fleet.models import Worker
from fleet.policy import QUEUES
from fleet.workers import GONE_S
from herdsite import clock
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ticking():
    """A clock is elected, with a connection of its own."""

    def elect() -> Any:
        assert clock.elected()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(elect).result()
        yield
        pool.submit(lambda: connection.close()).result()


@pytest.fixture
def working():
    now = timezone.now()
    for queue in QUEUES:
        Worker.objects.create(name=f"box/{queue}", queue=queue, started_at=now, seen_at=now)


def herdz(client: Any) -> tuple[int, str]:
    answer = client.get("/herdz")
    return answer.status_code, answer.content.decode()


def test_a_herd_that_is_looked_after(client, ticking, working) -> None:
    factories.server(due_at=timezone.now() - timedelta(seconds=5))
    assert herdz(client) == (200, "ok\n")


def test_without_a_clock(client, working) -> None:
    assert herdz(client) == (503, "no clock hands out turns\n")


def test_a_queue_whose_workers_are_silent_or_missing(client, ticking, working) -> None:
    Worker.objects.filter(queue="slow").update(seen_at=timezone.now() - timedelta(seconds=GONE_S + 1))
    Worker.objects.filter(queue="work").delete()
    assert herdz(client) == (503, "no worker runs for work, slow\n")


def test_a_beat_that_is_late(client, ticking, working) -> None:
    factories.server(queue="suspect", due_at=timezone.now() - timedelta(seconds=90))
    assert herdz(client) == (503, "beats are late on suspect\n")


def test_all_at_once_and_no_login(client) -> None:
    assert herdz(client) == (503, "no clock hands out turns; no worker runs for feel, suspect, work, slow\n")
    assert client.post("/herdz").status_code == 405


def test_who_is_not_looked_after_may_still_see_the_portal(client) -> None:
    assert [client.get(url).status_code for url in ("/healthz", "/readyz", "/herdz")] == [200, 200, 503]


def test_a_database_that_does_not_answer(client, monkeypatch) -> None:
    def refuse(*_args):
        raise OperationalError("connection to server at 10.1.2.3 failed")

    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", refuse)
    assert herdz(client) == (503, "the database does not answer (OperationalError)\n")
