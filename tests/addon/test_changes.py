"""Change of plan and deprovisioning: every request and its answer."""

import json
import uuid

import pytest

from fleet.addon.fake import FakePlatform
from fleet.addon.models import Addon
from fleet.models import Intent, Plan, Resource
from tests import factories
from tests.addon.platforms import RESOURCES, first, third
from tests.addon.rounds import go
from tests.addon.test_auth import problem
from tests.herd import again, change

pytestmark = pytest.mark.django_db


@pytest.fixture
def resource(call) -> Resource:
    """A database that serves, provisioned by v3."""
    call.provision(third(plan="standard-0"))
    made = Resource.objects.get()
    change(made, state="available", instance=factories.instance(server=factories.server(address="127.0.0.9")))
    return again(made)


def at(resource: Resource) -> str:
    return f"{RESOURCES}/{resource.pk}"


@pytest.mark.parametrize("sent", [{"plan": "standard-0"}, {"heroku_id": "app123@heroku.com", "plan": "standard-0"}])
def test_the_plan_it_has_already_is_no_change(call, resource, sent) -> None:
    answer = call("PUT", at(resource), sent)
    assert answer.status_code == 200
    said = json.loads(answer.content)
    assert said["message"] and said["config"]["HERDSITE_URL"].endswith("?sslmode=require")
    assert not Intent.objects.exclude(verb="create").exists()


def test_another_plan_is_asked_for_once(call, resource) -> None:
    for _n in range(2):
        answer = call("PUT", at(resource), {"plan": "standard-1"})
        assert answer.status_code == 202 and "standard-1" in json.loads(answer.content)["message"]
    intent = Intent.objects.get(verb="resize")
    assert (intent.subject, intent.params, intent.actor) == (resource.pk, {"plan": "standard-1"}, "platform")


def test_one_change_at_a_time(call, resource) -> None:
    call("PUT", at(resource), {"plan": "standard-1"})
    assert "in progress" in problem(call("PUT", at(resource), {"plan": "premium-0"}), 503)
    Intent.objects.all().delete()
    change(resource, state="changing_over")
    assert "in progress" in problem(call("PUT", at(resource), {"plan": "premium-0"}), 503)


def test_the_plan_that_it_leaves_is_not_the_plan_that_it_has(call, resource) -> None:
    """What is billed and what is are decided by the change that is under way."""
    call("PUT", at(resource), {"plan": "standard-1"})
    assert "standard-1" in problem(call("PUT", at(resource), {"plan": "standard-0"}), 503)
    change(resource, plan="standard-1")
    assert "standard-1" in problem(call("PUT", at(resource), {"plan": "standard-0"}), 503)
    Intent.objects.filter(verb="resize").update(state="done")
    assert call("PUT", at(resource), {"plan": "standard-1"}).status_code == 200
    assert call("PUT", at(resource), {"plan": "standard-0"}).status_code == 202


def test_what_shares_a_server_gets_other_limits_there(call, resource) -> None:
    change(resource, plan="starter-0")
    assert call("PUT", at(resource), {"plan": "starter-1"}).status_code == 202
    assert Intent.objects.get(verb="resize").params == {"plan": "starter-1"}


def test_fewer_rows_than_it_holds_are_refused(call, resource) -> None:
    change(resource, plan="starter-1", facts={"estimated_rows": "10001"})
    assert "10001 rows" in problem(call("PUT", at(resource), {"plan": "starter-0"}), 422)
    change(resource, facts={"estimated_rows": "10000"})
    assert call("PUT", at(resource), {"plan": "starter-0"}).status_code == 202


def test_what_is_being_built_has_no_plan_to_change_yet(call, resource) -> None:
    change(resource, state="creating")
    assert "being created" in problem(call("PUT", at(resource), {"plan": "standard-1"}), 503)


def test_what_shares_a_server_does_not_move_to_one_of_its_own(call, resource) -> None:
    assert "starter-0" in problem(call("PUT", at(resource), {"plan": "starter-0"}), 422)
    change(resource, plan="starter-0")
    assert "starter-0" in problem(call("PUT", at(resource), {"plan": "standard-1"}), 422)
    assert not Intent.objects.filter(verb="resize").exists()


def test_a_plan_without_room_for_what_it_holds_is_refused(call, resource) -> None:
    change(resource, facts={"db_size_bytes": str(5_000 * 2**20)}, plan="standard-1")
    assert "5000 MB" in problem(call("PUT", at(resource), {"plan": "standard-0"}), 422)


def test_a_leader_goes_once_its_followers_are_on_their_own(call, resource) -> None:
    follower = factories.resource(follows=resource, customer=resource.customer)
    assert call("DELETE", at(resource)).status_code == 204
    assert [(one.verb, one.subject) for one in Intent.objects.exclude(verb="create")] == [("unfollow", follower.pk)]
    platform = FakePlatform()
    go(platform)
    assert not Intent.objects.filter(verb="destroy").exists() and Addon.objects.get().due_at
    change(follower, follows=None)
    go(platform)
    assert Intent.objects.get(verb="destroy").subject == resource.pk and Addon.objects.get().due_at is None
    assert not platform.calls and Intent.objects.filter(verb="unfollow").count() == 1


@pytest.mark.parametrize(
    ("sent", "helps"),
    [({"plan": "gold"}, "standard-1"), ({}, "plan"), ({"plan": 1}, "plan"), ({"plan": None}, "plan")],
)
def test_a_plan_that_there_is_not_is_refused(call, resource, sent, helps) -> None:
    assert helps in problem(call("PUT", at(resource), sent), 422)


def test_a_plan_that_is_not_offered_any_more_is_refused(call, resource) -> None:
    Plan.objects.filter(name="standard-1").update(offered=False)
    assert "starter-0" in problem(call("PUT", at(resource), {"plan": "standard-1"}), 422)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("id", [str(uuid.UUID(int=1)), "nonsense", "1", "%00"])
def test_what_there_never_was_is_not_found(call, method, id) -> None:
    assert problem(call(method, f"{RESOURCES}/{id}", {"plan": "standard-0"}), 404)


@pytest.mark.parametrize("state", ["destroying", "destroyed"])
def test_what_goes_has_no_plan_to_change(call, resource, state) -> None:
    change(resource, state=state)
    assert problem(call("PUT", at(resource), {"plan": "standard-0"}), 410)


def test_a_resource_that_is_no_add_on_is_not_theirs(call) -> None:
    own = factories.resource()
    assert problem(call("DELETE", at(own)), 404)
    assert not Intent.objects.exists()


def test_the_third_generation_deprovisions_without_a_body(call, resource) -> None:
    answer = call("DELETE", at(resource))
    assert (answer.status_code, answer.content) == (204, b"")
    intent = Intent.objects.get(verb="destroy")
    assert (intent.subject, intent.actor, intent.state) == (resource.pk, "platform", "open")
    addon = Addon.objects.get()
    assert addon.ended_at and addon.due_at is None
    assert {addon.code, addon.access_token, addon.refresh_token, addon.log_input_url, addon.log_drain_token} == {""}


def test_the_first_generation_deprovisions_with_one(call_v1) -> None:
    call_v1.provision(first())
    answer = call_v1("DELETE", at(Resource.objects.get()), {"heroku_id": "app123@heroku.com"})
    assert answer.status_code == 200 and json.loads(answer.content)["message"]
    assert Intent.objects.filter(verb="destroy").count() == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_was_deprovisioned_is_gone(call, resource, method) -> None:
    call("DELETE", at(resource))
    assert problem(call(method, at(resource), {"plan": "standard-0"}), 410)
    assert Intent.objects.filter(verb="destroy").count() == 1


def test_what_somebody_else_destroys_can_still_be_deprovisioned(call, resource) -> None:
    change(resource, state="destroying")
    assert call("DELETE", at(resource)).status_code == 204
    assert not Intent.objects.filter(verb="destroy").exists()
    Addon.objects.update(ended_at=None)
    change(resource, state="destroyed")
    assert problem(call("DELETE", at(resource)), 410)


def test_a_deprovisioned_uuid_is_not_provisioned_again(call) -> None:
    sent = third()
    call.provision(sent)
    call("DELETE", at(Resource.objects.get()))
    assert problem(call.provision(sent), 422)
