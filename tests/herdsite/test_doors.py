"""A wish that names what there is not is refused at every door, at once and with the same words: the API, the portal,
the admin, the command line, a platform."""

import html
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from fleet import choices, copies, intents
from fleet.models import Changeover, Customer, Intent, Resource, Server
from tests import factories
from tests.addon.platforms import ID, PASSWORD, RESOURCES, V3, Caller, third
from tests.api.world import program

pytestmark = pytest.mark.django_db
GIVEN = {
    "name": "moon",
    "plan": "gold-9",
    "zone": "nowhere",
    "major": 99,
    "provider": "moon",
    "to": "nobody",
    "by": "2020-01-01T00:00Z",
}
# What is wished, and which word of it names nothing.
WISHES = [
    *(("create", name) for name in ("plan", "zone", "major")),
    *(("add", name) for name in ("provider", "name")),
    *((verb, name) for verb in ("follow", "fork") for name in ("plan", "zone")),
    *(("failover", "to"), ("switchover", "to"), ("resize", "plan"), ("retire", "by")),
]
Wish = tuple[str, Mapping[str, Any]]


@pytest.fixture
def herd(settings, tmp_path) -> Resource:
    """A database that could be moved and copied, and a server that is not in its zone."""
    settings.ADDON_ID, settings.ADDON_PASSWORD, settings.ADDON_REGIONS = ID, PASSWORD, {"us": "nowhere"}
    settings.SSH_HOSTS = tmp_path / "hosts.json"
    settings.SSH_HOSTS.write_text(json.dumps({"rack-1": {"address": "127.0.0.1"}}))
    shop = factories.resource(name="shop", plan=factories.plan("premium-0"))
    factories.instance(name="shop-2", role="standby", standby_for=shop, upstream=shop.instance)
    factories.server(name="rack-0", zone="b", pg={"17": "/pg"})
    factories.customer(name="acme")
    return shop


def sent(verb: str, word: str) -> dict[str, Any]:
    """All that the wish takes, right but for one word."""
    right: dict[str, dict[str, Any]] = {
        "create": {"customer": "acme", "plan": "standard-0"},
        "add": {"name": "rack-7", "provider": "ssh" if word == "name" else "local"},
    }
    return right.get(verb, {}) | {word: GIVEN[word]}


def by_api(_shop: Resource, verb: str, given: dict[str, Any]) -> str:
    operator = program("operator")
    if verb in ("create", "add"):
        answer = operator.send("resources" if verb == "create" else "servers", given)
    else:
        place = "servers/rack-0" if verb == "retire" else "resources/shop"
        answer = operator.send(f"{place}/asks", {"verb": verb, "params": given})
    assert answer.status_code == 400, answer.content
    ((words,),) = answer.json()["errors"].values()
    return words


def by_portal(_shop: Resource, verb: str, given: dict[str, Any]) -> str:
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    if verb in ("create", "add"):
        who = {"customer": Customer.objects.get(name="acme").pk} if verb == "create" else {}
        more = {"major": 17} if verb == "create" else {"zone": "b", "disk_mb": 2_048, "capacity": 2}
        place = f"/admin/fleet/{'resource' if verb == 'create' else 'server'}/add/"
        answer = browser.post(place, more | given | who)
    else:
        answer = browser.post(f"/things/{'rack-0' if verb == 'retire' else 'shop'}", {"verb": verb} | given)
    assert answer.status_code == 422
    return html.unescape(answer.content.decode())


def by_command(_shop: Resource, verb: str, given: dict[str, Any]) -> str:
    options = {name: value for name, value in given.items() if name not in ("name", "customer")}
    with pytest.raises(CommandError) as refused:
        if verb == "create":
            call_command("create", options.pop("plan"), customer="acme", **options)
        elif verb == "add":
            call_command("add_server", given["name"], **options)
        else:
            call_command("ask", "rack-0" if verb == "retire" else "shop", verb, **options)
    return str(refused.value)


def by_foreground(_shop: Resource, verb: str, given: dict[str, Any]) -> str:
    with pytest.raises(CommandError) as refused:
        call_command(verb, "shop", **given)
    return str(refused.value)


def by_platform(shop: Resource, verb: str, given: dict[str, Any]) -> str:
    call = Caller(V3)
    if verb == "resize":
        provisioned = call.provision(third(plan="standard-0", region=None))
        answer = call("PUT", f"{RESOURCES}/{json.loads(provisioned.content)['id']}", given)
        Resource.objects.exclude(pk=shop.pk).delete()
        Intent.objects.all().delete()
    else:
        plan = given["plan"] if given["plan"] == GIVEN["plan"] else "standard-0"
        answer = call.provision(third(plan=plan, region="us" if "zone" in given else None))
    assert answer.status_code == 422
    return json.loads(answer.content)["message"]


DOORS: dict[Callable[..., str], list[tuple[str, str]]] = {
    by_api: WISHES,
    by_portal: WISHES,
    by_command: WISHES,
    by_foreground: [("failover", "to"), ("switchover", "to")],
    by_platform: [("create", "plan"), ("create", "zone")],
}


def directly(shop: Resource, verb: str, given: dict[str, Any]) -> str:
    """What is said where no door is between."""
    with pytest.raises(choices.Unknown) as refused:
        if verb == "create":
            intents.create_resource(actor="anna", **given | {"customer": Customer.objects.get(name="acme")})
        elif verb == "add":
            intents.create_server(actor="anna", **given)
        elif verb in ("follow", "fork"):
            getattr(copies, verb)(shop, actor="anna", **given)
        else:
            member = Server.objects.get(name="rack-0") if verb == "retire" else shop
            intents.ask(member, verb, actor="anna", params=given)
    return str(refused.value)


@pytest.mark.parametrize(("door", "verb", "word"), [(door, *wish) for door, wishes in DOORS.items() for wish in wishes])
def test_what_there_is_not_is_refused_with_the_same_words(herd, monkeypatch, door, verb, word) -> None:
    monkeypatch.setattr(copies, "origin", lambda *_: {})
    given = sent(verb, word)
    words = directly(herd, verb, dict(given))
    assert str(GIVEN[word])[:10] in words
    assert words in door(herd, verb, dict(given))
    assert (Resource.objects.count(), Server.objects.filter(state="creating").count()) == (1, 0)
    assert not Intent.objects.exists() and not Changeover.objects.exists()


@pytest.mark.parametrize("door", [by_portal, by_command])
def test_a_resize_to_no_plan_is_refused_with_those_there_are(herd, door) -> None:
    assert "Say the plan that shop is to move to. Choose one of: premium-1" in door(herd, "resize", {})
    answer = program("operator").send("resources/shop/asks", {"verb": "resize"})
    assert answer.status_code == 400 and "params.plan" in answer.json()["errors"]
    assert not Intent.objects.exists()
