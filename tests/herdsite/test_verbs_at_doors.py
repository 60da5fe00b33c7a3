"""Every verb of the table is answered alike at every door: who may ask for it, and in the same words why it can't be,
in every state. A verb, a role or a door that is added is walked too."""

import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

from fleet import askers, intents, verbs
from fleet.api import tokens
from fleet.api.models import Token
from fleet.askers import Asker, Forbidden
from fleet.choices import AskError
from fleet.models import Address, Backup, Changeover, Customer, Event, Intent, Member, Resource
from fleet.roles import CUSTOMER, ROLES
from fleet.states import states_of
from fleet.verbs import TABLE, Verb
from incidents import brake
from tests import factories
from tests.herd import again, change

pytestmark = pytest.mark.django_db
STAFF = [role for role in ROLES if role != CUSTOMER]
PLURALS = {"address": "addresses"}


@pytest.fixture
def things() -> dict[str, Member]:
    """One of each kind, of one customer."""
    shop = factories.resource(name="shop", plan=factories.plan("premium-0"), customer=factories.customer(name="acme"))
    instance = shop.instance
    factories.instance(name="shop-2", role="standby", standby_for=shop, upstream=instance)
    address = Address.objects.create(name="shop-address", resource=shop, endpoint="x", port=1, provider="local")
    move = Changeover.objects.create(name="shop-move-1", resource=shop, reason="resize", actor="ada")
    found = (shop, instance, instance.server, instance.timeline, address, move)
    return {one.KIND: one for one in found}


@contextmanager
def undone() -> Iterator[None]:
    """Whatever was written in here is not."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def member_of(role: str) -> User:
    user = User.objects.create_user(role, is_staff=role != CUSTOMER)
    user.groups.add(Group.objects.get(name=role))
    return User.objects.get(pk=user.pk)


class Door:
    """What a door answers: `forbidden`, or the words of a refusal, or "" where it was asked."""

    def __init__(self, user: User, customer: Customer | None = None):
        self.browser = Client()
        self.browser.force_login(user)
        scopes = list(ROLES[user.username])
        token = {"user": user, "name": "x", "scopes": scopes, "customer": customer, "expiry": timedelta(days=1)}
        self.token = Token.objects.create(**token)[1]

    def api(self, member: Member, verb: str) -> str:
        body = {"verb": verb, "reason": "a test", "confirm": member.name}
        place = f"/api/v1/{PLURALS.get(member.KIND, member.KIND + 's')}/{member.name}/asks"
        sent = {"content_type": "application/json", "headers": {"authorization": f"Bearer {self.token}"}}
        answer = self.browser.post(place, json.dumps(body), **sent)
        said = answer.json()
        errors = " ".join(word for words in said.get("errors", {}).values() for word in words)
        return "forbidden" if answer.status_code == 403 else errors or said.get("detail", "")

    def portal(self, member: Member, verb: str) -> str:
        sent = {"verb": verb, "reason": "a test", "confirm": member.name}
        answer = self.browser.post(f"/things/{member.KIND}/{member.name}", sent)
        return self._page(answer, 'id="refused">')

    def admin(self, member: Member, verb: str) -> str:
        place = reverse(f"admin:fleet_{member.KIND}_changelist")
        sent = {"action": f"ask_{verb}", "_selected_action": str(member.pk), "asked": "1", "reason": "a test"}
        before = Intent.objects.count()
        answer = self.browser.post(place, sent | {"confirm": member.name})
        asked = Intent.objects.count() > before
        if not asked and (answer.status_code == 302 or f'value="ask_{verb}"' not in answer.content.decode()):
            return "forbidden"
        return self._page(answer, "")

    def mine(self, member: Member, verb: str) -> str:
        answer = self.browser.post(f"/mine/{member.pk}", {"verb": verb, "reason": "a test", "confirm": member.name})
        return self._page(answer, 'id="refused">')

    def _page(self, answer: Any, begin: str) -> str:
        if answer.status_code in (302, 403):
            return "forbidden" if answer.status_code == 403 else ""
        page = html.unescape(answer.content.decode())
        return page[page.index(begin) :].partition("</p>")[0] if begin else page


def by_command(member: Member, verb: str) -> str:
    try:
        call_command(
            "ask", f"{member.KIND}/{member.name}", verb, confirm=member.name, reason="a test", stdout=StringIO()
        )
    except CommandError as error:
        return str(error)
    return ""


def directly(member: Member, verb: Verb, by: Asker) -> str:
    try:
        intents.ask(member, verb.name, actor=by, confirm=member.name, reason="a test")
    except Forbidden:
        return "forbidden"
    except AskError as error:
        return str(error)
    return ""


def alike(said: str, expected: str) -> bool:
    """A page has more around its words."""
    return expected in said if expected else not said


@pytest.mark.parametrize("role", STAFF)
def test_who_may_is_the_same_at_every_door(things, role: str) -> None:
    user = member_of(role)
    door, by = Door(user), askers.of_login(user)
    for verb in TABLE:
        member = things[verb.kind]
        with undone():
            expected = directly(member, verb, by)
        assert (expected == "forbidden") == bool(verb.forbids(by))
        for ask in (door.api, door.portal, door.admin):
            with undone():
                assert alike(ask(member, verb.name), expected), (verb.kind, verb.name, ask.__name__)
    assert {"viewer": 0, "responder": 1}.get(role, 2) == sum(not TABLE[n].forbids(by) for n in (0, 2)), role


def test_what_customers_may_is_the_same_over_the_api_and_on_their_page(things) -> None:
    shop, user = things["resource"], member_of(CUSTOMER)
    door = Door(user, shop.customer)
    door.browser.post("/mine/token", {"token": door.token})
    by = Asker("acme", frozenset(ROLES[CUSTOMER]), shop.customer)
    for verb in verbs.verbs_of("resource"):
        with undone():
            expected = directly(shop, verb, by)
        with undone():
            assert alike(door.api(shop, verb.name), expected), verb.name
        with undone():
            no = verb.forbids(by)
            assert alike(door.mine(shop, verb.name), no or expected), verb.name
    for other in (one for kind, one in things.items() if kind != "resource"):
        assert all(verb.forbids(by) for verb in verbs.verbs_of(other.KIND))


@pytest.mark.thorough
@pytest.mark.parametrize("verb", TABLE, ids=lambda verb: f"{verb.kind}-{verb.name}")
def test_why_it_can_not_be_is_said_in_the_same_words_in_every_state(things, verb: Verb) -> None:
    user = User.objects.create_superuser("admin")
    door, by, member = Door(user), askers.of_login(user), things[verb.kind]
    for state in states_of(verb.kind):
        change(member, state=state)
        now = again(member)
        with undone():
            expected = directly(now, verb, by)
        assert state in verb.states or expected, f"{state}: nothing is asked of it"
        doors: list[Callable[[Member, str], str]] = [door.api, door.portal, door.admin, by_command]
        for ask in doors:
            with undone():
                assert alike(ask(now, verb.name), expected), (state, ask.__name__)


def test_what_can_not_be_asked_is_shown_with_the_reason_and_who_asked_the_same(things) -> None:
    shop = things["resource"]
    intents.ask(shop, "restart", actor="anna")
    browser = Client()
    browser.force_login(User.objects.create_superuser("admin"))
    page = html.unescape(browser.get("/things/shop").content.decode())
    assert "shop is not a follower." in page and "Asked for by anna" in page
    assert "moves shop from" in page and "connections are cut for about 0.5 s; nothing is lost" in page
    Intent.objects.all().delete()
    change(shop, state="maintenance")
    page = html.unescape(browser.get("/things/shop").content.decode())
    assert "shop is maintenance. Restart is possible while it is available, uncertain or down." in page


def test_an_intent_is_cancelled_from_its_row_by_who_might_have_asked(things) -> None:
    shop = things["resource"]
    for role, status in (("viewer", 403), ("responder", 403), ("operator", 302)):
        door = Door(member_of(role))
        intent = intents.ask(shop, "destroy", actor="anna", reason="a slip", confirm="shop", key=role)
        assert f'value="{intent.pk}"' in door.browser.get("/things/shop").content.decode()
        sent = {"headers": {"authorization": f"Bearer {door.token}"}, "content_type": "application/json"}
        with undone():
            answer = door.browser.post(f"/api/v1/intents/{intent.pk}/cancel", "{}", **sent)
            assert answer.status_code == (403 if status == 403 else 200)
        assert door.browser.post("/things/shop", {"intent": str(intent.pk)}).status_code == status
        assert again(intent).state == ("open" if status == 403 else "cancelled")
    out = StringIO()
    intent = intents.ask(shop, "restart", actor="anna")
    call_command("cancel", str(intent.pk), stdout=out)
    assert "cancelled" in out.getvalue() and again(intent).state == Intent.CANCELLED


def test_a_dumps_link_takes_the_same_right_at_every_door(things) -> None:
    shop = things["resource"]
    dump = Backup.objects.create(name="shop-dump-1", resource=shop, state="kept", method=Backup.LOGICAL, bytes=5)
    for role in STAFF:
        user = member_of(role)
        door, may = Door(user), "secrets" in ROLES[role]
        sent = {"headers": {"authorization": f"Bearer {door.token}"}, "content_type": "application/json"}
        api = door.browser.post(f"/api/v1/backups/{dump.name}/link", "{}", **sent).status_code
        portal = door.browser.post("/downloads", {"backup": dump.name}).status_code
        assert (api, portal) == ((200, 302) if may else (403, 403)), role
        assert Event.objects.filter(verb="link made", actor__startswith=role).exists() == may


def test_a_token_may_no_more_than_its_maker_and_ends() -> None:
    manager, boss = User.objects.create_user("manager", is_staff=True), User.objects.create_superuser("boss")
    may = Asker("manager", frozenset({"read", "manage"}))
    with pytest.raises(Forbidden, match="may: ask, secrets"):
        tokens.make(manager, "x", ["read", "secrets", "ask"], 9, by=may)
    with pytest.raises(Forbidden, match="boss is a superuser"):
        tokens.make(boss, "x", ["read"], 9, by=may)
    with pytest.raises(Forbidden, match="'manage'"):
        tokens.make(manager, "x", ["read"], 9, by=Asker("ada", frozenset({"read", "ask"})))
    for days in (0, None, tokens.LONGEST_DAYS + 1):
        with pytest.raises(AskError, match="counts for 1 to"):
            tokens.make(manager, "x", ["read"], days, by=may)
    assert not Token.objects.exists()
    assert tokens.make(manager, "x", ["read"], 9, by=may)[0].expiry is not None
    browser = Client()
    browser.force_login(boss)
    manager.groups.add(Group.objects.get(name="admin"))
    sent = {"user": str(boss.pk), "name": "x", "scopes": ["read"], "days": "9", "customer": ""}
    assert "Token made" in browser.post("/admin/api/token/add/", sent).content.decode()
    browser.force_login(User.objects.get(pk=manager.pk))
    assert "boss is a superuser" in browser.post("/admin/api/token/add/", sent).content.decode()
    assert Token.objects.count() == 2


def test_the_brake_is_let_go_by_who_may_lose_something() -> None:
    with pytest.raises(Forbidden, match="'destroy'"):
        brake.release("herd", 60, askers.of_login(member_of("responder")), "a test")
    assert brake.release("herd", 60, askers.of_login(member_of("operator")), "a test").actor == "operator"


def test_what_is_grave_wants_name_and_reason_whoever_asks(things) -> None:
    grave = [verb for verb in TABLE if verb.may_be_grave]
    assert {verb.name for verb in grave} == {"destroy", "discard", "load", "restore", "failover", "believe"}
    shop = things["resource"]
    forced = {"force": True, "accept_loss": "unknown"}
    for confirm, reason in (("", "because"), ("shop", " "), ("sho", "because")):
        with pytest.raises(AskError, match=r"type its name|give a reason"):
            intents.ask(shop, "failover", actor="anna", params=forced, confirm=confirm, reason=reason)
    assert intents.ask(shop, "failover", actor="anna").verb == "failover"
    assert not Resource.objects.filter(state="destroying").exists()


def test_nothing_that_ships_asks_past_the_table() -> None:
    """Copies are carried out by their rows alone, and an Intent is written in one place."""
    may = {
        r"\bcopies\.(follow|fork|restore|undelete)\(": {"fleet/verbs/table.py"},
        r"\bIntent\.objects\.create\(": {"fleet/intake.py", "fleet/copies.py"},
        r"\bintake\.(write|insert|hand_down)\(": {
            *(f"fleet/actions/{name}.py" for name in ("instance", "resource", "changeover/upgrade")),
            *("fleet/verbs/row.py", "fleet/withdrawals.py"),
        },
    }
    root = Path(__file__).parents[2]
    packages = ("fleet", "incidents", "observations", "herdsite")
    sources = [path for package in packages for path in (root / package).rglob("*.py")]
    for pattern, places in may.items():
        found = {str(path.relative_to(root)) for path in sources if re.search(pattern, path.read_text())}
        assert found == places, pattern
