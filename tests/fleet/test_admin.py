"""The fleet in the admin: everything can be read, nothing deleted, things are only ever asked for."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fleet import lifecycle
from fleet.admin import asking
from fleet.lifecycle import Because
from fleet.models import (
    Address,
    Backup,
    Changeover,
    Credential,
    Customer,
    Event,
    Intent,
    Plan,
    Resource,
    Server,
    Timeline,
    Worker,
)
from fleet.states import AVAILABLE
from fleet.think import LIFE
from tests import factories

pytestmark = pytest.mark.django_db
MODELS = [model for model in admin.site._registry if model._meta.app_label == "fleet"]
EDITABLE = (Plan, Customer)
_DOUBTED = next(rule for rule in LIFE["resource"] if rule.row == 301)


@pytest.fixture
def operator(client):
    user = User.objects.create_superuser("operator")
    client.force_login(user)
    return user


@pytest.fixture
def things():
    """One of everything, by model."""
    now = timezone.now()
    resource = factories.resource(name="proud-walrus", instance=factories.instance(name="lucid-moose"))
    lifecycle.move(resource, "doubt", Because(301, _DOUBTED.because, "box/7"))
    intent = Intent.objects.create(kind="resource", subject=resource.pk, name=resource.name, verb="restart", actor="x")
    worker = Worker.objects.create(name="box/7", queue="feel", started_at=now, seen_at=now)
    made = [resource, resource.instance, resource.instance.server, resource.plan, resource.customer, intent, worker]
    made += [resource.instance.timeline, Credential.objects.get(), Event.objects.first()]
    made.append(Backup.objects.create(name="walrus-base", resource=resource))
    made.append(Changeover.objects.create(name="walrus-move-1", resource=resource, reason="failover", actor="x"))
    made.append(Address.objects.create(name="walrus-address", resource=resource, provider="local", port=5433))
    return {type(one): one for one in made}


def url(model, *rest) -> str:
    return "/".join(["/admin/fleet", model._meta.model_name, *map(str, rest), ""])


def text(response) -> str:
    return response.content.decode()


@pytest.mark.thorough
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_lists_and_pages_can_be_read(client, operator, things, model):
    thing = things[model]
    assert str(thing.pk) in text(client.get(url(model)))
    assert client.get(url(model), {"q": "walrus"}).status_code == 200
    assert client.get(url(model, thing.pk, "change")).status_code == 200


@pytest.mark.thorough
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nothing_is_deleted(client, operator, things, model):
    thing = things[model]
    assert client.post(url(model, thing.pk, "delete"), {"post": "yes"}).status_code == 403
    client.post(url(model), {"action": "delete_selected", "_selected_action": [str(thing.pk)], "post": "yes"})
    assert model.objects.filter(pk=thing.pk).exists()


@pytest.mark.thorough
@pytest.mark.parametrize("model", [m for m in MODELS if m not in EDITABLE], ids=lambda model: model.__name__)
def test_only_plans_and_customers_can_be_changed(client, operator, things, model):
    assert client.post(url(model, things[model].pk, "change"), {"name": "another"}).status_code == 403
    assert 'name="name"' not in text(client.get(url(model, things[model].pk, "change")))


def test_a_plan_and_a_customer_are_changed(client, operator, things):
    client.post(url(Customer, things[Customer].pk, "change"), {"name": "Acme", "email": "ops@acme.example"})
    assert Customer.objects.get().email == "ops@acme.example"
    values = Plan.objects.filter(name="standard-0").values().get()
    values = {name: value for name, value in values.items() if value not in (None, False)} | {"beat_s": 30}
    client.post(url(Plan, "standard-0", "change"), values | {"name": "another"})
    assert Plan.objects.get(name="standard-0").beat_s == 30 and not Plan.objects.filter(name="another").exists()
    refused = client.post(url(Plan, "standard-0", "change"), values | {"beat_s": 61})
    assert refused.status_code == 200 and "plan_beat_within_a_minute" in text(refused)
    assert Plan.objects.get(name="standard-0").beat_s == 30


@pytest.mark.thorough
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_secret_is_shown_nowhere(client, operator, things, model):
    credential = things[Credential]
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM fleet_credential WHERE id = %s", [credential.pk])
        [kept] = cursor.fetchone()
    for page in (url(model), url(model, things[model].pk, "change")):
        shown = text(client.get(page))
        assert credential.secret not in shown and kept not in shown


@pytest.mark.thorough
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_costs_as_many_queries_for_many_rows_as_for_few(client, operator, things, model):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url(model)).status_code == 200
        return len(queries)

    few = cost()
    for n in range(12):
        made = factories.resource()
        lifecycle.story(made, "restarted", Because(111, "asked for", "box/7"))
        Intent.objects.create(kind="resource", subject=made.pk, name=made.name, verb="restart", actor="x")
        Worker.objects.create(name=f"w{n}", queue="feel", started_at=timezone.now(), seen_at=timezone.now())
        Timeline.objects.create(name=f"fork-{n}", parent=made.instance.timeline)
    assert cost() <= few


def test_a_page_tells_the_story_and_the_row_behind_the_last_move(client, operator, things):
    page = text(client.get(url(Resource, things[Resource].pk, "change")))
    assert "Last move: doubt" in page and str(_DOUBTED.when) in page and _DOUBTED.because in page
    assert "available → uncertain" in page and 'href="/things/proud-walrus"' in page


def test_a_page_tells_facts_and_evidence(client, operator):
    since = timezone.now().timestamp()
    server = factories.server(
        facts={"ssh": "false", "load1": None},
        evidence={"since": since, "ssh": {"box/8": {"at": since, "why": "timed out after 2 s"}}},
    )
    page = text(client.get(url(Server, server.pk, "change")))
    assert "SSH login worked, and a command ran" in page and "not known" in page
    assert "Evidence of the doubt" in page and "timed out after 2 s" in page and "box/8" in page


def ask(client, verb, things, **more):
    """The page in between, or what comes of sending it."""
    chosen = {"action": f"ask_{verb}", "_selected_action": [str(one.pk) for one in things]}
    return client.post(url(type(things[0])), chosen | more, follow=True)


def test_an_action_asks_for_the_reason_first(client, operator):
    one, other = factories.resource(name="calm-yak"), factories.resource(name="swift-otter")
    page = ask(client, "restart", [one, other])
    assert "calm-yak" in text(page) and 'name="reason"' in text(page) and 'name="confirm"' not in text(page)
    assert not Intent.objects.exists()
    done = ask(client, "restart", [one, other], asked="1", reason="it leaks")
    assert "Asked to restart: calm-yak, swift-otter." in text(done)
    assert set(Intent.objects.values_list("name", "verb", "actor", "reason")) == {
        ("calm-yak", "restart", "operator", "it leaks"),
        ("swift-otter", "restart", "operator", "it leaks"),
    }
    assert set(Resource.objects.values_list("state", flat=True)) == {AVAILABLE}


def test_a_page_sent_twice_asks_once(client, operator):
    one = factories.resource()
    nonce = re.search(r'name="nonce" value="(\w+)"', text(ask(client, "stop", [one]))).group(1)
    for _ in range(2):
        ask(client, "stop", [one], asked="1", nonce=nonce)
    assert Intent.objects.count() == 1


def test_those_that_refuse_are_shown_with_the_reason_and_the_others_are_asked(client, operator):
    one = factories.resource(name="calm-yak")
    shared = factories.resource(instance=factories.instance(name="shared-seal", plan=factories.plan("starter-0")))
    page = text(ask(client, "restart", [one, shared], asked="1", reason="it leaks"))
    assert "Asked to restart: calm-yak." in page
    assert "ask its instance shared-seal instead" in page and 'value="it leaks"' in page
    assert f'value="{shared.pk}"' in page and f'value="{one.pk}"' not in page
    assert Intent.objects.get().name == "calm-yak"


def test_destroying_goes_one_at_a_time_by_name_and_with_a_reason(client, operator):
    one, other = factories.resource(name="calm-yak"), factories.resource()
    assert "Choose 1 at most to destroy at a time." in text(ask(client, "destroy", [one, other]))
    assert 'name="confirm"' in text(ask(client, "destroy", [one]))
    wrong = text(ask(client, "destroy", [one], asked="1", reason="not paid for", confirm="calm-ya"))
    assert "type its name to confirm" in wrong and 'value="not paid for"' in wrong and 'value="calm-ya"' in wrong
    assert "give a reason" in text(ask(client, "destroy", [one], asked="1", confirm="calm-yak"))
    assert not Intent.objects.exists()
    ask(client, "destroy", [one], asked="1", reason="not paid for", confirm="calm-yak")
    assert Intent.objects.get().verb == "destroy" and Resource.objects.get(name="calm-yak").state == AVAILABLE


def test_a_server_with_instances_is_not_destroyed(client, operator):
    server = factories.instance().server
    page = ask(client, "destroy", [server], asked="1", reason="old", confirm=server.name)
    assert "1 instance(s) are on" in text(page) and not Intent.objects.exists()


def test_only_so_many_are_asked_at_once(client, operator, monkeypatch):
    monkeypatch.setattr(asking, "MOST", 2)
    page = ask(client, "restart", [factories.resource() for _ in range(3)], asked="1", reason="all of them")
    assert "Choose 2 at most" in text(page) and not Intent.objects.exists()


def test_who_may_look_but_not_ask_or_add(client):
    one = factories.resource()
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(reader)
    assert client.get(url(Resource, one.pk, "change")).status_code == 200
    assert "ask_restart" not in text(client.get(url(Resource)))
    ask(client, "restart", [one], asked="1", reason="x")
    assert not Intent.objects.exists()
    assert client.get(url(Resource, "add")).status_code == 403
    assert client.post(url(Server, "add"), {"name": "host-z"}).status_code == 403


def test_who_may_look_at_the_portal_may_look_here_and_nobody_else(client):
    one = factories.resource()
    for staff, seen in ((True, 200), (False, 302)):
        client.force_login(User.objects.create_user(f"staff-{staff}", is_staff=staff))
        assert client.get(url(Resource, one.pk, "change")).status_code == seen
        assert client.get(f"/things/{one.name}").status_code == (200 if staff else 403)
