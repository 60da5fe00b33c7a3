"""A channel that brings no pages to people is an incident of herdsite's own: one page, by another way, and over when a
message has got through by it."""

from datetime import timedelta

import pytest

from herdsite import clock
from incidents import desk, ourselves, work
from incidents.models import Incident, Notice, Page, Rota
from incidents.notices import desk as notices
from incidents.notices import outbox
from tests import factories
from tests.incidents.noticeboard import BROKEN, REFUSES, Board
from tests.incidents.noticeboard import Incident as Other
from tests.incidents.scenes import VANTAGE, Scene, due

pytestmark = pytest.mark.django_db


@pytest.fixture
def board(settings, monkeypatch) -> Board:
    """The outbox goes by the test's clock, too."""
    made = Board(settings, monkeypatch)
    monkeypatch.setattr(outbox, "clock", lambda: made.now)
    return made


def page() -> None:
    """Somebody is to be called about something."""
    notices.page(Other(), {}, "")


def looks(n: int = ourselves.IN_A_ROW) -> list[str]:
    watch = ourselves.Watch()
    for _look in range(n):
        clock.look_at_ourselves(watch)
    return list(desk.open_incidents().values_list("type", flat=True))


def test_a_channel_that_refuses_is_one_incident_and_its_page_goes_by_the_next_way(board) -> None:
    pagerduty, _log = board.has("pagerduty", "log")
    pagerduty.outcomes.extend([REFUSES] * 9)
    page()
    board.beat()
    assert looks(ourselves.IN_A_ROW + 2) == ["channel_failing"]
    incident = Incident.objects.get()
    assert (incident.name, incident.state) == ("channel-failing-herdsite-1", "needs_human")
    assert incident.evidence["facts"] == {"pagerduty": "400 no"}
    board.beat()
    call = Page.objects.get(incident=incident.pk)
    assert "manage.py page --test --channel" in call.runbook
    assert sorted(call.notices.values_list("channel", "state")) == [("log", "sent"), ("pagerduty", "failed")]


def test_a_test_that_gets_through_by_it_ends_the_incident_and_one_by_another_does_not(board) -> None:
    pagerduty, _log = board.has("pagerduty", "log")
    pagerduty.outcomes.extend([REFUSES] * 2)
    page()
    board.beat()
    looks()
    board.beat()
    board.now += timedelta(seconds=1)
    assert outbox.prove("log", "").state == Notice.SENT and looks(1) == ["channel_failing"]
    assert outbox.prove("pagerduty", "").state == Notice.SENT
    incident = Incident.objects.get()
    due(incident)
    work.go_round(Scene().ports, VANTAGE, notices)
    assert looks() == []
    assert Page.objects.get(incident=incident.pk).ended_at is not None


def test_what_is_not_taken_at_first_and_then_is_was_no_failure(board) -> None:
    (pagerduty,) = board.has("pagerduty")
    pagerduty.outcomes.extend([BROKEN] * (outbox.PATIENCE - 1))
    page()
    for _attempt in range(outbox.PATIENCE - 1):
        board.beat(60)
        assert looks() == []
    board.beat(60)
    assert len(pagerduty.sent) == 1 and looks() == []


def test_a_channel_that_is_given_up_is_nobodys_trouble_any_more(board, settings) -> None:
    pagerduty, _log = board.has("pagerduty", "log")
    pagerduty.outcomes.append(REFUSES)
    page()
    board.beat()
    settings.PAGING = ["log"]
    assert looks() == []


def test_a_customers_own_webhook_that_fails_is_not_our_channel(board) -> None:
    customer = factories.customer()
    Notice.objects.create(
        key="c", thread="c", purpose=Notice.CUSTOMER, channel="webhook", customer=customer, subject="s", body="b"
    )
    board.beat()
    assert Notice.objects.get().state == Notice.FAILED and looks() == []


def test_nobody_on_call_is_no_failure_of_a_channel(board) -> None:
    board.has("email", "log")
    assert not Rota.objects.exists()
    page()
    board.beat()
    assert looks() == []
