"""`manage.py page --test`: each channel is proved for real, and said clearly."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from noticeboard import BROKEN, Board

from incidents.models import Notice, Rota
from incidents.notices import outbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def board(settings, monkeypatch):
    return Board(settings, monkeypatch)


def run(*args):
    """What it printed, and the error it ended with."""
    out = StringIO()
    try:
        call_command("page", "--test", *args, stdout=out)
    except CommandError as error:
        return out.getvalue().splitlines(), str(error)
    return out.getvalue().splitlines(), ""


def test_every_configured_channel_is_proved(board):
    now = outbox.clock()
    Rota.objects.create(who="ann", email="ann@example.com", starts=now, ends=now + timedelta(hours=1))
    duty, mail = board.has("pagerduty", "email")
    lines, error = run()
    assert [line.split(maxsplit=1) for line in lines] == [
        ["pagerduty", "accepted        202 taken"],
        ["email", "accepted        202 taken to ann@example.com"],
        ["webhook", "not configured  set HERDSITE_WEBHOOK_URL and HERDSITE_WEBHOOK_SECRET"],
        ["log", "not configured  set log"],
    ]
    assert error == ""
    assert [message.action for message in duty.sent + mail.sent] == ["test", "test"]
    assert set(Notice.objects.values_list("state", flat=True)) == {Notice.SENT}


def test_a_channel_that_fails_is_said_and_not_repeated(board):
    duty, _log = board.has("pagerduty", "log")
    duty.outcomes.append(BROKEN)
    lines, error = run()
    assert lines[0].split(maxsplit=2) == ["pagerduty", "FAILED", "503 down"]
    assert error == "Some paging channels fail."
    board.beat(later=1000)
    assert len(duty.tried) == 1
    assert outbox.failing() == {"pagerduty": "503 down"}
    run("--channel", "pagerduty")
    assert outbox.failing() == {}


def test_a_rota_with_nobody_on_it_is_a_failure(board):
    board.has("email")
    lines, error = run("--channel", "email")
    assert "no person is on call" in lines[0]
    assert error


@pytest.mark.parametrize("channels", [(), ("log",)])
def test_a_log_alone_wakes_nobody(board, channels):
    board.has(*channels)
    assert run()[1] == "No channel is configured that reaches a person: no one can be paged."


def test_a_channel_that_there_is_not(board):
    lines, error = run("--channel", "pigeon")
    assert error == "No channel 'pigeon': there are pagerduty, email, webhook, log."
