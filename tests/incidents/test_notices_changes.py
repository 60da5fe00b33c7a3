"""What is done to a database on purpose reaches those channels that take change events: once, and only while it is
news."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from fleet import lifecycle
from fleet.lifecycle import Because
from fleet.models import Event, Resource
from fleet.states import MOVES
from incidents.models import Notice, Page
from incidents.notices import changes, outbox
from incidents.notices.base import CHANGE, PAGE
from tests import factories
from tests.incidents.noticeboard import BROKEN, Board

pytestmark = pytest.mark.django_db


@pytest.fixture
def board(settings, monkeypatch) -> Board:
    """Its clock is the database's: what is told is what happened lately."""
    made = Board(settings, monkeypatch)
    made.now = outbox.clock()
    return made


def maintain() -> Resource:
    resource = factories.resource(name="calm-otter-7")
    lifecycle.move(resource, "enter_maintenance", Because(None, "its disk is replaced", "ada"))
    return resource


def test_the_table_names_moves_that_there_are():
    assert set(changes.CHANGES) <= {move.name for move in MOVES["resource"]}


def test_maintenance_begun_and_over_are_told_once_each_and_call_nobody(board):
    duty, log = board.has("pagerduty", "log")
    resource = maintain()
    board.beat(1)
    lifecycle.move(resource, "leave_maintenance", Because(None, "done", "ada"))
    for _beat in range(3):
        board.beat(1)
    assert [(one.action, one.subject) for one in duty.sent] == [
        (CHANGE, "calm-otter-7: maintenance has begun"),
        (CHANGE, "calm-otter-7: maintenance is over"),
    ]
    assert "its disk is replaced" in duty.sent[0].body and "ada" in duty.sent[0].body
    assert not Page.objects.exists()


def test_other_moves_and_old_news_are_not_told(board):
    (duty,) = board.has("pagerduty")
    lifecycle.move(factories.resource(), "doubt", Because(301, "a look failed", "here/1"))
    maintain()
    Event.objects.update(at=Now() - changes.WITHIN - timedelta(seconds=5))
    board.beat(1)
    assert duty.tried == []


def test_without_a_channel_that_takes_changes_nothing_is_written(board):
    board.has("email", "log")
    for channel in board.has("webhook"):
        channel.actions = frozenset({PAGE})
    for name in ("email", "log"):
        board.has(name)[0].actions = frozenset({PAGE})
    maintain()
    board.beat(1)
    assert not Notice.objects.exists()


def test_one_that_fails_is_sent_again_and_is_no_failing_channel(board):
    (duty,) = board.has("pagerduty")
    duty.outcomes.extend([BROKEN] * 4)
    maintain()
    for _beat in range(6):
        board.beat(60)
    assert len(duty.sent) == 1 and board.failed == [] and outbox.failing() == {}
