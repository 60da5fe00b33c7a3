"""While people sleep nobody is called for a mere warning: it waits for the morning, if it is not over by then."""

from datetime import UTC, datetime, timedelta

import pytest

from incidents.models import Page
from incidents.notices import desk, pages, quiet
from tests.incidents.noticeboard import Board, Incident

pytestmark = pytest.mark.django_db
HOUR = 3_600.0


def page(incident):
    return desk.page(incident, {"ssh": "answers"}, "")


@pytest.fixture
def board(settings, monkeypatch):
    return Board(settings, monkeypatch)


class TestNight:
    @pytest.fixture
    def night(self, board, settings):
        """It is ten at night, and people sleep from eight to eight."""
        settings.QUIET_HOURS = "20-8"
        board.now = board.now.replace(hour=22, minute=0) + timedelta(days=1)
        return board

    def test_a_warning_waits_for_the_morning(self, night):
        (duty,) = night.has("pagerduty")
        page(Incident(severity="warn"))
        night.beat()
        night.beat(later=9 * HOUR)
        assert duty.tried == []
        night.beat(later=HOUR)
        assert [message.severity for message in duty.sent] == ["warning"]

    def test_what_is_worse_does_not(self, night):
        (duty,) = night.has("pagerduty")
        page(Incident(severity="page"))
        night.beat()
        assert len(duty.sent) == 1

    def test_a_warning_that_is_over_by_then_was_never_said(self, night):
        (duty,) = night.has("pagerduty")
        incident = Incident(severity="warn")
        page(incident)
        desk.ended(incident)
        night.beat(later=12 * HOUR)
        assert duty.tried == []

    def test_what_waits_keeps_no_breaker_open_and_opens_none(self, night, settings):
        settings.PAGES_PER_MINUTE = 1
        (duty,) = night.has("pagerduty")
        for _one in range(3):
            page(Incident(severity="warn"))
        page(Incident(severity="page"))
        night.beat()
        assert [message.severity for message in duty.sent] == ["critical"]
        assert not Page.objects.filter(incident=pages.BREAKER).exists()

    def test_nobody_has_it_in_the_evening_so_it_comes_again_in_the_morning(self, night):
        (duty,) = night.has("pagerduty")
        night.now -= timedelta(hours=2, seconds=60)
        page(Incident(severity="warn"))
        night.beat()
        night.beat(later=600)
        assert len(duty.sent) == 1
        night.beat(later=12 * HOUR)
        assert [message.thread[-2:] for message in duty.sent] == ["/1", "/2"]

    @pytest.mark.parametrize(
        ("hours", "hour", "asleep"),
        [("20-8", 20, True), ("20-8", 7, True), ("20-8", 8, False), ("1-6", 0, False), ("1-6", 5, True),
         ("", 3, False), ("night", 3, False), ("25-3", 1, False)],
    )  # fmt: skip
    def test_who_sleeps_when(self, settings, hours, hour, asleep):
        settings.QUIET_HOURS = hours
        assert quiet.is_quiet(datetime(2026, 5, 1, hour, 30, tzinfo=UTC)) is asleep
