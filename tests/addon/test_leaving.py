"""Deprovisioning in its other form: the platform is answered at once, and told when the database is gone."""

import json

import pytest

from fleet.addon.models import Addon
from fleet.addon.platform import Away, Declined
from fleet.models import Intent, Resource
from tests import factories
from tests.addon.platforms import RESOURCES, first, third
from tests.addon.rounds import go, mine, serve
from tests.addon.test_auth import problem
from tests.addon.test_sso import signed
from tests.herd import change

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def form(settings) -> None:
    settings.ADDON_DEPROVISION = "later"


@pytest.fixture
def resource(platform, theirs) -> Resource:
    """A database that serves, of which the platform knows."""
    made = serve()
    go(platform)
    platform.calls.clear()
    return made


def at(resource: Resource) -> str:
    return f"{RESOURCES}/{resource.pk}"


def test_the_platform_is_told_when_it_is_gone_and_not_before(platform, theirs, call, resource) -> None:
    answer = call("DELETE", at(resource))
    assert answer.status_code == 202 and json.loads(answer.content)["message"]
    assert Intent.objects.get(verb="destroy").subject == resource.pk
    go(platform)
    change(resource, state="destroying")
    go(platform)
    assert not platform.calls and theirs.state == "provisioned" and mine().access_token
    change(resource, state="destroyed")
    go(platform)
    go(platform)
    assert platform.calls == ["deprovisioned"] and theirs.state == "deprovisioned"
    addon = mine()
    assert addon.ended_at and addon.due_at is None and not addon.access_token and not addon.log_input_url
    assert Intent.objects.filter(verb="destroy").count() == 1


def test_it_may_be_asked_again_until_it_is_gone(platform, call, resource) -> None:
    assert [call("DELETE", at(resource)).status_code for _n in range(2)] == [202, 202]
    change(resource, state="destroyed")
    go(platform)
    assert problem(call("DELETE", at(resource)), 410)
    assert Intent.objects.filter(verb="destroy").count() == 1


def test_what_leaves_is_no_add_on_any_more(client, call, resource) -> None:
    sent = third(uuid=str(mine().uuid), plan="standard-0")
    call("DELETE", at(resource))
    assert problem(call("PUT", at(resource), {"plan": "standard-1"}), 410)
    assert problem(call.provision(sent), 422)
    assert client.post("/sso/login", signed(resource.pk)).status_code == 404


def test_it_is_looked_at_soon_and_what_moved_at_once(platform, call, resource) -> None:
    call("DELETE", at(resource))
    go(platform)
    go(platform)
    change(resource, state="destroying")
    go(platform)
    addon = mine()
    assert 0 < (addon.due_at - addon.looked_at).total_seconds() <= 5.5


@pytest.mark.parametrize("trouble", [Away("503 to POST"), Away("no answer", silent=True), RuntimeError("a bug")])
def test_a_platform_that_is_away_is_told_later(platform, theirs, call, resource, trouble) -> None:
    call("DELETE", at(resource))
    change(resource, state="destroyed")
    platform.trouble.append(trouble)
    assert go(platform)[1] == 1 and not mine().ended_at and mine().due_at > mine().looked_at
    go(platform)
    assert theirs.state == "deprovisioned" and mine().ended_at


def test_an_answer_that_got_lost_is_told_twice_and_counts_once(platform, theirs, call, resource) -> None:
    call("DELETE", at(resource))
    change(resource, state="destroyed")
    theirs.state = "deprovisioned"
    platform.trouble.append(Declined("422 to POST: it is deprovisioned already"))
    assert go(platform)[1] == 0
    assert platform.calls == ["deprovisioned", "info"] and mine().ended_at and not mine().problem


def test_a_platform_that_would_not_hear_it_is_not_asked_for_ever(platform, theirs, call, resource) -> None:
    call("DELETE", at(resource))
    change(resource, state="destroyed")
    platform.trouble.append(Declined("422 to POST: no"))
    go(platform)
    go(platform)
    assert platform.calls == ["deprovisioned", "info"] and mine().ended_at and "no" in mine().problem


def test_a_platform_that_has_forgotten_it_need_not_be_told(platform, call, resource) -> None:
    call("DELETE", at(resource))
    platform.addons.clear()
    change(resource, state="destroyed")
    go(platform)
    go(platform)
    assert mine().ended_at and platform.calls == ["deprovisioned"]


def test_with_an_old_token_it_is_told_with_a_new_one(platform, theirs, call, resource) -> None:
    call("DELETE", at(resource))
    platform.forget_tokens()
    change(resource, state="destroyed")
    go(platform)
    assert theirs.state == "deprovisioned" and platform.calls == ["deprovisioned", "refresh", "deprovisioned"]


def test_a_leader_goes_once_its_followers_are_on_their_own(platform, call, resource) -> None:
    follower = factories.resource(follows=resource, customer=mine().resource.customer)
    assert call("DELETE", at(resource)).status_code == 202
    go(platform)
    assert not Intent.objects.filter(verb="destroy").exists()
    change(follower, follows=None)
    go(platform)
    assert Intent.objects.get(verb="destroy").subject == resource.pk and mine().due_at


def test_who_can_not_be_told_is_not_promised_it(platform, call, call_v1) -> None:
    call_v1.provision(first(plan="standard-0"))
    assert call_v1("DELETE", at(Resource.objects.get())).status_code == 200
    assert Addon.objects.get().ended_at
    call.provision(third(oauth_grant=None))
    assert call("DELETE", at(Addon.objects.get(heroku_id="").resource)).status_code == 204


def test_who_speaks_as_the_first_generation_is_answered_as_it(call_v1, resource) -> None:
    assert call_v1("DELETE", at(resource)).status_code == 200
    assert mine().ended_at


def test_the_usual_form_promises_nothing(settings, call, resource) -> None:
    settings.ADDON_DEPROVISION = "now"
    assert call("DELETE", at(resource)).status_code == 204
    assert mine().ended_at and not mine().leaving_at


def test_while_it_leaves_the_other_form_changes_nothing(settings, platform, theirs, call, resource) -> None:
    call("DELETE", at(resource))
    settings.ADDON_DEPROVISION = "now"
    assert call("DELETE", at(resource)).status_code == 202
    change(resource, state="destroyed")
    go(platform)
    assert theirs.state == "deprovisioned"
