"""What becomes of it when the platform is away, slow, or says no; and when we are wrong ourselves."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from fleet.addon import config, life, round
from fleet.addon.fake import FakePlatform
from fleet.addon.models import Addon
from fleet.addon.platform import Away, Declined, Gone, Unauthorised
from fleet.models import Credential
from tests import factories
from tests.addon.platforms import knowing, third
from tests.addon.rounds import go, mine, serve
from tests.herd import again, change

pytestmark = pytest.mark.django_db


AWAY = Away("503 to POST")


@pytest.mark.thorough
@pytest.mark.parametrize("trouble", [Away("no answer: ReadTimeoutError", silent=True), AWAY, Away("429", 120.0)])
@pytest.mark.parametrize("call_n", [0, 1, 2, 3])
def test_a_platform_that_is_away_at_any_step_loses_nothing(platform, theirs, trouble, call_n) -> None:
    resource = serve()
    platform.trouble.extend([None] * call_n + [trouble] * 3)
    assert go(platform)[1] == 1
    addon = mine()
    assert addon.tries == 1 and addon.problem == str(trouble)
    wait = (addon.due_at - timezone.now()).total_seconds()
    assert wait > (100 if trouble.wait_s else 0)
    for _n in range(4):
        go(platform)
    assert theirs.config == config.of(resource) and theirs.marked == 1 and theirs.state == "provisioned"
    assert (mine().tries, mine().problem) == (0, "")


def test_a_platform_that_is_silent_for_one_is_left_alone_by_all(platform, theirs, call) -> None:
    for n in range(3):
        sent = third(name=f"other-{n}")
        call.provision(sent)
        knowing(platform, sent)
    platform.trouble.append(Away("no answer", silent=True))
    assert go(platform) == (1, 1) and len(platform.calls) == 1
    assert not Addon.objects.filter(due_at__lt=Now()).exists() and not Addon.objects.exclude(lease=None).exists()
    go(platform)
    assert platform.calls.count("exchange") == 5


def test_one_that_is_told_later_does_not_hold_up_the_others(platform, theirs, call) -> None:
    sent = third(name="other")
    call.provision(sent)
    knowing(platform, sent)
    platform.trouble.append(AWAY)
    go(platform)
    assert platform.calls.count("exchange") == 2


def test_a_token_that_is_none_any_more_is_refreshed_and_the_call_repeated(platform, theirs) -> None:
    go(platform)
    platform.forget_tokens()
    serve()
    assert go(platform)[1] == 0
    assert platform.calls[:4] == ["exchange", "push_config", "refresh", "push_config"]
    assert mine().access_token == "access-2" and theirs.state == "provisioned"


def test_a_second_401_waits_and_is_not_a_loop(platform, theirs) -> None:
    go(platform)
    serve()
    platform.trouble.extend([Unauthorised("401"), None, Unauthorised("401")])
    assert go(platform) == (1, 1)
    assert platform.calls == ["exchange", "push_config", "refresh", "push_config"]
    assert mine().tries == 1 and mine().access_token == "access-2"
    go(platform)
    assert theirs.state == "provisioned"


def test_a_token_is_refreshed_before_it_runs_out(platform, theirs) -> None:
    serve()
    go(platform)
    Addon.objects.update(token_expires_at=Now() + timedelta(seconds=life.REFRESH_S - 10))
    go(platform)
    assert platform.calls[-1] == "refresh" and mine().refresh_token == "refresh-2"


def test_a_token_that_lives_for_ever_is_never_refreshed(theirs, call) -> None:
    platform = FakePlatform(lives_s=None)
    platform.codes[mine().code] = mine().uuid
    platform.addons[mine().uuid] = theirs
    serve()
    go(platform)
    assert mine().token_expires_at is None and "refresh" not in platform.calls


def test_a_token_that_lives_for_a_moment_is_not_refreshed_without_end(theirs) -> None:
    platform = FakePlatform(lives_s=1)
    platform.codes[mine().code], platform.addons[mine().uuid] = mine().uuid, theirs
    go(platform)
    assert platform.calls == ["exchange"]


def test_a_refresh_that_is_declined_silences_us_and_is_on_record(platform, theirs) -> None:
    serve()
    go(platform)
    Addon.objects.update(token_expires_at=Now())
    platform.trouble.append(Declined("400 to POST: invalid_grant"))
    before = len(platform.calls)
    go(platform)
    go(platform)
    assert platform.calls[before:] == ["refresh"] and "invalid_grant" in mine().problem


@pytest.mark.parametrize("no", [Declined("409 to PATCH"), Declined("422 to PATCH: no such var")])
def test_a_declined_config_is_not_pushed_again_until_it_is_another(platform, theirs, no) -> None:
    resource = serve()
    platform.trouble.extend([None, no])
    go(platform)
    go(platform)
    assert platform.calls.count("push_config") == 1 and "provisioned" not in platform.calls
    assert mine().problem == str(no) and mine().due_at
    change(resource, instance=factories.instance(server=factories.server(address="127.0.0.77")))
    go(platform)
    assert "@127.0.0.77:" in theirs.config["HERDSITE_URL"] and theirs.state == "provisioned"


def test_an_answer_that_was_lost_does_not_mark_twice(platform, theirs) -> None:
    """It was marked, we did not hear so, and marking it again is declined: it is provisioned, which is what counts."""
    serve()
    go(platform)
    Addon.objects.update(told_at=None)
    go(platform)
    assert theirs.marked == 1 and mine().told_at and not mine().problem


def test_a_mark_that_is_declined_for_good_is_on_record(platform, theirs) -> None:
    serve()
    platform.trouble.extend([None, None, Declined("422 to POST")])
    go(platform)
    go(platform)
    assert mine().told_at is None and mine().problem == "422 to POST" and platform.calls.count("provisioned") == 1


@pytest.mark.parametrize("told", [True, False])
def test_an_add_on_that_the_platform_does_not_know_is_left_alone(platform, theirs, told) -> None:
    if told:
        serve()
    go(platform)
    resource = serve()
    change(resource, instance=factories.instance(server=factories.server(address="127.0.0.77")))
    platform.trouble.append(Gone("404 to PATCH"))
    go(platform)
    before = len(platform.calls)
    go(platform)
    assert len(platform.calls) == before and mine().problem == "404 to PATCH"
    assert mine().ended_at is None and again(resource).state == "available"


def test_a_code_that_is_declined_is_not_tried_again_but_a_new_one_is(platform, theirs, call) -> None:
    platform.codes.clear()
    go(platform)
    go(platform)
    assert platform.calls == ["exchange"] and "used up" in mine().problem
    sent = third(uuid=str(mine().uuid), plan="standard-0")
    sent["oauth_grant"]["code"] = "a new one"
    platform.codes["a new one"] = mine().uuid
    call.provision(sent)
    go(platform)
    assert mine().access_token and not mine().problem


def test_a_code_that_has_expired_is_not_sent(platform, theirs) -> None:
    Addon.objects.update(code_expires_at=Now() - timedelta(seconds=1))
    go(platform)
    assert not platform.calls


def test_a_bug_of_ours_holds_up_nobody_else(platform, theirs, call, monkeypatch) -> None:
    sent = third(name="other")
    call.provision(sent)
    knowing(platform, sent)
    bad, step = Addon.objects.order_by("created_at").first(), round.STEPS[life.EXCHANGE]

    def fail(addon, port, now):
        if addon.pk == bad.pk:
            raise ZeroDivisionError("with a secret in it")
        return step(addon, port, now)

    monkeypatch.setitem(round.STEPS, life.EXCHANGE, fail)
    assert go(platform)[1] == 1
    assert Addon.objects.get(pk=bad.pk).problem == "ZeroDivisionError in herdsite"
    assert Addon.objects.exclude(pk=bad.pk).get().access_token


def test_no_secret_gets_into_a_problem_or_a_log(platform, theirs, caplog) -> None:
    go(platform)
    resource = serve()
    url = config.of(resource)["HERDSITE_URL"]
    secret = Credential.objects.get(resource=resource).secret
    platform.trouble.append(Declined(f"422 to PATCH: {url} with {secret} by access-1 is no URL"))
    go(platform)
    said = mine().problem + caplog.text
    assert "422 to PATCH" in said and "***" in mine().problem
    assert url not in said and secret not in said and "access-1" not in said
