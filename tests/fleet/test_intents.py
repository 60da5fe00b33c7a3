"""Asking: what may be asked of whom, what a refusal says, and that asking twice asks once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from fleet import intake, intents
from fleet.intents import AskError, ask
from fleet.models import Credential, Event, Intent, Plan, Resource, Server
from fleet.states import AVAILABLE, CREATING, DESTROYED, DESTROYING
from tests import factories
from tests.herd import again, offer

pytestmark = pytest.mark.django_db
SURE = {"actor": "anna", "reason": "no longer wanted"}


def create(**fields) -> Resource:
    given = {"customer": factories.customer(), "plan": "standard-0", "actor": "anna"} | fields
    return intents.create_resource(given.pop("customer"), given.pop("plan"), **given)


def test_an_asking_is_written_down() -> None:
    one = factories.instance()
    intent = ask(one, "restart", actor="anna", reason="it is slow")
    row = again(intent)
    assert (row.kind, row.subject, row.name, row.verb) == ("instance", one.pk, one.name, "restart")
    assert (row.state, row.actor, row.reason, row.params) == ("open", "anna", "it is slow", {})


def test_who_is_asked_beats_at_once(django_capture_on_commit_callbacks) -> None:
    one = factories.instance()
    type(one).objects.update(due_at="2100-01-01T00:00Z")
    with django_capture_on_commit_callbacks(execute=True):
        ask(one, "restart", actor="anna")
    assert type(one).objects.filter(pk=one.pk, due_at__lte=Now()).exists()


@pytest.mark.parametrize(
    ("kind", "verb", "knows"),
    [
        ("server", "restart", "retire, keep, destroy"),
        ("instance", "explode", "restart, stop, start"),
        ("resource", "retry", "restart"),
    ],
)
def test_a_verb_that_there_is_not_is_refused_with_those_there_are(kind: str, verb: str, knows: str) -> None:
    with pytest.raises(AskError, match=f"can't be asked to '{verb}'. Choose one of: {knows}"):
        ask(getattr(factories, kind)(), verb, actor="anna")


@pytest.mark.parametrize("confirm", ["", "another", "SHOP", "shop "])
def test_destroying_wants_the_name_typed(confirm: str) -> None:
    one = factories.resource(name="shop")
    with pytest.raises(AskError, match="To destroy shop, type its name to confirm"):
        ask(one, "destroy", confirm=confirm, **SURE)
    assert not Intent.objects.exists()


@pytest.mark.parametrize("reason", ["", "   "])
def test_destroying_wants_a_reason(reason: str) -> None:
    one = factories.resource(name="shop")
    with pytest.raises(AskError, match="To destroy shop, give a reason"):
        ask(one, "destroy", confirm="shop", actor="anna", reason=reason)
    assert not Intent.objects.exists()


def test_a_destroy_with_all_that_it_wants() -> None:
    one = factories.resource(name="shop")
    assert ask(one, "destroy", confirm="shop", **SURE).verb == "destroy"


@pytest.mark.parametrize("state", [DESTROYING, DESTROYED])
def test_nothing_is_asked_of_what_goes_or_is_gone(state: str) -> None:
    one = factories.instance(state=state)
    with pytest.raises(AskError, match="nothing can be asked of it any more"):
        ask(one, "restart", actor="anna")


def test_only_what_still_goes_can_be_tried_again() -> None:
    assert ask(factories.instance(state=DESTROYING), "retry", actor="anna").verb == "retry"
    with pytest.raises(AskError, match="nothing can be asked of it any more"):
        ask(factories.instance(state=DESTROYED), "retry", actor="anna")


def test_a_server_with_instances_is_not_destroyed() -> None:
    one = factories.instance()
    with pytest.raises(AskError, match="1 instance.s. are on"):
        ask(one.server, "destroy", confirm=one.server.name, **SURE)


@pytest.mark.parametrize("state", [DESTROYING, DESTROYED])
def test_a_server_whose_instances_all_go_may_go_with_them(state: str) -> None:
    one = factories.instance(state=state)
    assert ask(one.server, "destroy", confirm=one.server.name, **SURE).verb == "destroy"


def test_an_instance_with_resources_is_not_destroyed() -> None:
    one = factories.resource()
    with pytest.raises(AskError, match="1 resource.s. are on"):
        ask(one.instance, "destroy", confirm=one.instance.name, **SURE)


@pytest.mark.parametrize("verb", ["restart", "stop", "start"])
def test_a_starter_can_not_ask_for_what_its_neighbours_would_feel(verb: str) -> None:
    starter = factories.resource(plan=factories.plan("starter-0"))
    with pytest.raises(AskError, match=f"shares its instance with others: ask its instance {starter.instance}"):
        ask(starter, verb, actor="anna")


def test_the_same_key_is_the_same_asking() -> None:
    one = factories.instance()
    first = ask(one, "restart", actor="anna", key="k1")
    assert ask(one, "restart", actor="anna", key="k1") == first
    assert ask(one, "restart", actor="anna", key="k2") != first
    assert ask(one, "restart", actor="anna") != ask(one, "restart", actor="anna")


def test_a_key_is_not_good_for_something_else() -> None:
    one = factories.instance()
    ask(one, "restart", actor="anna", key="k1")
    with pytest.raises(AskError, match="belongs to another asking: restart"):
        ask(one, "stop", actor="anna", key="k1")
    with pytest.raises(AskError, match=f"belongs to what was asked of {one.name}"):
        ask(factories.instance(), "restart", actor="anna", key="k1")
    with pytest.raises(AskError, match="belongs to another asking"):
        create(key="k1")
    with pytest.raises(AskError, match="belongs to another asking"):
        intents.create_server("herd-a-1", actor="anna", key="k1")


def test_a_key_has_an_end() -> None:
    with pytest.raises(AskError, match="at most 120 characters"):
        ask(factories.instance(), "restart", actor="anna", key="k" * 121)


def test_what_is_handed_down_is_asked_once_for_the_same_person() -> None:
    one = factories.resource()
    intent = ask(one, "restart", actor="anna", reason="it is slow")
    child = intake.hand_down(one.instance, intent)
    assert intake.hand_down(one.instance, intent) == child
    assert (child.subject, child.verb, child.actor, child.parent) == (one.instance.pk, "restart", "anna", intent)


def test_a_new_resource_is_a_row_a_credential_an_intent_and_a_story() -> None:
    one = create(name="shop", zone="b", reason="opening soon", key="k1")
    row = again(one)
    assert (row.name, row.state, row.queue, row.instance, row.zone) == ("shop", CREATING, "work", None, "b")
    assert row.due_at is not None
    credential = Credential.objects.get(resource=one)
    assert (credential.purpose, len(credential.secret) > 20) == (Credential.OWNER, True)
    assert Intent.objects.get(subject=one.pk).verb == "create"
    assert Event.objects.get(subject=one.pk).why == "opening soon"


def test_a_name_is_drawn_where_none_is_given() -> None:
    assert create().name != create().name


def test_a_name_that_is_taken_is_drawn_anew(monkeypatch) -> None:
    factories.server(name="calm-otter-11")
    draws = iter(["calm-otter-11", "brave-lynx-12"])
    monkeypatch.setattr("fleet.names.fresh", lambda: next(draws))
    assert create().name == "brave-lynx-12"


@pytest.mark.parametrize("plan", ["gigantic-9", "", "starter-1"])
def test_a_plan_that_is_not_offered_is_refused_with_those_that_are(plan: str) -> None:
    Plan.objects.filter(name="starter-1").update(offered=False)
    with pytest.raises(AskError, match=f"There is no plan '{plan}'. Choose one of: .*standard-0") as refused:
        create(plan=plan)
    assert "starter-1," not in str(refused.value)
    assert not Resource.objects.exists()


@pytest.mark.parametrize("kind", ["server", "instance", "resource"])
def test_a_name_belongs_to_one_thing_of_whatever_kind(kind: str) -> None:
    getattr(factories, kind)(name="shop")
    with pytest.raises(AskError, match=f"There is a {kind} named 'shop' already. Choose another name"):
        create(name="shop")
    with pytest.raises(AskError, match=f"There is a {kind} named 'shop' already"):
        intents.create_server("shop", actor="anna")


def test_a_name_stays_with_what_had_it() -> None:
    factories.resource(name="shop", state=DESTROYED)
    with pytest.raises(AskError, match="already"):
        create(name="shop")


@pytest.mark.parametrize("name", ["Shop", "shop front", "9lives", "a" * 64, "shop'; DROP TABLE"])
def test_a_name_that_can_not_be_is_refused_in_words(name: str) -> None:
    with pytest.raises(AskError, match="^name: "):
        create(name=name)
    assert not Resource.objects.exists()


def test_a_server_is_asked_for_likewise() -> None:
    one = intents.create_server("herd-a-1", actor="anna", zone="c", disk_mb=9_000, capacity=2)
    row = again(one)
    assert (row.name, row.state, row.zone, row.disk_mb, row.capacity) == ("herd-a-1", CREATING, "c", 9_000, 2)
    assert Intent.objects.get(subject=one.pk).verb == "create"


def test_a_provider_that_there_is_not_is_refused() -> None:
    with pytest.raises(AskError, match=r"There is no provider 'moon'\. Choose one of: local, ssh"):
        intents.create_server("herd-a-1", actor="anna", provider="moon")


@pytest.mark.parametrize("fields", [{"disk_mb": -1}, {"capacity": -3}])
def test_numbers_that_can_not_be_are_refused_in_words(fields: dict) -> None:
    with pytest.raises(AskError, match=f"^{next(iter(fields))}: "):
        intents.create_server("herd-a-1", actor="anna", **fields)
    assert not Server.objects.exists()


def test_the_same_key_creates_once() -> None:
    customer = factories.customer()
    one = create(customer=customer, key="k1")
    assert create(customer=customer, key="k1") == one
    assert Resource.objects.count() == 1
    server = intents.create_server("herd-a-1", actor="anna", key="k2")
    assert intents.create_server("herd-a-1", actor="anna", key="k2") == server


@pytest.mark.parametrize("verb", ["restart", "rotate", "dump"])
@pytest.mark.parametrize("state", ["open", "done"])
def test_who_asks_for_the_same_is_told_who_asked_when(verb: str, state: str) -> None:
    one = factories.resource(name="shop")
    first = ask(one, verb, actor="anna")
    Intent.objects.filter(pk=first.pk).update(state=state, asked_at=Now() - timedelta(seconds=14))
    done = "under way" if state == "open" else "done"
    with pytest.raises(AskError, match=f"^anna asked to {verb} shop 14 s ago, and that is {done}. .* `again`"):
        ask(one, verb, actor="bert")
    assert ask(one, verb, actor="bert", again=True) != first


@pytest.mark.parametrize(("state", "ago_s"), [("refused", 1), ("cancelled", 1), ("done", 61)])
def test_what_came_to_nothing_or_is_long_done_is_asked_for_anew(state: str, ago_s: int) -> None:
    one = factories.instance()
    first = ask(one, "restart", actor="anna")
    Intent.objects.filter(pk=first.pk).update(state=state, asked_at=Now() - timedelta(seconds=ago_s))
    assert ask(one, "restart", actor="bert") != first


def test_a_database_and_its_own_instance_are_restarted_together() -> None:
    one = factories.resource(name="shop")
    ask(one.instance, "restart", actor="anna")
    with pytest.raises(AskError, match="^anna asked to restart shop"):
        ask(one, "restart", actor="bert")


def test_a_leader_that_moved_a_moment_ago_is_not_moved_again() -> None:
    one = factories.resource(name="shop", plan=factories.plan("premium-0"))
    factories.instance(standby_for=one, role="standby", upstream=one.instance)
    factories.changeover(resource=one, reason="failover", actor="", state="done")
    with pytest.raises(AskError, match="^herdsite asked to failover shop 0 s ago, and that is done"):
        ask(one, "failover", actor="bert")


def side_by_side(work) -> list:
    start = threading.Barrier(4)

    def one(_n: int):
        try:
            start.wait()
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, range(4)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["", "shop"])
def test_the_same_key_at_the_same_moment_asks_once(name: str) -> None:
    offer()
    customer = factories.customer()
    made = side_by_side(lambda: create(customer=customer, name=name, key="k1").pk)
    assert len(set(made)) == 1
    assert Resource.objects.count() == Credential.objects.count() == 1
    instance = factories.instance()
    asked = side_by_side(lambda: ask(instance, "restart", actor="anna", key="k2").pk)
    assert len(set(asked)) == 1
    assert Event.objects.filter(subject=instance.pk).count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_name_at_the_same_moment_is_given_once() -> None:
    offer()
    customer = factories.customer()

    def attempt() -> str:
        try:
            return create(customer=customer, name="shop").name
        except AskError as error:
            return str(error)

    told = sorted(side_by_side(attempt))
    assert told[3] == "shop"
    assert all("already" in words for words in told[:3])
    assert Resource.objects.filter(name="shop", state=CREATING).count() == 1
    assert Intent.objects.count() == 1
    assert again(factories.server()).state == AVAILABLE
