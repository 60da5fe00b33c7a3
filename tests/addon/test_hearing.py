"""The platform's webhooks: subscribed to once, believed only when signed, and what comes of them."""

import base64
import hashlib
import hmac
import json
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from fleet.addon.models import Addon
from fleet.addon.platform import Away, Declined, Gone
from fleet.models import Customer, Intent, Resource
from tests.addon.platforms import RESOURCES, first
from tests.addon.rounds import go, mine, serve
from tests.herd import change

pytestmark = pytest.mark.django_db
NEW, NEWER = "2026-11-21T09:00:00Z", "2026-11-21T10:00:00Z"


@pytest.fixture(autouse=True)
def level(settings) -> None:
    settings.ADDON_WEBHOOKS, settings.URL = "sync", "https://herd.example"


@pytest.fixture
def addon(platform, theirs) -> Addon:
    """An add-on that serves, and of which we are told."""
    serve()
    go(platform)
    platform.calls.clear()
    return mine()


def sign(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def tell(addon: Addon, message: Any, secret: str | None = None, id: object = None, **more: str) -> Any:
    """As the platform posts it."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    headers = {"heroku-webhook-hmac-sha256": sign(body, addon.webhook_secret if secret is None else secret)} | more
    address = f"/heroku/webhooks/{id or addon.resource_id}"
    return Client(enforce_csrf_checks=True).post(address, body, content_type="application/json", headers=headers)


def about_addon(addon: Addon, action: str = "update", **data: Any) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "resource": "addon",
        "action": action,
        "data": {"id": str(addon.uuid), "name": "acme-renamed", "plan": {"name": "herdsite:standard-1"}} | data,
        "published_at": NEW,
        "something_new": [],
    }


def about_app(email: Any, at: Any = NEW, id: str = "app-1", **more: Any) -> dict[str, Any]:
    data = {"id": id, "name": "acme", "owner": {"id": "u", "email": email}}
    return {"resource": "app", "action": "update", "data": data, "published_at": at} | more


def contact() -> str:
    return Resource.objects.select_related("customer").get().customer.email


def test_it_is_subscribed_to_once_when_the_database_is_ready(platform, theirs) -> None:
    go(platform)
    assert "subscribe" not in platform.calls
    serve()
    go(platform)
    go(platform)
    addon = mine()
    url = f"https://herd.example/heroku/webhooks/{addon.resource_id}"
    assert theirs.webhooks == [{"url": url, "level": "sync", "secret": addon.webhook_secret}]
    assert addon.subscribed_at and len(addon.webhook_secret) > 40
    assert platform.calls.count("subscribe") == 1


def test_its_secret_is_kept_encrypted_and_goes_with_the_add_on(platform, addon, call) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT webhook_secret FROM addon_addon")
        assert addon.webhook_secret not in cursor.fetchone()[0]
    call("DELETE", f"{RESOURCES}/{addon.resource_id}")
    assert not mine().webhook_secret


@pytest.mark.parametrize(("name", "value"), [("ADDON_WEBHOOKS", ""), ("URL", "")])
def test_without_its_settings_nothing_is_subscribed_to(settings, platform, theirs, name, value) -> None:
    setattr(settings, name, value)
    serve()
    go(platform)
    assert not theirs.webhooks and not mine().webhook_secret


def test_the_first_generation_has_no_webhooks(platform, call_v1) -> None:
    call_v1.provision(first(plan="standard-0"))
    serve()
    go(platform)
    assert "subscribe" not in platform.calls


def test_a_platform_that_is_away_is_asked_again_with_the_same_secret(platform, theirs) -> None:
    serve()
    platform.trouble.extend([None, None, None, None, Away("503 to POST")])
    go(platform)
    secret = mine().webhook_secret
    assert secret and not mine().subscribed_at and platform.calls[-1] == "subscribe"
    go(platform)
    assert [one["secret"] for one in theirs.webhooks] == [secret] and mine().subscribed_at


@pytest.mark.parametrize("no", [Declined("422 to POST: no webhooks here"), Gone("404 to POST")])
def test_a_platform_without_webhooks_is_still_told_all_else(platform, theirs, no) -> None:
    resource = serve()
    platform.trouble.extend([None, None, None, None, no])
    go(platform)
    go(platform)
    assert platform.calls.count("subscribe") == 1 and not mine().subscribed_at and "to POST" in mine().problem
    change(resource, state="destroying")
    go(platform)
    assert theirs.state == "deprovisioned"


def test_another_name_is_asked_for_and_taken(platform, theirs, addon) -> None:
    theirs.name, theirs.app_name = "acme-renamed", "acme-two"
    assert tell(addon, about_addon(addon)).status_code == 204
    assert mine().informed_at is None
    go(platform)
    assert (mine().name, mine().app_name, platform.calls) == ("acme-renamed", "acme-two", ["info"])


def test_another_app_is_another_customer(platform, theirs, addon) -> None:
    theirs.app_id, theirs.app_name = "app-2", "acme-two"
    tell(addon, about_addon(addon, app={"id": "app-2", "name": "acme-two"}))
    go(platform)
    assert mine().resource.customer.name == "app app-2"


def test_what_is_said_of_the_name_is_only_a_hint(platform, addon) -> None:
    tell(addon, about_addon(addon, name="somebody's wish"))
    go(platform)
    assert mine().name == "acme-primary"


def test_the_owner_is_whom_to_write_to(addon) -> None:
    assert tell(addon, about_app("owner@acme.example")).status_code == 204
    assert contact() == mine().owner_email == "owner@acme.example"
    tell(addon, about_app("next@acme.example", NEWER))
    assert contact() == "next@acme.example"


def test_an_older_word_does_not_count(addon) -> None:
    tell(addon, about_app("next@acme.example", NEWER))
    tell(addon, about_app("owner@acme.example", NEW))
    tell(addon, about_app("owner@acme.example", NEWER))
    assert contact() == "next@acme.example"


def test_what_somebody_here_has_set_stays(addon) -> None:
    tell(addon, about_app("owner@acme.example"))
    Customer.objects.update(email="dba@acme.example")
    tell(addon, about_app("next@acme.example", NEWER))
    assert contact() == "dba@acme.example" and mine().owner_email == "next@acme.example"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "message",
    [
        about_app("not an address"),
        about_app(None),
        about_app(7),
        about_app("a@b.example", "some day"),
        about_app("a@b.example", 7),
        about_app("a@b.example", "2026-13-41T99:00:00Z"),
        about_app("a@b.example", "2026-11-21T09:00:00"),
        about_app("a@b.example", id="app-9"),
        about_app("a@b.example", resource="build"),
        about_app("a@b.example", resource=["app"]),
        about_app("a@b.example", data="text"),
        about_app("a@b.example", data={"id": "app-1", "owner": "text"}),
        {},
    ],
)
def test_what_says_nothing_of_use_is_taken_and_changes_no_contact(addon, message) -> None:
    assert tell(addon, message).status_code == 204
    assert contact() == "" and not mine().heard_at


def test_an_add_on_that_was_destroyed_there_is_not_spoken_of(platform, theirs, addon) -> None:
    for _n in range(2):
        assert tell(addon, about_addon(addon, "destroy")).status_code == 204
    change(addon.resource, state="available", instance=None)
    serve_elsewhere = Resource.objects.get()
    go(platform)
    change(serve_elsewhere, state="destroyed")
    go(platform)
    assert not platform.calls and mine().ended_at and "destroyed the add-on" in mine().problem


def test_a_webhook_destroys_no_database(addon) -> None:
    tell(addon, about_addon(addon, "destroy"))
    assert not Intent.objects.filter(verb="destroy").exists() and Resource.objects.get().state == "available"


def test_the_end_of_another_add_on_is_not_its_own(addon) -> None:
    tell(addon, about_addon(addon, "destroy", id=str(uuid.uuid4())))
    assert "gone" not in mine().declined


def test_who_is_left_alone_for_a_while_stays_so(platform, addon) -> None:
    Addon.objects.update(tries=3, due_at=NEWER)
    tell(addon, about_addon(addon))
    assert mine().due_at.isoformat().startswith("2026-11-21T10:00:00")


@pytest.mark.parametrize("secret", ["another", ""])
def test_what_is_signed_with_another_secret_is_not_heard(addon, secret) -> None:
    assert tell(addon, about_app("eve@evil.example"), secret).status_code == 403
    assert tell(addon, b"not json", secret).status_code == 403
    assert contact() == "" and mine().informed_at


@pytest.mark.parametrize("signature", ["", "nonsense", "ä", "\x00"])
def test_what_is_not_signed_is_not_heard(addon, signature) -> None:
    answer = tell(addon, about_app("eve@evil.example"), **{"heroku-webhook-hmac-sha256": signature})
    assert answer.status_code == 403 and contact() == ""


def test_nobody_signs_for_an_add_on_without_a_secret(addon) -> None:
    Addon.objects.update(webhook_secret="")
    assert tell(addon, about_app("eve@evil.example"), "").status_code == 403


@pytest.mark.parametrize("id", ["nonsense", str(uuid.UUID(int=1)), "%00"])
def test_what_there_never_was_is_as_unknown_as_a_wrong_secret(addon, id) -> None:
    unknown, wrong = tell(addon, about_addon(addon), id=id), tell(addon, about_addon(addon), "another")
    assert unknown.status_code == 403 and unknown.content == wrong.content


def test_an_add_on_that_has_ended_hears_nothing(platform, addon, call) -> None:
    call("DELETE", f"{RESOURCES}/{addon.resource_id}")
    assert tell(addon, about_app("late@acme.example")).status_code == 410 and contact() == ""


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[" * 10_000, 400), (b"[]", 422), (b"\xff", 400)])
def test_what_can_not_be_read_is_said(addon, body, status) -> None:
    assert tell(addon, body).status_code == status


def test_too_much_is_too_much(settings, addon) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert tell(addon, about_addon(addon)).status_code == 413


def test_only_posts_are_heard(addon) -> None:
    answer = Client().get(f"/heroku/webhooks/{addon.resource_id}")
    assert answer.status_code == 405 and answer["Allow"] == "POST"


def test_the_secret_is_in_no_log_and_no_problem(platform, theirs, caplog) -> None:
    serve()
    platform.trouble.extend([None, None, None, None])
    subscribe = platform.subscribe

    def repeats(addon, token, url, level, secret):
        subscribe(addon, token, url, level, secret)
        raise Declined(f"422 to POST: {secret} is too long")

    platform.subscribe = repeats
    go(platform)
    addon = mine()
    tell(addon, about_addon(addon))
    assert "***" in addon.problem and addon.webhook_secret not in addon.problem + caplog.text
