"""Single sign-on: the contract's vectors, who is let in and who is not, and what the browser gets."""

import base64
import hashlib
import json
import time
import uuid

import pytest
from django.contrib.auth.models import User
from django.test import Client

from fleet.addon import sso
from fleet.addon.models import Addon
from fleet.addon.sso import Pass, navigation, token, valid
from fleet.models import Intent, Resource
from tests import factories
from tests.addon.platforms import RESOURCES, SALT, first, third
from tests.herd import change

LOGIN = "/sso/login"
NAV = base64.b64encode(json.dumps({"appname": "acme", "addon": "<b>x</b>", "n": 1}).encode()).decode()


def test_the_vectors_of_the_contract() -> None:
    salt = "2f97bfa52ca102f8874716e2eb1d3b4920ad0be4"
    assert token("123", salt, "1267597772") == "bb466eb1d6bc345d11072c3cd25c311f21be130d"
    assert token("1", "SSO_SALT", "1262304000") == "b6010f6fbb850887a396c2bc0ab23974003008f6"


@pytest.mark.parametrize(
    ("later", "right"), [(0, True), (299, True), (300, True), (301, False), (-60, True), (-61, False), (86_400, False)]
)
def test_a_token_counts_for_five_minutes(later, right) -> None:
    one = Pass("123", token("123", SALT, "1267597772"), "1267597772")
    assert valid(one, SALT, 1_267_597_772 + later) is right


@pytest.mark.parametrize("stamp", ["", "now", "12e9", "-5", "1267597772.0", " 1267597772", "１２", "1" * 400, "\udcff"])
def test_a_time_that_is_none_counts_never(stamp) -> None:
    right = token("123", SALT, stamp) if stamp.isprintable() else ""
    assert not valid(Pass("123", right, stamp), SALT, 1_267_597_772)


def test_without_a_salt_nobody_is_let_in() -> None:
    assert not valid(Pass("1", token("1", "", "100"), "100"), "", 100)


@pytest.fixture
def resource(call) -> Resource:
    call.provision(third(plan="standard-0"))
    made = Resource.objects.get()
    change(made, state="available", instance=factories.instance(server=factories.server(address="127.0.0.9")))
    return Resource.objects.get()


def signed(id: object, names: tuple[str, str] = ("id", "token"), age: float = 0, **more: str) -> dict[str, str]:
    """What the platform has the browser send."""
    stamp = str(int(time.time() - age))
    return {
        names[0]: str(id),
        names[1]: token(str(id), SALT, stamp),
        "timestamp": stamp,
        "nav-data": NAV,
        "email": "user@acme.example",
        "app": "acme",
    } | more


def signed_v3(resource: Resource, **more: str) -> dict[str, str]:
    """What the third generation's platform sends: its own uuid beside our id, and who signs on."""
    uuid, stamp = str(resource.addon.uuid), str(int(time.time()))
    user = "0f3c1b52-9d3b-4f6e-8a31-2f8f7d0a6c11"
    scoped = hashlib.sha256(f"{uuid}:{SALT}:{stamp}:{user}:user@acme.example".encode()).hexdigest()
    theirs = {"resource_id": uuid, "resource_token": token(uuid, SALT, stamp), "user_id": user}
    return signed(resource.pk) | theirs | {"user_scoped_resource_token": scoped} | more


TOKENS = ("token", "resource_token", "user_scoped_resource_token")


def only(sent: dict[str, str], *kept: str) -> dict[str, str]:
    """The form with these tokens right, and the other ones absent."""
    return {name: value for name, value in sent.items() if name not in TOKENS or name in kept}


@pytest.mark.django_db
class TestSigningOn:
    @pytest.mark.parametrize("name", TOKENS)
    def test_each_token_alone_opens_the_page(self, resource, name) -> None:
        browser = Client(enforce_csrf_checks=True)
        answer = browser.post(LOGIN, only(signed_v3(resource), name))
        assert (answer.status_code, answer["Location"]) == (302, f"/mine/{resource.pk}")
        assert answer["Cache-Control"] == "no-store"
        page = browser.get(answer["Location"])
        assert page.status_code == 200 and b"acme-primary" in page.content

    @pytest.mark.parametrize("right", [(), *((one,) for one in TOKENS), TOKENS[:2], TOKENS[1:], TOKENS])
    def test_any_right_token_is_enough_and_none_is_not(self, resource, right) -> None:
        wrong = {name: "x" for name in TOKENS if name not in right}
        assert Client().post(LOGIN, signed_v3(resource) | wrong).status_code == (302 if right else 403)

    @pytest.mark.parametrize("names", [("resource_id", "resource_token"), ("id", "token")])
    def test_a_right_token_of_a_thing_unknown_hides_no_other(self, resource, names) -> None:
        unknown = signed(uuid.UUID(int=1), names)
        assert Client().post(LOGIN, signed_v3(resource) | unknown).status_code == 302
        assert Client().post(LOGIN, unknown).status_code == 404

    def test_an_id_is_looked_up_as_whose_it_is(self, resource) -> None:
        """Ours is not the platform's, even where a platform sends the one in the other's place."""
        assert Client().post(LOGIN, signed(resource.pk, ("resource_id", "resource_token"))).status_code == 404
        assert Client().post(LOGIN, signed(resource.addon.uuid)).status_code == 404

    def test_whom_the_token_names_is_named_in_the_events(self, resource) -> None:
        for kept, actor in ((TOKENS, "user@acme.example (platform)"), (TOKENS[:2], "acme (platform)")):
            browser = Client()
            browser.post(LOGIN, only(signed_v3(resource), *kept))
            browser.post(f"/mine/{resource.pk}", {"verb": "rotate"})
            assert Intent.objects.filter(verb="rotate").latest("asked_at").actor == actor
            Intent.objects.filter(verb="rotate").delete()

    @pytest.mark.parametrize("forged", [{"email": "boss@acme.example"}, {"user_id": "x"}, {"resource_id": ""}])
    def test_a_token_for_one_user_is_none_for_another(self, resource, forged) -> None:
        sent = only(signed_v3(resource), "user_scoped_resource_token")
        assert Client().post(LOGIN, sent | forged).status_code == 403

    def test_the_first_generation_has_the_id_in_the_address(self, call_v1) -> None:
        call_v1.provision(first())
        id = Resource.objects.get().pk
        browser = Client()
        answer = browser.get(f"{RESOURCES}/{id}", signed(id))
        assert (answer.status_code, answer["Location"]) == (302, f"/mine/{id}")
        page = browser.get(answer["Location"]).content.decode()
        assert '<div id="heroku-header"><b>acme</b> <span>&lt;b&gt;x&lt;/b&gt;</span></div>' in page

    def test_a_token_for_one_opens_no_other(self, resource) -> None:
        other = factories.resource()
        Addon.objects.create(uuid=uuid.uuid4(), resource=other, generation=3)
        assert Client().get(f"{RESOURCES}/{other.pk}", signed(resource.pk)).status_code == 403
        assert Client().get(f"{RESOURCES}/{other.pk}", signed_v3(resource)).status_code == 404
        assert Client().post(LOGIN, signed(resource.pk) | {"id": str(other.pk)}).status_code == 403

    @pytest.mark.thorough
    @pytest.mark.parametrize("wrong", [{"token": "0" * 40}, {"token": ""}, {"token": "é"}, {"timestamp": "1"}])
    def test_a_bad_token_is_forbidden(self, resource, wrong) -> None:
        for answer in (
            Client().post(LOGIN, signed(resource.pk) | wrong),
            Client().get(f"{RESOURCES}/{resource.pk}", signed(resource.pk) | wrong),
        ):
            assert answer.status_code == 403 and not answer.cookies

    @pytest.mark.parametrize("age", [330, -90])
    def test_an_old_token_and_one_from_the_future_are_forbidden(self, resource, age) -> None:
        assert Client().post(LOGIN, signed(resource.pk, age=age)).status_code == 403

    def test_nothing_at_all_is_forbidden(self, resource) -> None:
        assert Client().post(LOGIN).status_code == 403
        assert Client().get(f"{RESOURCES}/{resource.pk}").status_code == 403

    def test_a_form_is_posted(self, resource) -> None:
        answer = Client().get(LOGIN, signed(resource.pk))
        assert (answer.status_code, answer["Allow"]) == (405, "POST")

    @pytest.mark.parametrize("id", [str(uuid.UUID(int=1)), "123", "nobody"])
    def test_what_is_not_known_is_not_found_but_only_for_who_holds_a_token(self, db, id) -> None:
        assert Client().post(LOGIN, signed(id)).status_code == 404
        assert Client().get(f"{RESOURCES}/{id}", signed(id)).status_code == 404
        assert Client().post(LOGIN, signed(id) | {"token": "x"}).status_code == 403

    def test_what_has_ended_is_not_found(self, resource, call) -> None:
        call("DELETE", f"{RESOURCES}/{resource.pk}")
        assert Client().post(LOGIN, signed(resource.pk)).status_code == 404

    @pytest.mark.parametrize("nav", [NAV, "a=b&c/d+e==", "x"])
    def test_the_nav_data_is_a_cookie_verbatim(self, resource, nav) -> None:
        answer = Client().post(LOGIN, signed(resource.pk, **{"nav-data": nav}))
        cookie = answer.cookies[sso.NAV_COOKIE]
        assert cookie.OutputString().startswith(f"heroku-nav-data={nav}; ") and cookie["path"] == "/"

    @pytest.mark.parametrize("nav", ["", "a\r\nSet-Cookie: x=y", 'a"b', "a;b", "a b", "ä", "x" * 5_000])
    def test_what_can_be_no_cookie_is_none(self, resource, nav) -> None:
        answer = Client().post(LOGIN, signed(resource.pk, **{"nav-data": nav}))
        assert answer.status_code == 302 and sso.NAV_COOKIE not in answer.cookies

    def test_an_operators_session_ends_where_a_customers_begins(self, resource) -> None:
        browser = Client()
        browser.force_login(User.objects.create_superuser("operator"))
        browser.post(LOGIN, signed(resource.pk))
        assert browser.get("/").status_code == 302 and "/admin/login" in browser.get("/")["Location"]

    def test_secrets_are_in_no_log_and_no_address(self, resource, caplog) -> None:
        sent = signed(resource.pk)
        answer = Client().post(LOGIN, sent)
        assert sent["token"] not in caplog.text + answer["Location"] and SALT not in caplog.text


@pytest.mark.parametrize(
    "cookie", ["", "x", "====", base64.b64encode(b"[]").decode(), "ä", base64.b64encode(b"\xff").decode()]
)
def test_nav_data_that_says_nothing_shows_nothing(cookie) -> None:
    assert navigation(cookie) == {}


def test_nav_data_without_its_padding_is_read() -> None:
    assert navigation(NAV.rstrip("=")) == {"appname": "acme", "addon": "<b>x</b>"}
