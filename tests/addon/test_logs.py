"""Where a platform wants our lines: passed on once, again when it changes, and ended with the add-on."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from fleet.addon import logs
from fleet.addon.fake import FakeAddon, FakePlatform
from fleet.addon.models import Addon
from fleet.models import Resource
from herdsite import wiring
from observations.drains.models import Drain
from tests.addon.platforms import RESOURCES, first, knowing, third
from tests.addon.rounds import go, serve

pytestmark = pytest.mark.django_db
OLD, NEW = "https://token:t.1@logs.example/logs", "https://token:t.2@logs.example/logs"


@pytest.fixture
def taken() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def put(taken):
    return lambda resource, url: taken.append((resource.name, url))


def test_a_url_is_passed_on_once(call, put, taken) -> None:
    call.provision(third(log_input_url=OLD))
    logs.pass_on(put)
    logs.pass_on(put)
    assert taken == [(Resource.objects.get().name, OLD)]


def test_where_there_is_none_nothing_is_passed_on(call_v1, put, taken) -> None:
    call_v1.provision(first())
    assert logs.pass_on(put) == 1 and logs.pass_on(put) == 0 and not taken


def test_it_ends_with_its_add_on(call, put, taken) -> None:
    call.provision(third(log_input_url=OLD))
    logs.pass_on(put)
    call("DELETE", f"{RESOURCES}/{Resource.objects.get().pk}")
    logs.pass_on(put)
    assert [url for _name, url in taken] == [OLD, ""]


def test_one_that_is_not_taken_any_more_is_asked_for_but_not_all_the_time(call_v1, put, taken, monkeypatch) -> None:
    platform = FakePlatform()
    platform.apps["app123@heroku.com"] = FakeAddon(app_id="app123@heroku.com")
    call_v1.provision(first(plan="standard-0", log_input_url=OLD))
    resource = serve()
    go(platform)
    logs.pass_on(put)
    before = platform.calls.count("app_info")
    assert logs.known(resource.pk) == OLD
    go(platform)
    assert platform.calls.count("app_info") == before, "it was asked a moment ago"
    Addon.objects.update(informed_at=Now() - timedelta(minutes=6))
    assert logs.known(resource.pk) == OLD
    ask = platform.app_info
    monkeypatch.setattr(platform, "app_info", lambda id: type(ask(id))(log_input_url=NEW))
    go(platform)
    assert logs.known(resource.pk) == NEW
    logs.pass_on(put)
    assert [url for _name, url in taken] == [OLD, NEW]


def test_of_a_database_that_is_no_add_on_nothing_is_known() -> None:
    assert logs.known(uuid4()) is None


def test_a_turn_tells_the_platform_and_the_drains(call, settings, monkeypatch) -> None:
    settings.LOG_INPUTS = "fleet.addon.logs.known"
    platform = FakePlatform()
    monkeypatch.setattr(wiring.addon_client, "from_settings", lambda: platform)
    sent = third(log_input_url=OLD)
    theirs = knowing(platform, sent)
    call.provision(sent)
    serve()
    assert wiring.tell_platform(None, "here/1")[1] == 0
    assert theirs.state == "provisioned"
    drain = Drain.objects.get()
    assert (drain.kind, drain.url, drain.active) == (Drain.INPUT, OLD, True)
