"""Whatever a person does is on record, at every door and by every way of writing: who, from where, why, before and
after; and no door had to remember to."""

import json
from io import StringIO

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client

from fleet import windows
from fleet.api import tokens
from fleet.audit.acting import Acting, acting, by_command, in_name_of
from fleet.audit.models import Entry
from fleet.models import Credential, Customer, Event, Plan, Resource
from incidents import desk
from tests import factories
from tests.api.world import holding
from tests.incidents.scenes import raise_alarm

pytestmark = pytest.mark.django_db
HERE = {"REMOTE_ADDR": "192.0.2.9"}


@pytest.fixture
def operator():
    return User.objects.create_superuser("operator", password="correct horse battery")


@pytest.fixture
def shop():
    return factories.resource(name="shop")


@pytest.fixture
def web(operator):
    client = Client(**HERE)
    client.force_login(operator)
    return client


def entries(**wanted):
    return list(Entry.objects.filter(**wanted).order_by("id"))


def test_what_is_asked_in_the_portal(web, shop):
    assert web.post("/things/shop", {"verb": "restart", "reason": "it is slow"}).status_code == 302
    (entry,) = entries(subject=str(shop.pk))
    assert (entry.actor, entry.address, entry.door) == ("operator", "192.0.2.9", "portal")
    assert (entry.action, entry.kind, entry.name, entry.reason) == (
        "asked to restart",
        "resource",
        "shop",
        "it is slow",
    )
    assert entry.request


def test_a_thing_shows_what_people_did_to_it(web, shop):
    """Who, from where, by which way, why, and what it was before; and nothing of what was done to another."""
    web.post("/things/shop", {"verb": "restart", "reason": "it is <b>slow</b>"})
    with in_name_of(Acting(lambda: "ada", "192.0.2.7", "admin")):
        windows.choose(shop, "Mon 02:00", "ada")
        windows.choose(shop, "Tue 03:00", "ada")
    page = web.get("/things/shop").content.decode()
    audit = page[page.index("<h2>Audit") :]
    for part in ("operator", "192.0.2.9", "portal", "asked to restart", "it is &lt;b&gt;slow&lt;/b&gt;"):
        assert part in audit
    for part in ("ada", "192.0.2.7", "admin", "<code>window</code> &quot;Mon 02:00&quot; → &quot;Tue 03:00&quot;"):
        assert part in audit
    factories.resource(name="other")
    assert "<h2>Audit" not in web.get("/things/other").content.decode()


def test_an_incident_shows_what_people_did_to_it(web, shop):
    incident = raise_alarm(shop, "resource_down", service_available=False)
    with in_name_of(Acting(lambda: "operator", "192.0.2.9", "portal")):
        desk.assign(incident, "ada", "operator")
    page = web.get(f"/incidents/{incident.name}").content.decode()
    assert "<code>assigned_to</code> — → &quot;ada&quot;" in page[page.index("<h2>Audit") :]


def test_what_is_asked_over_the_api(operator, shop):
    _token, text = tokens.make(operator, "deploys", ["read", "ask"], 1)
    headers = {"Authorization": f"Bearer {text}"}
    body = {"verb": "restart", "reason": "a release"}
    answer = Client(**HERE).post("/api/v1/resources/shop/asks", body, content_type="application/json", headers=headers)
    assert answer.status_code == 202
    (entry,) = entries(subject=str(shop.pk))
    assert (entry.actor, entry.door, entry.reason) == ("operator (deploys)", "API", "a release")
    assert text not in json.dumps(list(Entry.objects.values()), default=str)


def test_what_is_changed_in_the_admin(web, operator):
    ada = User.objects.create_user("ada")
    form = {
        "username": "ada",
        "is_active": "on",
        "is_staff": "on",
        "groups": [str(Group.objects.get(name="viewer").pk)],
    }
    times = {"last_login_0": "", "last_login_1": "", "date_joined_0": "2030-01-01", "date_joined_1": "00:00:00"}
    answer = web.post(f"/admin/auth/user/{ada.pk}/change/", form | times)
    assert answer.status_code == 302, answer.context["adminform"].errors
    changed, joined = entries(subject=str(ada.pk), kind="user")
    assert changed.before["is_staff"] is False and changed.after["is_staff"] is True
    assert (joined.before, joined.after) == (None, {"groups": ["viewer"]})
    assert {changed.actor, joined.actor} == {"operator"}


def test_a_password_is_told_as_changed_and_no_more(web, operator):
    ada = User.objects.create_user("ada", password="hunter2hunter2")
    with in_name_of(Acting(lambda: "operator", "", "x")):
        ada.set_password("hunter3hunter3")
        ada.save()
    (entry,) = entries(subject=str(ada.pk), kind="user")
    assert set(entry.before.values()) == set(entry.after.values()) == {"•••"}


@pytest.mark.parametrize("way", ["save", "update", "delete", "create", "bulk"])
def test_every_way_of_writing_is_seen(way):
    acme = Customer.objects.create(name="acme", email="a@example.com")
    with in_name_of(Acting(lambda: "ada", "", "x")):
        if way == "save":
            acme.email = "b@example.com"
            acme.save()
        elif way == "update":
            Customer.objects.filter(name="acme").update(email="b@example.com")
        elif way == "bulk":
            acme.email = "b@example.com"
            Customer.objects.bulk_update([acme], ["email"])
        elif way == "delete":
            acme.delete()
        else:
            Customer.objects.create(name="moon", email="b@example.com")
    (entry,) = entries(kind="customer")
    before = {"save": {"email": "a@example.com"}, "create": None}.get(way, {"email": "a@example.com"})
    assert (entry.before or {}).get("email") == (before or {}).get("email")
    assert (entry.after or {}).get("email") == (None if way == "delete" else "b@example.com")


def test_a_secret_column_is_hidden(shop):
    credential = Credential.objects.get(resource=shop)
    with in_name_of(Acting(lambda: "ada", "", "x")):
        credential.secret = "hunter2hunter2"
        credential.save()
    assert "hunter2" not in json.dumps(list(Entry.objects.values()), default=str)
    assert entries(subject=str(shop.pk))[-1].after == {"secret": "•••"}


def test_a_beat_acts_for_nobody(shop):
    assert acting() is None
    windows.choose(shop, "Tue 03:00", "ada")
    Resource.objects.filter(pk=shop.pk).update(queue="work")
    assert not entries(subject=str(shop.pk))


def test_who_comes_who_goes_and_who_is_not_let_in(operator):
    client = Client(**HERE)
    client.post("/admin/login/", {"username": "operator", "password": "guess"})
    client.post("/admin/login/", {"username": "operator", "password": "correct horse battery"})
    client.post("/admin/logout/")
    told = [(entry.action, entry.name, entry.address) for entry in entries(door="admin")]
    assert told == [(action, "operator", "192.0.2.9") for action in ("log-in failed", "logged in", "logged out")]


def test_refusals(operator, shop, web):
    stranger = Client(**HERE)
    stranger.get("/api/v1/resources")
    ada = User.objects.create_user("ada")
    stranger.force_login(ada)
    stranger.get("/")
    web.post("/things/shop", {"verb": "destroy", "reason": "", "confirm": "other"})
    told = [(entry.action, entry.actor, entry.name, entry.after["status"]) for entry in entries(action="refused")]
    assert told == [
        ("refused", "", "/api/v1/resources", 401),
        ("refused", "ada", "/", 403),
        ("refused", "operator", "/things/shop", 422),
    ]


def test_a_secret_that_is_shown(operator):
    _token, text = tokens.make(operator, "deploys", ["read", "secrets"], 1)
    credential = holding("acme").credential
    Client(**HERE).post(
        f"/api/v1/credentials/{credential.pk}/reveal", {"reason": "a migration"}, content_type="application/json",
        headers={"Authorization": f"Bearer {text}"},
    )  # fmt: skip
    assert Event.objects.filter(verb="revealed its credential").exists()
    (entry,) = entries(action="revealed its credential")
    assert (entry.actor, entry.reason, entry.subject) == (
        "operator (deploys)",
        "a migration",
        str(credential.resource_id),
    )


@pytest.mark.parametrize(
    ("proxies", "passed", "expected"),
    [
        (0, "203.0.113.5", "192.0.2.9"),
        (1, "203.0.113.5", "203.0.113.5"),
        (1, "10.0.0.1, 203.0.113.5", "203.0.113.5"),
        (2, "10.0.0.1, 203.0.113.5, 198.51.100.1", "203.0.113.5"),
        (1, "", "192.0.2.9"),
    ],
)
def test_from_where_nobody_can_make_up(settings, shop, web, proxies, passed, expected):
    settings.PROXIES = proxies
    web.post("/things/shop", {"verb": "restart", "reason": "x"}, headers={"X-Forwarded-For": passed})
    assert [entry.address for entry in entries(subject=str(shop.pk))] == [expected]


def test_commands_are_in_the_name_of_who_runs_them(shop):
    with by_command(["manage.py", "ask", "shop", "restart"]):
        call_command("ask", "shop", "restart", "--reason", "by hand", stdout=StringIO())
    (entry,) = entries(subject=str(shop.pk))
    assert entry.door == "command ask" and entry.actor.endswith("(command line)") and entry.reason == "by hand"
    for name in ("worker", "clock", "migrate"):
        with by_command(["manage.py", name]):
            assert acting() is None


def test_it_is_shown_on_the_thing_and_exported_and_nobody_edits_it(web, shop):
    web.post("/things/shop", {"verb": "restart", "reason": "it is slow"})
    (entry,) = entries(subject=str(shop.pk))
    assert b"192.0.2.9" in web.get(f"/admin/fleet/resource/{shop.pk}/change/").content
    assert b"asked to restart" in web.get("/admin/audit/entry/?q=shop").content
    assert b"asked to restart" in web.get("/admin/audit/entry/?q=operator").content
    assert web.post(f"/admin/audit/entry/{entry.pk}/change/", {"actor": "eve"}).status_code == 403
    assert web.post(f"/admin/audit/entry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert web.get("/admin/audit/entry/add/").status_code == 403
    out = StringIO()
    call_command("export_audit", thing="shop", stdout=out)
    (line,) = [json.loads(text) for text in out.getvalue().splitlines()]
    assert (line["id"], line["actor"], line["reason"]) == (entry.pk, "operator", "it is slow")


def test_a_plan_keeps_its_numbers_before_and_after(web):
    plan = Plan.objects.first()
    with in_name_of(Acting(lambda: "ada", "", "x")):
        Plan.objects.filter(pk=plan.pk).update(connections=plan.connections + 1)
    (entry,) = entries(kind="plan")
    assert (entry.before, entry.after) == ({"connections": plan.connections}, {"connections": plan.connections + 1})
