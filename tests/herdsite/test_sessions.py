"""Sessions: who is logged in, and how an operator ends that."""

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def clients():
    made = {}
    for name in ("ada", "bert"):
        made[name] = Client()
        made[name].force_login(User.objects.create_superuser(name))
    return made


def test_sessions_are_listed_and_those_of_a_login_are_ended(clients):
    out = StringIO()
    call_command("sessions", "list", stdout=out)
    assert [line.split()[0] for line in out.getvalue().splitlines()] == ["ada", "bert"]
    call_command("sessions", "revoke", "ada", stdout=out)
    assert clients["ada"].get("/").status_code == 302 and clients["bert"].get("/").status_code == 200


def test_a_login_that_there_is_not(clients):
    with pytest.raises(CommandError, match="no login"):
        call_command("sessions", "revoke", "eve", stdout=StringIO())


def test_a_session_ends_within_a_day(clients, settings):
    assert clients["ada"].session.get_expiry_age() == settings.SESSION_COOKIE_AGE <= 86_400
