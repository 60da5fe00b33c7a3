"""Options of a provision: what they may say, whose database they may name, and what is refused."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from fleet.addon import asked, config, options, times
from fleet.addon.http import Refusal
from fleet.addon.models import Addon
from fleet.models import Backup, Credential, Resource, Timeline
from tests import factories
from tests.addon.platforms import first, third
from tests.addon.test_auth import problem

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def wanting(sent: dict, **given: str):
    return asked.provision(sent | {"options": given}, "heroku_id" not in sent)


@pytest.fixture
def resource(db) -> Resource:
    made = factories.resource(
        name="calm-otter-7", instance=factories.instance(server=factories.server(address="127.0.0.9"))
    )
    Credential.objects.filter(resource=made).delete()
    Credential.objects.create(purpose="owner", resource=made, role="u7", secret="s:e/c")
    made.customer.name = "app app123@heroku.com"
    made.customer.save()
    return made


def url(resource: Resource) -> str:
    return config.of(resource)["HERDSITE_URL"]


@pytest.mark.parametrize("kind", ["follow", "fork"])
def test_a_url_names_its_database(resource, kind) -> None:
    copy = options.copy(wanting(third(), **{kind: url(resource)}), NOW)
    assert copy == options.Copy(kind, resource, None, False)


@pytest.mark.parametrize("name", ["calm-otter-7", "acme-primary"])
def test_a_name_names_the_apps_own_where_the_app_is_known(resource, name) -> None:
    Addon.objects.create(heroku_id="app123@heroku.com", resource=resource, generation=1, name="acme-primary")
    assert options.copy(wanting(first(), fork=name), NOW).source == resource
    with pytest.raises(Refusal, match="no database of yours"):
        options.copy(wanting(first(heroku_id="app7@heroku.com"), fork=name), NOW)


def test_a_name_proves_nothing_where_the_app_is_not_known(resource) -> None:
    with pytest.raises(Refusal, match="give its URL"):
        options.copy(wanting(third(), fork="calm-otter-7"), NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda url: url.replace("s%3Ae%2Fc", "guessed"),
        lambda url: url.replace("u7:", "u8:"),
        lambda url: url.replace(":s%3Ae%2Fc", ""),
        lambda url: url.replace("postgres://", "mysql://"),
        lambda url: url.replace("?sslmode", "x?sslmode"),
        lambda url: "postgres://[",
        lambda url: "postgres://u7:s%3Ae%2Fc@host:99999999/x",
    ],
)
def test_a_url_that_is_not_quite_it_names_nothing(resource, wrong) -> None:
    with pytest.raises(Refusal, match="no database of yours") as refusal:
        options.copy(wanting(third(), fork=wrong(url(resource))), NOW)
    assert refusal.value.status == 422


@pytest.mark.parametrize("state", ["creating", "destroying"])
def test_what_is_not_there_yet_or_goes_is_no_source(resource, state) -> None:
    Resource.objects.update(state=state)
    with pytest.raises(Refusal, match="try again later"):
        options.copy(wanting(third(), fork=url(resource)), NOW)


def test_what_is_gone_is_no_source(resource) -> None:
    Resource.objects.update(state="destroyed")
    with pytest.raises(Refusal, match="no database of yours"):
        options.copy(wanting(third(), fork=url(resource)), NOW)


def test_a_follower_with_its_leaders_password_is_told_apart_by_its_host(resource) -> None:
    server = factories.server(address="127.0.0.10")
    follower = factories.resource(instance=factories.instance(server=server), dbname=resource.dbname, follows=resource)
    Credential.objects.filter(resource=follower).delete()
    Credential.objects.create(purpose="owner", resource=follower, role="u7", secret="s:e/c")
    assert options.copy(wanting(third(), fork=url(follower)), NOW).source == follower
    assert options.copy(wanting(third(), fork=url(resource)), NOW).source == resource
    moved = url(resource).replace("127.0.0.9", "127.0.0.99")
    assert options.copy(wanting(third(), fork=moved), NOW).source == resource


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ({"to": "2026-11-21 10:30"}, NOW - timedelta(hours=1.5)),
        ({"to": "2026-11-21T10:30:00Z"}, NOW - timedelta(hours=1.5)),
        ({"to": "2026-11-21 10:30 UTC"}, NOW - timedelta(hours=1.5)),
        ({"to": "2026-11-21 11:30 +01:00"}, NOW - timedelta(hours=1.5)),
        ({"by": "1 day, 2 hours and 5 minutes"}, NOW - timedelta(days=1, hours=2, minutes=5)),
        ({"by": "3h 25m"}, NOW - timedelta(hours=3, minutes=25)),
        ({"by": "90 mins"}, NOW - timedelta(minutes=90)),
    ],
)
def test_a_rollback_goes_to_a_time(resource, given, at) -> None:
    copy = options.copy(wanting(third(), rollback=url(resource), **given), NOW)
    assert (copy.kind, copy.at) == ("fork", at)


@pytest.mark.parametrize(
    ("given", "helps"),
    [
        ({"follow": "x", "fork": "x"}, "choose one"),
        ({"rollback": "URL"}, "how far"),
        ({"follow": "URL", "to": "2026-11-21 10:30"}, "present data of its leader"),
        ({"follow": "URL", "fast": "true"}, "present data of its leader"),
        ({"rollback": "URL", "to": "2026-11-21 10:30", "by": "1 day"}, "not both"),
        ({"rollback": "URL", "to": "2026-11-21 13:30"}, "in the future"),
        ({"rollback": "URL", "to": "yesterday"}, "Not a time"),
        ({"rollback": "URL", "to": "2026-13-99"}, "Not a time"),
        ({"rollback": "URL", "by": "long"}, "Not a time"),
        ({"rollback": "URL", "by": "3"}, "Not a time"),
        ({"rollback": "URL", "by": "9999999999 days"}, "Not a time"),
        ({"fork": "URL", "fast": "perhaps"}, "neither"),
        ({"to": "2026-11-21 10:30"}, "goes with"),
        ({"fast": "true"}, "goes with"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_helps(resource, given, helps) -> None:
    meant = {name: url(resource) if value == "URL" else value for name, value in given.items()}
    with pytest.raises(Refusal, match=helps) as refusal:
        options.copy(wanting(third(), **meant), NOW)
    assert refusal.value.status == 422


def test_a_bare_flag_is_a_flag(resource) -> None:
    assert options.copy(wanting(third(), fork=url(resource), fast="true"), NOW).fast
    assert not options.copy(wanting(third(), fork=url(resource), fast="false"), NOW).fast


def test_without_any_it_begins_empty() -> None:
    assert options.copy(wanting(third(), other="true"), NOW) is None
    assert options.major({}, None) == options.LATEST and options.major({"version": "16"}, None) == 16


def test_a_copy_has_the_version_of_its_source(resource) -> None:
    assert options.major({}, resource) == resource.major == options.major({"version": "17"}, resource)
    with pytest.raises(Refusal, match="which is 17"):
        options.major({"version": "16"}, resource)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    for read in (times.moment, times.interval):
        with suppress(ValueError, OverflowError):
            assert read(text) is not None


@pytest.fixture
def archived(resource) -> Backup:
    """Its WAL is kept, and there is a base backup of it."""
    Timeline.objects.filter(pk=resource.instance.timeline_id).update(
        archive="directory", place="line", resource=resource, writer=str(resource.instance_id)
    )
    return Backup.objects.create(
        name="b-1",
        state="kept",
        resource=resource,
        timeline=resource.instance.timeline,
        ended_at=timezone.now() - timedelta(hours=5),
    )


def test_a_follower_is_asked_for_once(call, resource) -> None:
    sent = third(plan="standard-0", options={"follow": url(resource)})
    assert [call.provision(sent).status_code for _n in range(2)] == [202, 202]
    addon = Addon.objects.get()
    made = addon.resource
    assert (made.follows, made.customer, made.dbname) == (resource, resource.customer, resource.dbname)
    assert addon.options == {"follow": "(a URL)"} and made.credentials.get().secret == "s:e/c"


@pytest.mark.parametrize(
    ("given", "back"),
    [({}, None), ({"fast": "true"}, timedelta(hours=5)), ({"by": "2 hours"}, timedelta(hours=2))],
)
def test_a_fork_is_asked_for_as_of_its_moment(call, resource, archived, given, back) -> None:
    kind = "rollback" if "by" in given else "fork"
    answer = call.provision(third(plan="standard-0", options={kind: url(resource)} | given))
    assert answer.status_code == 202, answer.content
    made = Addon.objects.get().resource
    assert (made.forked_from, made.follows, made.attrs["from_backup"]) == (resource, None, str(archived.pk))
    at = made.attrs.get("moment")
    assert (at is None) == (back is None)
    if at and back:
        assert abs(timezone.now() - back - datetime.fromisoformat(at)) < timedelta(minutes=5)
    assert made.credentials.get().secret != "s:e/c"


@pytest.mark.parametrize(
    ("given", "plan", "helps"),
    [
        ({"by": "9 days"}, "standard-0", "outside the range that can be restored"),
        ({"by": "2 hours"}, "starter-0", "no production plan"),
    ],
)
def test_a_copy_that_can_not_be_is_refused(call, resource, archived, given, plan, helps) -> None:
    sent = third(plan=plan, options={"rollback": url(resource)} | given)
    assert helps in problem(call.provision(sent), 422)
    assert not Addon.objects.exists()


def test_a_name_of_anothers_is_refused_over_http(call, resource) -> None:
    assert "URL" in problem(call.provision(third(options={"fork": "calm-otter-7"})), 422)
    assert not Addon.objects.exists()
