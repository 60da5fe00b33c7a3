"""Provisioning: every request, good and bad, and its answer."""

import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from fleet import intents
from fleet.addon.models import Addon
from fleet.models import Credential, Customer, Event, Intent, Resource
from tests import factories
from tests.addon.platforms import RESOURCES, first, in_minutes, third
from tests.addon.test_auth import problem
from tests.herd import change

pytestmark = pytest.mark.django_db


def said(answer) -> dict:
    return json.loads(answer.content)


def come_up(resource: Resource) -> Resource:
    """It is built, as its beats would have done."""
    change(resource, state="available", instance=factories.instance(server=factories.server(address="127.0.0.9")))
    return Resource.objects.get(pk=resource.pk)


def test_a_third_generation_request_asks_for_a_database_and_promises_it(call) -> None:
    sent = third(plan="standard-0")
    answer = call.provision(sent)
    assert answer.status_code == 202 and answer["Content-Type"] == "application/json"
    addon, resource = Addon.objects.get(), Resource.objects.get()
    body = said(answer)
    assert set(body) == {"id", "message"} and body["id"] == str(resource.pk) and body["message"]
    assert (resource.plan_id, resource.zone, resource.state, resource.major) == ("standard-0", "a", "creating", 17)
    assert (addon.uuid, addon.resource, addon.generation) == (uuid.UUID(sent["uuid"]), resource, Addon.V3)
    assert (addon.name, addon.region, addon.callback_url) == ("acme-primary", sent["region"], sent["callback_url"])
    assert (addon.log_input_url, addon.log_drain_token) == (sent["log_input_url"], sent["log_drain_token"])
    assert addon.code == sent["oauth_grant"]["code"] and addon.answered == 202
    intent = Intent.objects.get()
    assert (intent.verb, intent.actor, intent.key) == ("create", "platform", f"addon/{sent['uuid']}")


def test_secrets_are_encrypted_at_rest_and_in_no_log(call, caplog) -> None:
    sent = third(plan="standard-0")
    call.provision(sent)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(addon)::text FROM addon_addon AS addon")
        row = cursor.fetchone()[0]
    out = caplog.text + repr(list(Event.objects.values())) + repr(list(Intent.objects.values()))
    for secret in (sent["oauth_grant"]["code"], sent["log_input_url"], sent["log_drain_token"]):
        assert secret not in row and secret not in out


def test_a_first_generation_request_is_served_as_well(call_v1) -> None:
    answer = call_v1.provision(first())
    assert answer.status_code == 202
    addon = Addon.objects.get()
    assert (addon.generation, addon.uuid, addon.heroku_id) == (Addon.V1, None, "app123@heroku.com")
    assert "app123" not in said(answer)["id"]
    assert addon.resource.customer.name == "app app123@heroku.com"


@pytest.mark.parametrize("accept", ["application/json", "application/vnd.heroku-addons+json; version=3"])
def test_what_a_request_carries_decides_its_generation(call, accept) -> None:
    assert call("POST", RESOURCES, third(), accept=accept).status_code == 202
    assert Addon.objects.get().generation == Addon.V3
    both = first(uuid=str(uuid.uuid4()))
    assert call("POST", RESOURCES, both, accept=accept).status_code == 202
    wanted = Addon.V3 if "version=3" in accept else Addon.V1
    assert Addon.objects.get(uuid=both["uuid"]).generation == wanted


def test_a_database_that_is_there_in_time_comes_with_its_url(call, settings, monkeypatch) -> None:
    settings.ADDON_WAIT_S = 5.0
    monkeypatch.setattr("fleet.addon.provisioning.time.sleep", lambda _s: come_up(Resource.objects.get()))
    sent = third()
    answer = call.provision(sent)
    resource = Resource.objects.select_related("instance__server").get()
    owner = Credential.objects.get(resource=resource)
    url = f"postgres://{owner.role}:{owner.secret}@127.0.0.9:{resource.instance.port}/{resource.dbname}?sslmode=require"
    assert answer.status_code == 201 and said(answer)["config"] == {"HERDSITE_URL": url}
    addon = Addon.objects.get()
    assert addon.told_at and addon.pushed and addon.answered == 201
    again = call.provision(sent)
    assert (again.status_code, said(again)) == (201, said(answer))


def test_a_production_database_is_never_waited_for(call, settings, monkeypatch) -> None:
    settings.ADDON_WAIT_S = 5.0
    monkeypatch.setattr("fleet.addon.provisioning.time.sleep", lambda _s: pytest.fail("it waited"))
    assert call.provision(third(plan="standard-0")).status_code == 202


def test_where_many_wait_already_nobody_more_does(call, settings, monkeypatch) -> None:
    settings.ADDON_WAIT_S = 5.0
    taken = threading.BoundedSemaphore(1)
    taken.acquire()
    monkeypatch.setattr("fleet.addon.provisioning._waiting", taken)
    monkeypatch.setattr("fleet.addon.provisioning.time.sleep", lambda _s: pytest.fail("it waited"))
    assert call.provision(third()).status_code == 202


def test_a_url_escapes_what_a_password_can_hold(call) -> None:
    call.provision(third())
    Credential.objects.filter(resource__isnull=False).delete()
    resource = Resource.objects.get()
    Credential.objects.create(purpose="owner", resource=resource, role="u", secret="a/b:c@d?e#f%")
    come_up(resource)
    Addon.objects.update(answered=201)
    url = said(call.provision(third(uuid=str(Addon.objects.get().uuid))))["config"]["HERDSITE_URL"]
    assert url.startswith("postgres://u:a%2Fb%3Ac%40d%3Fe%23f%25@127.0.0.9:")


def test_the_prefix_and_the_log_drain_are_settings(call, settings) -> None:
    settings.ADDON_PREFIX, settings.ADDON_LOG_DRAIN_URL = "ACME_DB", "https://drain.example/logs"
    sent = third()
    assert said(call.provision(sent))["log_drain_url"] == "https://drain.example/logs"
    come_up(Resource.objects.get())
    Addon.objects.update(answered=201)
    assert list(said(call.provision(sent))["config"]) == ["ACME_DB_URL"]


@pytest.mark.parametrize("state", ["creating", "available", "uncertain", "down", "changing_over"])
def test_asked_again_it_gives_the_same_answer_and_makes_nothing(call, state) -> None:
    sent = third(plan="standard-0")
    before = call.provision(sent)
    change(Resource.objects.get(), state=state)
    after = call.provision(sent)
    assert (after.status_code, said(after)) == (before.status_code, said(before))
    assert Resource.objects.count() == Addon.objects.count() == Customer.objects.count() == 1


def test_asked_again_for_another_plan_it_makes_nothing(call) -> None:
    sent = third()
    before = said(call.provision(sent))
    assert said(call.provision(sent | {"plan": "standard-0"})) == before
    assert Resource.objects.get().plan_id == "starter-0"


@pytest.mark.parametrize("state", ["destroying", "destroyed"])
def test_what_goes_or_is_gone_is_not_provisioned_again(call, state) -> None:
    sent = third()
    call.provision(sent)
    change(Resource.objects.get(), state=state)
    assert "destroyed" in problem(call.provision(sent), 422)
    assert Resource.objects.count() == 1


def test_a_repetition_brings_a_grant_that_still_can_be_exchanged(call) -> None:
    sent = third()
    call.provision(sent)
    grant = {"code": "a newer one", "expires_at": in_minutes(5), "type": "authorization_code"}
    call.provision(sent | {"oauth_grant": grant})
    assert Addon.objects.get().code == "a newer one"
    Addon.objects.update(access_token="exchanged", code="")
    call.provision(sent | {"oauth_grant": grant | {"code": "a third one"}})
    assert Addon.objects.get().code == ""


def test_without_a_uuid_an_app_has_one_database_until_it_is_gone(call_v1) -> None:
    before = said(call_v1.provision(first()))
    assert said(call_v1.provision(first())) == before
    Addon.objects.update(ended_at=timezone.now())
    assert said(call_v1.provision(first()))["id"] != before["id"]
    assert Addon.objects.count() == 2 and Customer.objects.count() == 1


@pytest.mark.parametrize(
    ("members", "helps"),
    [
        ({"plan": "gold-9"}, "starter-0"),
        ({"plan": None}, "plan"),
        ({"plan": 7}, "plan"),
        ({"plan": ""}, "plan"),
        ({"uuid": "not one"}, "uuid"),
        ({"region": "amazon-web-services::mars-1"}, "amazon-web-services::us-east-1"),
        ({"region": ["us"]}, "region"),
        ({"options": "follow"}, "options"),
        ({"options": {"version": ["17"]}}, "version"),
        ({"options": {"version": "seventeen"}}, "17"),
        ({"options": {"version": "3"}}, "17"),
        ({"oauth_grant": "code"}, "oauth_grant"),
        ({"oauth_grant": {"code": "x"}}, "expires"),
        ({"oauth_grant": {"code": "x", "expires_at": "soon"}}, "expires"),
        ({"oauth_grant": {"code": "x", "expires_at": "2026-99-99T00:00:00Z"}}, "expires"),
        ({"name": "a\0b"}, "name"),
        ({"name": "x" * 5_000}, "name"),
        ({"name": "line\nbreak"}, "name"),
        ({"log_input_url": 7}, "log_input_url"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_helps(call, members, helps) -> None:
    factories.server(pg={"17": "/bin"})
    sent = third()
    sent |= members
    assert helps in problem(call.provision({k: v for k, v in sent.items() if v is not None}), 422)
    assert not Addon.objects.exists() and not Resource.objects.exists() and not Customer.objects.exists()


def test_without_a_uuid_the_third_generation_is_refused(call) -> None:
    sent = third()
    del sent["uuid"]
    assert "uuid" in problem(call.provision(sent), 422)


def test_a_region_that_is_not_given_is_anywhere(call) -> None:
    assert call.provision(third(region=None)).status_code == 202
    assert Resource.objects.get().zone == ""


def test_options_of_any_plain_kind_are_taken(call) -> None:
    assert call.provision(third(options={"version": 17, "flag": "true", "other": None, "yes": True})).status_code == 202
    assert Addon.objects.get().options == {"version": "17", "flag": "true", "yes": "true"}


def test_a_refusal_of_the_herd_is_said_to_the_customer(call, monkeypatch) -> None:
    def refuse(*_args, **_kwargs):
        raise intents.AskError("There is no room in the inn.")

    monkeypatch.setattr(intents, "create_resource", refuse)
    assert problem(call.provision(third()), 422) == "There is no room in the inn."
    assert not Customer.objects.exists()


def test_an_unanswered_request_of_a_dead_process_is_answered_by_the_next(call) -> None:
    sent = third()
    call.provision(sent)
    Addon.objects.update(answered=None, created_at=timezone.now() - timedelta(minutes=1))
    come_up(Resource.objects.get())
    assert call.provision(sent).status_code == 201


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("x" * 100_000, "name has at most 4000 characters; this one has 100000."),
        ("two\nlines", "name is one line of printable characters; U+000A is none."),
        ("acme\u202etxt", "name is one line of printable characters; U+202E is none."),
        ("nul\0", "name is one line of printable characters; U+0000 is none."),
        (7, "name must be a text."),
    ],
)
def test_the_rule_that_a_name_breaks_is_said(call, name, rule) -> None:
    answer = call.provision(third(name=name))
    assert (answer.status_code, json.loads(answer.content)["message"]) == (422, rule)
