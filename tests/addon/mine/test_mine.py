"""The customer's page: what it shows, what it hides, and what may be asked there."""

import pytest
from django.test import Client

from fleet import intents
from fleet.addon import config
from fleet.models import Backup, Credential, Event, Intent, Resource, Timeline
from herdsite.portal import mine_asking
from herdsite.portal.mine_shown import STANDS
from incidents import desk
from incidents.models import Incident
from incidents.telling import Silent
from tests import factories
from tests.addon.mine.customers import at, page, token_of
from tests.incidents.scenes import raise_alarm

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "shown",
    [
        *("acme-primary", "Available", "The database answers.", "17.10", "us", "calm-otter-7"),
        *("7.2 MB of 4.0 GB", "12 / 120", "4200", "31", "99.2 %", "Tue 03:00 UTC"),
    ],
)
def test_what_is_known_of_it_is_shown(platform, resource, shown) -> None:
    assert shown in page(platform, resource)


def test_what_is_beneath_it_is_not(platform, resource) -> None:
    text = page(platform, resource)
    for hidden in ("violet", "calm-otter-7-1", "127.0.0.9", "/things/", "/admin/", "/incidents", "/rings"):
        assert hidden not in text


def test_who_was_signed_on_by_a_platform_sees_no_password(platform, customer, resource) -> None:
    secret, url = Credential.objects.get(resource=resource).secret, config.of(resource)["HERDSITE_URL"]
    text = page(platform, resource)
    assert secret not in text and "postgres://" not in text and f"u{resource.dbname}" in text
    assert url in page(customer, resource)


@pytest.mark.parametrize("state", ["creating", "uncertain", "down", "maintenance", "changing_over", "destroying"])
def test_every_state_is_told_in_a_customers_words(platform, resource, state) -> None:
    Resource.objects.update(state=state)
    assert STANDS[state] in page(platform, resource)


def test_relatives_of_the_same_customer_are_shown_and_no_others(platform, resource) -> None:
    own = {"customer": resource.customer, "instance": None}
    factories.resource(name="own-follower", follows=resource, **own)
    factories.resource(name="own-fork", forked_from=resource, **own)
    factories.resource(name="gone-fork", forked_from=resource, state="destroyed", **own)
    factories.resource(name="foreign-fork", forked_from=resource, instance=None)
    source = factories.resource(name="foreign-source", instance=None)
    Resource.objects.filter(pk=resource.pk).update(forked_from=source)
    text = page(platform, resource)
    assert "followed by" in text and "own-follower" in text and "forked into" in text and "own-fork" in text
    for hidden in ("gone-fork", "foreign-fork", "foreign-source"):
        assert hidden not in text


def test_backups_that_are_kept_are_shown_and_how_far_one_can_go_back(platform, resource) -> None:
    assert "No backups yet." in page(platform, resource)
    Timeline.objects.update(archive="directory", place="line", resource=resource)
    line = Timeline.objects.get()
    for n, (state, method) in enumerate([("kept", "base"), ("kept", "logical"), ("failed", "base")]):
        Backup.objects.create(
            name=f"b-{n}",
            state=state,
            method=method,
            timeline=line,
            bytes=5 * 2**20,
            ended_at=f"2026-11-0{n + 1}T00:00Z",
        )
    text = page(platform, resource)
    assert "2026-11-01 00:00:00" in text and "2026-11-02 00:00:00" in text and "2026-11-03" not in text
    assert "back to" in text and "5.0 MB" in text


def test_incidents_are_told_in_a_customers_words(platform, resource) -> None:
    incident = raise_alarm(resource, "resource_down", state="down")
    text = page(platform, resource)
    assert "Problem with acme-primary" in text and "Hello" not in text
    Incident.objects.update(tried=["free_connections"])
    text = page(platform, resource)
    assert "acme-primary can&#x27;t be reached" in text and "stay written" in text
    desk.resolve(Incident.objects.get(), "ada", "a note of ours", Silent())
    text = page(platform, resource)
    assert "acme-primary is well again" in text and "resolved at" in text
    assert "a note of ours" not in text and incident.name not in text
    Incident.objects.update(resolved_at="2020-01-01T00:00Z")
    assert "No incidents." in page(platform, resource)


def test_of_what_is_beneath_only_what_keeps_the_customer_out_is_told(platform, resource) -> None:
    raise_alarm(resource.instance.server, "disk_filling")
    raise_alarm(resource.instance, "xid_age")
    raise_alarm(factories.resource(), "resource_down", state="down")
    assert "No incidents." in page(platform, resource)
    raise_alarm(resource.instance, "instance_down", state="down")
    text = page(platform, resource)
    assert "Problem with acme-primary" in text and "calm-otter-7-1" not in text


def test_a_restart_is_an_intent_of_the_customers(platform, resource) -> None:
    answer = platform.post(at(resource), {"verb": "restart", "nonce": "n"})
    assert (answer.status_code, answer["Location"]) == (302, at(resource))
    platform.post(at(resource), {"verb": "restart", "nonce": "n"})
    intent = Intent.objects.get()
    assert (intent.verb, intent.actor, intent.subject) == ("restart", "acme (platform)", resource.pk)
    text = page(platform, resource)
    assert "Restart" in text and "acme (platform)" in text


@pytest.mark.parametrize("verb", ["destroy", "stop", "start", "explode", "", "__class__"])
def test_nothing_else_can_be_asked(platform, resource, verb) -> None:
    answer = platform.post(at(resource), {"verb": verb, "confirm": resource.name, "reason": "because"})
    assert answer.status_code == 422 and "be asked of this database" in answer.content.decode()
    assert not Intent.objects.exists()


def test_a_customer_makes_copies_and_a_platforms_session_does_not(customer, platform, resource) -> None:
    assert 'value="follow"' not in page(platform, resource)
    assert platform.post(at(resource), {"verb": "follow"}).status_code == 422
    for _n in range(2):
        assert customer.post(at(resource), {"verb": "follow", "nonce": "n"}).status_code == 302
    follower = Resource.objects.get(follows=resource)
    assert follower.customer == resource.customer
    assert Intent.objects.get().actor == f"{resource.customer} (customer)"
    answer = customer.post(at(resource), {"verb": "fork", "at": "before yesterday"})
    assert answer.status_code == 422 and "is not a time" in answer.content.decode()
    answer = customer.post(at(resource), {"verb": "fork", "at": "2 hours ago"})
    assert answer.status_code == 422 and "has no WAL archive" in answer.content.decode()


def test_a_maintenance_window_is_chosen_and_taken_back(platform, resource) -> None:
    assert "<option selected>Tue</option>" in page(platform, resource)
    answer = platform.post(at(resource), {"verb": "window", "day": "Sun", "time": "22:30"}, follow=True)
    assert "Maintenance window set." in answer.content.decode() and "Sun 22:30 UTC" in answer.content.decode()
    assert Event.objects.get(verb="chose its window").actor == "acme (platform)"
    platform.post(at(resource), {"verb": "window", "day": "", "time": "22:30"})
    assert "any time</dd>" in page(platform, resource) and Resource.objects.get().window == ""
    assert not Intent.objects.exists()


@pytest.mark.parametrize(("day", "time"), [("Sun", ""), ("Sun", "25:00"), ("Sonntag", "03:00"), ("Sun", "3pm")])
def test_what_is_no_window_is_said(platform, resource, day, time) -> None:
    answer = platform.post(at(resource), {"verb": "window", "day": day, "time": time})
    assert answer.status_code == 422 and "is no window" in answer.content.decode()
    assert Resource.objects.get().window == "Tue 03:00"


def dump(resource: Resource, name: str, **fields: object) -> Backup:
    return Backup.objects.create(name=name, resource=resource, **{"state": "kept", "method": "logical"} | fields)


def test_a_backup_of_ones_own_is_loaded(platform, resource) -> None:
    dump(resource, "its-dump-1")
    dump(resource, "its-dump-2", state="failed")
    assert "<option>its-dump-1</option>" in (text := page(platform, resource)) and "its-dump-2" not in text
    sent = {"verb": "load", "backup": "its-dump-1", "confirm": "calm-otter-7", "nonce": "n"}
    for _n in range(2):
        assert platform.post(at(resource), sent).status_code == 302
    intent = Intent.objects.get()
    assert (intent.verb, intent.params, intent.actor) == ("load", {"backup": "its-dump-1"}, "acme (platform)")
    assert '<td class="name">Load</td>' in page(platform, resource)


def test_a_backup_of_ones_own_is_downloaded_by_who_may_see_secrets(customer, platform, resource) -> None:
    dump(resource, "its-dump-1")
    dump(factories.resource(), "stranger-dump-1")
    assert 'value="its-dump-1">Download' in page(customer, resource)
    answer = customer.post(at(resource), {"fetch": "its-dump-1"})
    assert answer.status_code == 302 and "/downloads?token=" in answer["Location"]
    assert Event.objects.get(verb="link made").actor == f"{resource.customer} (customer)"
    assert "Download" not in page(platform, resource)
    for client, name in [(platform, "its-dump-1"), (customer, "stranger-dump-1"), (customer, "\0"), (customer, "")]:
        answer = client.post(at(resource), {"fetch": name})
        assert answer.status_code == 422 and "no such backup" in answer.content.decode()
    Backup.objects.update(state="failed")
    assert customer.post(at(resource), {"fetch": "its-dump-1"}).status_code == 422
    assert Event.objects.filter(verb="link made").count() == 1


def test_a_dump_from_elsewhere_is_loaded(customer, resource) -> None:
    sent = {"verb": "load", "url": "https://dumps.example/x?signed=1", "confirm": "calm-otter-7"}
    assert customer.post(at(resource), sent).status_code == 302
    assert Intent.objects.get().params == {"url": "https://dumps.example/x?signed=1"}
    assert "signed=1" not in page(customer, resource)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"backup": "its-dump-1", "confirm": "another"}, "type its name"),
        ({}, "Say what to load"),
        ({"backup": "its-dump-1", "url": "https://dumps.example/x"}, "Say what to load"),
        ({"url": "http://dumps.example/x"}, "begins with https"),
        ({"backup": "stranger-dump-1"}, "There is no logical backup"),
        ({"backup": "nothing"}, "There is no logical backup"),
    ],
)
@pytest.mark.parametrize("kind", ["platform", "customer"])
def test_what_can_not_be_loaded_is_said(request, resource, kind, sent, why) -> None:
    dump(resource, "its-dump-1")
    dump(factories.resource(), "stranger-dump-1")
    client = request.getfixturevalue(kind)
    answer = client.post(at(resource), {"verb": "load", "confirm": "calm-otter-7"} | sent)
    assert answer.status_code == 422 and why in answer.content.decode()
    assert not Intent.objects.exists()


def test_a_customer_loads_what_another_of_their_databases_held_and_a_platforms_session_does_not(
    customer, platform, resource
) -> None:
    dump(factories.resource(customer=resource.customer), "sibling-dump-1")
    sent = {"verb": "load", "backup": "sibling-dump-1", "confirm": "calm-otter-7"}
    assert "sibling-dump-1" not in page(platform, resource)
    assert platform.post(at(resource), sent).status_code == 422
    assert "sibling-dump-1" in page(customer, resource)
    assert customer.post(at(resource), sent).status_code == 302


def test_a_token_that_may_lose_nothing_loads_nothing(resource) -> None:
    client = Client()
    client.post("/mine/token", {"token": token_of(resource.customer, "read", "ask")})
    dump(resource, "its-dump-1")
    assert 'id="load"' not in page(client, resource)
    sent = {"verb": "load", "backup": "its-dump-1", "confirm": "calm-otter-7"}
    assert client.post(at(resource), sent).status_code == 422 and not Intent.objects.exists()


def test_a_shared_database_is_dumped_too(platform, resource) -> None:
    Resource.objects.update(plan="starter-0")
    assert platform.post(at(resource), {"verb": "dump"}).status_code == 302
    assert Intent.objects.get().verb == "dump"


def test_only_a_follower_can_stop_following(platform, resource) -> None:
    assert 'value="unfollow"' not in page(platform, resource)
    Resource.objects.filter(pk=resource.pk).update(follows=factories.resource())
    assert 'value="unfollow"' in page(platform, resource)
    assert platform.post(at(resource), {"verb": "unfollow"}).status_code == 302
    assert Intent.objects.get().verb == "unfollow"


def test_who_shares_an_instance_restarts_nobody(platform, resource) -> None:
    Resource.objects.update(plan="starter-0")
    assert 'value="restart"' not in page(platform, resource)
    assert platform.post(at(resource), {"verb": "restart"}).status_code == 422
    assert not Intent.objects.exists()


@pytest.mark.parametrize("state", ["creating", "destroying"])
def test_what_is_being_built_or_goes_offers_nothing(platform, resource, state) -> None:
    Resource.objects.update(state=state)
    assert 'id="ask"' not in page(platform, resource)


def test_a_refusal_is_said_where_it_was_asked(platform, resource, monkeypatch) -> None:
    def refuse(*_args, **_kwargs):
        raise mine_asking.AskError("It restarts already.")

    monkeypatch.setattr(intents, "ask", refuse)
    answer = platform.post(at(resource), {"verb": "restart"})
    assert answer.status_code == 422 and "It restarts already." in answer.content.decode()


def test_a_post_needs_its_token(settings, platform, resource) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = platform.cookies
    assert strict.post(at(resource), {"verb": "restart"}).status_code == 403
    assert not Intent.objects.exists()


def test_a_refresh_brings_only_what_has_changed(platform, resource) -> None:
    answer = platform.get(at(resource), {"fragment": "mine"})
    token = answer.content.decode().split('data-token="')[1].split('"')[0]
    assert answer["Herdsite-Now"] and b"<html" not in answer.content
    assert platform.get(at(resource), {"fragment": "mine", "token": token}).status_code == 204
    Resource.objects.update(state="down")
    assert platform.get(at(resource), {"fragment": "mine", "token": token}).status_code == 200
