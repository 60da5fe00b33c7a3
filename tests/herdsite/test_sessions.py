"""Sessions: who is logged in, and how an operator ends that."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client

from fleet.api.models import Token
from fleet.audit.models import Entry
from herdsite.edge import idle
from tests import factories

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


def test_a_session_ends_within_a_day_however_much_it_is_used(clients, settings):
    ada = clients["ada"]
    longest = ada.session.get_expiry_age()
    assert settings.SESSION_COOKIE_AGE - 60 < longest <= settings.SESSION_COOKIE_AGE <= 86_400
    end = ada.session.get_expiry_date()
    left_alone(ada, idle.EVERY_S + 1)
    assert ada.get("/").status_code == 200
    assert ada.session.get_expiry_date() == end, "a use that is written down puts nothing off"


def left_alone(client: Client, seconds: float) -> None:
    session = client.session
    session[idle.USED] -= seconds
    session.save()


def test_a_session_that_nobody_uses_ends_and_that_is_on_record(clients, settings):
    ada, bert = clients["ada"], clients["bert"]
    left_alone(ada, settings.IDLE_S - 60)
    assert ada.get("/").status_code == 200
    left_alone(ada, settings.IDLE_S - 60)
    assert ada.get("/").status_code == 200, "each use begins anew"
    left_alone(ada, settings.IDLE_S + 1)
    stolen = ada.cookies["sessionid"].value
    assert ada.post("/things/shop", {"verb": "restart"}).status_code == 302
    assert Entry.objects.filter(action="logged out", actor="ada").count() == 1
    thief = Client()
    thief.cookies["sessionid"] = stolen
    assert thief.get("/").status_code == 302 and bert.get("/").status_code == 200


@pytest.mark.parametrize("page", ["/?fragment=herd", "/incidents?fragment=incidents&token=x", "/rings?fragment=rings"])
def test_a_page_that_refreshes_itself_keeps_nobody_logged_in(clients, settings, page):
    ada = clients["ada"]
    left_alone(ada, settings.IDLE_S - 60)
    assert ada.get(page).status_code == 200
    left_alone(ada, 61)
    assert ada.get(page).status_code == 302
    assert ada.get("/").status_code == 302


def test_a_customers_session_ends_in_the_same_way(settings):
    acme = factories.customer(name="acme")
    user = User.objects.create_user("acme")
    user.groups.add(Group.objects.get(name="customer"))
    token = Token.objects.create(user=user, name="x", scopes=["read"], customer=acme, expiry=timedelta(days=1))[1]
    client = Client()
    client.post("/mine/token", {"token": token})
    assert client.get("/mine").status_code == 200
    left_alone(client, settings.IDLE_S + 1)
    assert client.get("/mine").status_code == 403


def test_without_the_setting_only_the_longest_time_counts(settings):
    settings.IDLE_S = 0.0
    client = Client()
    client.force_login(User.objects.create_superuser("eve"))
    assert client.get("/").status_code == 200 and idle.USED not in client.session


def test_what_comes_without_a_cookie_does_not_depend_on_one():
    assert "Cookie" not in Client().get("/healthz").get("Vary", "")
