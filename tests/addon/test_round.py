"""What the platform is told, and when; and how it ends."""

import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from fleet.addon import config, life, round
from fleet.addon.fake import FakeAddon
from fleet.addon.models import Addon
from fleet.models import Credential, Customer, Intent, Resource
from tests import factories
from tests.addon.platforms import RESOURCES, first, knowing, third
from tests.addon.rounds import go, mine, serve
from tests.herd import change

pytestmark = pytest.mark.django_db


def test_from_the_grant_to_provisioned(platform, theirs) -> None:
    assert go(platform) == (2, 0) and platform.calls == ["exchange"]
    addon = mine()
    assert (addon.access_token, addon.refresh_token, addon.code) == ("access-1", "refresh-1", "")
    assert addon.token_expires_at > timezone.now() + timedelta(hours=7)
    resource = serve()
    assert go(platform) == (4, 0)
    assert platform.calls == ["exchange", "push_config", "provisioned", "info"]
    assert theirs.config == config.of(resource) and theirs.marked == 1 and theirs.state == "provisioned"
    assert mine().told_at and go(platform) == (1, 0) and theirs.marked == 1


def test_it_is_told_within_one_round_when_all_is_there(platform, theirs) -> None:
    serve()
    go(platform)
    assert theirs.state == "provisioned" and theirs.config


def test_whose_it_is_is_learned_from_the_platform(platform, theirs) -> None:
    before = Resource.objects.get().customer
    serve()
    go(platform)
    addon = mine()
    assert (addon.app_id, addon.app_name) == ("app-1", "acme")
    assert addon.resource.customer.name == "app app-1"
    assert not Customer.objects.filter(pk=before.pk).exists()


def test_two_add_ons_of_an_app_have_one_customer(platform, call, theirs) -> None:
    other = third(plan="standard-0", name="acme-second")
    call.provision(other)
    knowing(platform, other)
    Resource.objects.update(state="available", instance=factories.instance(server=factories.server(address="::1")))
    go(platform)
    assert len({resource.customer_id for resource in Resource.objects.all()}) == 1


def test_a_config_that_came_with_the_answer_is_not_told_again(platform, call) -> None:
    sent = third()
    theirs = knowing(platform, sent)
    call.provision(sent)
    present = config.of(serve())
    Addon.objects.update(answered=201, told_at=Now(), pushed=config.digest(present))
    go(platform)
    assert platform.calls == ["exchange", "info"] and theirs.marked == 0


def test_a_new_password_or_place_is_pushed(platform, theirs) -> None:
    resource = serve()
    go(platform)
    credential = Credential.objects.get(resource=resource)
    credential.secret = "rotated"
    credential.save()
    go(platform)
    assert ":rotated@127.0.0.9:" in theirs.config["HERDSITE_URL"]
    change(resource, instance=factories.instance(server=factories.server(address="127.0.0.77")))
    go(platform)
    assert "@127.0.0.77:" in theirs.config["HERDSITE_URL"]
    assert platform.calls.count("push_config") == 3 and theirs.marked == 1


def test_while_it_changes_over_nothing_is_pushed(platform, theirs) -> None:
    resource = serve()
    go(platform)
    change(resource, state="changing_over", instance=factories.instance(server=factories.server(address="127.0.0.77")))
    go(platform)
    assert platform.calls.count("push_config") == 1


def test_a_database_that_moved_is_looked_at_before_its_turn(platform, theirs) -> None:
    resource = serve()
    go(platform)
    Addon.objects.update(due_at=Now() + timedelta(minutes=1), looked_at=Now() - timedelta(seconds=30))
    change(resource, state_since=Now() - timedelta(minutes=5))
    assert round.go_round(platform) == (0, 0)
    change(resource, state_since=Now())
    assert round.go_round(platform) == (1, 0)


def test_what_waits_or_has_ended_is_not_looked_at(platform, theirs) -> None:
    go(platform)
    assert round.go_round(platform) == (0, 0)
    Addon.objects.update(ended_at=Now(), due_at=None)
    assert round.go_round(platform) == (0, 0)


def test_what_is_leased_is_another_workers(platform, theirs) -> None:
    Addon.objects.update(lease=uuid.uuid4(), leased_until=Now() + timedelta(minutes=1))
    assert round.go_round(platform) == (0, 0)
    Addon.objects.update(leased_until=Now() - timedelta(seconds=1))
    assert round.go_round(platform)[0] == 2


def test_we_give_up_before_the_platform_does_and_say_so(platform, theirs) -> None:
    go(platform)
    Addon.objects.update(created_at=Now() - timedelta(seconds=life.PATIENCE_S + 1))
    go(platform)
    resource = Resource.objects.get()
    intent = Intent.objects.get(verb="destroy")
    assert intent.subject == resource.pk and mine().gave_up and theirs.state == "provisioning"
    change(resource, state="destroying")
    go(platform)
    assert theirs.state == "deprovisioned" and mine().ended_at and not mine().access_token
    assert Intent.objects.filter(verb="destroy").count() == 1


def test_what_we_gave_up_is_not_provisioned_by_a_repetition(platform, theirs, call) -> None:
    Addon.objects.update(created_at=Now() - timedelta(seconds=life.PATIENCE_S + 1))
    go(platform)
    assert call.provision(third(uuid=str(mine().uuid), plan="standard-0")).status_code == 422


def test_what_serves_is_never_given_up(platform, theirs) -> None:
    serve()
    go(platform)
    Addon.objects.update(created_at=Now() - timedelta(days=30))
    go(platform)
    assert not mine().gave_up and not Intent.objects.filter(verb="destroy").exists()


def test_a_database_destroyed_here_is_withdrawn_there(platform, theirs) -> None:
    resource = serve()
    go(platform)
    change(resource, state="destroying")
    go(platform)
    assert theirs.state == "deprovisioned" and mine().ended_at


def test_without_a_voice_the_end_is_only_noted(platform, call) -> None:
    call.provision(third(oauth_grant=None))
    change(Resource.objects.get(), state="destroyed")
    go(platform)
    assert mine().ended_at and not platform.calls


def test_what_the_platform_ended_meanwhile_stays_ended(platform, theirs, call) -> None:
    go(platform)
    serve()
    take = round.take

    def ended_in_between(beat, lease, port):
        call("DELETE", f"{RESOURCES}/{beat.addon.resource_id}")
        return take(beat, lease, port)

    round.take = ended_in_between
    try:
        go(platform)
    finally:
        round.take = take
    addon = mine()
    assert addon.ended_at and addon.due_at is None and not addon.access_token and not addon.told_at


def test_the_first_generation_is_told_by_its_own_calls(platform, call_v1) -> None:
    call_v1.provision(first(plan="standard-0"))
    app = platform.apps["app123@heroku.com"] = FakeAddon(app_id="app123@heroku.com", app_name="acme")
    platform.owners["app123@heroku.com"] = "owner@acme.example"
    go(platform)
    assert not platform.calls
    resource = serve()
    go(platform)
    assert platform.calls == ["push_app_config", "app_info"] and app.config == config.of(resource)
    assert mine().told_at and mine().resource.customer.email == "owner@acme.example"
    change(resource, state="destroying")
    go(platform)
    assert mine().ended_at and platform.calls == ["push_app_config", "app_info"]
