"""What a beat knows from our own database, and that a whole batch costs a handful of queries."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from fleet import certificates, context, intake, lifecycle, policy, ring
from fleet.facts import FACTS
from fleet.models import Credential, Intent
from fleet.postgres.config import MONITOR
from fleet.states import AVAILABLE, CREATING, DESTROYED, DESTROYING, DOWN, UNCERTAIN
from fleet.transports.base import Database, Host
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due
from tests.premiumworld import premium

pytestmark = pytest.mark.django_db
HERE = "here/1"


def now() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def load(member, vantage: str = HERE) -> context.Loaded:
    one = again(member)
    return context.load_one(one, vantage, ring.Claim(one.pk, [one.pk], now()))


def known(member, name: str, vantage: str = HERE) -> Any:
    assert name in FACTS
    return load(member, vantage).facts[name]


def server(**fields):
    given = {"address": "127.20.0.1", "ssh_port": 2222, "ssh_user": "herdsite", "host_key": "ssh-ed25519 AAAA"}
    return factories.server(**(given | {"home": "/srv/herdsite", "pg": {"17": "/pg/17/bin"}} | fields))


def test_a_server_as_it_is_felt() -> None:
    one = server(zone="b", bind="127.21.0.1", facts={"load1": "0.5"}, probed={"reach": 5.0})
    subject = load(one).subject
    assert (subject.kind, subject.id, subject.name, subject.state) == ("server", one.pk, one.name, AVAILABLE)
    assert subject.host == Host(one.name, "127.20.0.1", 2222, "herdsite", "ssh-ed25519 AAAA")
    assert (subject.provider, subject.zone, subject.home, subject.bind) == ("local", "b", "/srv/herdsite", "127.21.0.1")
    assert (subject.known, subject.probed) == ({"load1": "0.5"}, {"reach": 5.0})
    assert subject.database is None


def test_a_host_whose_key_is_not_pinned_is_not_gone_to() -> None:
    one = server(host_key="")
    assert load(one).subject.host is None
    assert known(one, "host_key") is False


def test_an_instance_as_it_is_felt() -> None:
    one = factories.instance(server=server(), name="shop-1", port=5433)
    Credential.objects.create(purpose=Credential.MONITOR, instance=one, role=MONITOR, secret="watching")
    subject = load(one).subject
    assert subject.database == Database("127.20.0.1", 5433, "postgres", MONITOR, "watching")
    assert (subject.bin, subject.data) == ("/pg/17/bin", "/srv/herdsite/instances/shop-1/data")
    assert (subject.major, subject.port, subject.socket) == (17, 5433, one.socket)
    assert subject.host == one.server.host()


def test_an_instance_without_a_monitor_or_an_address_is_not_looked_into() -> None:
    assert load(factories.instance(server=server())).subject.database is None
    one = factories.instance(server=server(address=""))
    Credential.objects.create(purpose=Credential.MONITOR, instance=one, role=MONITOR, secret="watching")
    assert load(one).subject.database is None


def test_a_resource_is_felt_as_its_customer_would() -> None:
    one = factories.resource(instance=factories.instance(server=server(), port=5433), dbname="dshop")
    assert load(one).subject.database == Database("127.20.0.1", 5433, "dshop", "udshop", "not for anyone")


def test_a_resource_without_a_place() -> None:
    one = factories.resource(instance=None, state=CREATING)
    assert known(one, "placed") is False
    assert load(one).subject.database is None
    assert "instance_state" not in load(one).facts


def test_states_of_the_neighbours() -> None:
    one = factories.resource(instance=factories.instance(server=server(state=DOWN), state=UNCERTAIN))
    assert (known(one, "instance_state"), known(one, "server_state")) == (UNCERTAIN, DOWN)
    assert known(one.instance, "server_state") == DOWN


def test_who_lives_on_a_thing() -> None:
    on = server()
    first = factories.instance(server=on)
    factories.instance(server=on, state=DESTROYED)
    going = factories.instance(server=on, state=DESTROYING)
    factories.resource(instance=first)
    factories.resource(instance=first, state=DESTROYED)
    assert known(on, "members") == 1
    assert known(on, "members_answer") is True
    assert (known(first, "members"), known(going, "members")) == (1, 0)
    change(first, state=DOWN)
    assert known(on, "members_answer") is False


def test_an_instance_is_as_important_as_the_hastiest_on_it() -> None:
    one = factories.instance(server=server(), plan=factories.plan("starter-0"))
    assert (load(one).beat_s, known(one, "doubt_window_s")) == (60, 60)
    factories.resource(instance=one, plan=factories.plan("standard-0"))
    hasty = factories.resource(instance=one, plan=factories.plan("premium-0"))
    assert (load(one).beat_s, known(one, "doubt_window_s")) == (1, 2.5)
    change(hasty, state=DESTROYED)
    assert (load(one).beat_s, known(one, "doubt_window_s")) == (15, 20)


def test_a_server_is_as_patient_as_the_most_patient_on_it() -> None:
    on = server()
    assert known(on, "doubt_window_s") == policy.SERVER_DOUBT_S
    factories.instance(server=on, plan=factories.plan("premium-0"))
    assert known(on, "doubt_window_s") == policy.SERVER_DOUBT_S
    starters = factories.instance(server=on, plan=factories.plan("starter-0"))
    assert known(on, "doubt_window_s") == 60
    change(starters, state=DESTROYED)
    assert known(on, "doubt_window_s") == policy.SERVER_DOUBT_S


def test_how_long_in_its_state_and_how_often_tried() -> None:
    one = factories.resource(state_since=Now() - timedelta(seconds=90), tries=3, problem="no room")
    assert 90 <= known(one, "state_s") < 9_000
    assert (known(one, "tries"), known(one, "problem")) == (3, "no room")


def ask(member, verb: str, ago_s: float = 0, **fields) -> Intent:
    given = {"kind": member.KIND, "subject": member.pk, "name": member.name, "verb": verb, "actor": "anna"}
    return Intent.objects.create(**given, **fields, asked_at=Now() - timedelta(seconds=ago_s))


def test_the_oldest_asking_counts_and_says_how_long_it_waits() -> None:
    one = factories.instance(server=server())
    assert (known(one, "asked"), known(one, "asked_s")) == (None, None)
    ask(one, "stop", 5)
    oldest = ask(one, "restart", 30)
    ask(one, "start", 60, state=Intent.DONE)
    assert load(one).intent == oldest
    assert known(one, "asked") == "restart"
    assert 30 <= known(one, "asked_s") < 3_000


def test_destroy_counts_before_all_and_create_behind_all() -> None:
    one = factories.instance(server=server(), state=CREATING)
    ask(one, "create", 90)
    assert (known(one, "asked"), known(one, "asked_s")) == ("create", None)
    ask(one, "retry", 60)
    assert known(one, "asked") == "retry"
    ask(one, "destroy", 1)
    assert known(one, "asked") == "destroy"


def test_what_is_being_destroyed_can_be_asked_to_try_again() -> None:
    one = factories.instance(server=server(), state=DESTROYING)
    ask(one, "destroy", 60)
    ask(one, "retry")
    assert known(one, "asked") == "retry"


def test_what_became_of_an_asking_that_was_handed_down() -> None:
    one = factories.resource(instance=factories.instance(server=server()))
    assert known(one, "handed") is None
    intent = ask(one, "restart")
    assert known(one, "handed") == "none"
    child = intake.hand_down(one.instance, intent)
    for state, told in (("open", "open"), ("done", "done"), ("refused", "refused"), ("cancelled", "refused")):
        change(child, state=state)
        assert known(one, "handed") == told


def test_a_shared_instance_is_not_ones_own() -> None:
    assert known(factories.resource(instance=factories.instance(server=server())), "own_instance") is True
    starter = factories.resource(plan=factories.plan("starter-0"), attrs={"dropped": "true"})
    assert (known(starter, "own_instance"), known(starter, "dropped")) == (False, True)


@pytest.mark.parametrize(
    ("fields", "verb", "job"),
    [
        ({"state": CREATING}, None, "shop-1-build"),
        ({"state": CREATING}, "retry", "shop-1-build"),
        ({"state": DESTROYING}, "destroy", "shop-1-destroy"),
        ({"state": AVAILABLE}, None, ""),
        ({"state": DOWN}, None, ""),
        (
            {"state": DOWN, "facts": {"boot_id": "0123-4567-89ab"}, "state_since": datetime(2026, 1, 1, tzinfo=UTC)},
            None,
            "shop-1-start-01234567-1767225600000",
        ),
        ({"state": UNCERTAIN, "facts": {"boot_id": "0123-4567-89ab"}}, None, ""),
    ],
)
def test_the_job_that_the_next_step_hangs_on(fields: dict, verb: str | None, job: str) -> None:
    one = factories.instance(server=server(), name="shop-1", **fields)
    if verb:
        ask(one, verb)
    assert load(one).subject.job == job


@pytest.mark.parametrize("verb", ["restart", "stop", "start"])
def test_each_asking_has_a_job_of_its_own(verb: str) -> None:
    one = factories.instance(server=server(), name="shop-1", state=DOWN, facts={"boot_id": "0123-4567"})
    first = ask(one, verb)
    assert load(one).subject.job == f"shop-1-{verb}-{first.pk.hex[:8]}"
    change(first, state="done")
    second = ask(one, verb)
    assert load(one).subject.job == f"shop-1-{verb}-{second.pk.hex[:8]}"


class TestWhetherOneIsBlindOneself:
    """`vantage_sees` compares the last good look from this place with the beginning of the doubt."""

    @pytest.fixture
    def doubted(self):
        return factories.server(evidence={"since": now().timestamp() - 30})

    def seen(self, vantage: str, ago_s: float, good: bool = True) -> None:
        at = Now() - timedelta(seconds=ago_s)
        felt = at if good else Now()
        factories.instance(server=server(), vantage=vantage, seen_at=at, felt_at=felt)

    def test_nothing_is_asked_while_there_is_no_doubt(self) -> None:
        assert known(factories.server(), "vantage_sees") is None

    def test_who_has_seen_nothing_since_the_doubt_began_may_be_blind(self, doubted) -> None:
        assert known(doubted, "vantage_sees") is False
        self.seen("here/1", ago_s=40)
        assert known(doubted, "vantage_sees") is False

    def test_any_process_at_the_same_place_is_as_good(self, doubted) -> None:
        self.seen("here/77", ago_s=10)
        assert known(doubted, "vantage_sees") is True

    @pytest.mark.parametrize("vantage", ["there/1", "here2/1", "her/1", ""])
    def test_what_others_saw_elsewhere_does_not_count(self, doubted, vantage: str) -> None:
        self.seen(vantage, ago_s=10)
        assert known(doubted, "vantage_sees") is False

    def test_a_look_after_which_a_worse_one_came_does_not_count(self, doubted) -> None:
        self.seen("here/1", ago_s=10, good=False)
        assert known(doubted, "vantage_sees") is False


@pytest.mark.parametrize("kind", ["server", "instance", "resource"])
def test_a_batch_costs_as_many_queries_as_one(kind: str, monkeypatch) -> None:
    def herd(n: int) -> list:
        made = [getattr(factories, kind)(evidence={"since": 5.0}) for _ in range(n)]
        for one in made:
            ask(one, "destroy")
        return [one.pk for one in made]

    def cost(ids: list) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(context.load(kind, ring.Claim(ids[0], ids, now()), HERE)) == len(ids)
        return len(queries)

    # Which CAs are trusted a process asks now and then, and not for each batch.
    monkeypatch.setattr(certificates, "REMEMBERED_S", 3600)
    certificates.trusted()
    assert cost(herd(1)) == cost(herd(8)) <= 6


def test_a_base_backup_is_superseded_once_another_leads() -> None:
    leader = factories.instance()
    backup = factories.backup(timeline=leader.timeline, instance=leader)
    assert known(backup, "superseded") is False
    for after in ({"outdated": True}, {"role": "standby"}, {"timeline": factories.timeline()}):
        change(leader, **after)
        assert known(backup, "superseded") is True
        change(leader, outdated=False, role="leader", timeline=backup.timeline)
    assert known(backup, "superseded") is False


def test_a_logical_backup_is_superseded_once_another_instance_serves_its_database() -> None:
    shop = factories.resource()
    backup = factories.backup(resource=shop, instance=shop.instance, method="logical")
    # A follower's is taken of the follower, which is a standby.
    change(shop.instance, role="standby")
    assert known(backup, "superseded") is False
    change(shop, instance=factories.instance())
    assert known(backup, "superseded") is True


def test_what_is_being_built_is_not_looked_into_and_what_is_rebuilt_is() -> None:
    shop = factories.resource(state=CREATING, instance=factories.instance(server=server(), state=CREATING))
    assert load(shop).subject.database is None
    change(shop.instance, state=AVAILABLE)
    assert load(shop).subject.database is not None
    # A follower that is copied anew keeps its customers out meanwhile, and they are told.
    change(shop.instance, state=CREATING)
    change(shop, state=AVAILABLE)
    assert load(shop).subject.database is not None


@pytest.mark.parametrize("kind", ["server", "instance", "resource"])
def test_what_only_looks_otherwise_is_known_as_if_it_were_read_anew(kind: str) -> None:
    world = premium(FakeHerd())
    member = {"server": world.leader.server, "instance": world.leader, "resource": world.resource}[kind]
    due(member)
    claim = ring.claim(kind, again(member).queue, 1, "here/1")
    (loaded,) = context.load(kind, claim, "here/1")
    for move in ("doubt", "go_down", "come_back"):
        known = {"boot_id": "boot-1", "service_available": "false"}
        lifecycle.move(loaded.member, move, lifecycle.Because(None, "", "test"), claim.lease)
        loaded = context.moved(loaded, claim, known)
        anew = context.load_one(again(member), "here/1", claim, known)
        assert dict(loaded.facts) | {"state_s": 0} == dict(anew.facts) | {"state_s": 0}
        assert replace(loaded.subject, read_at=0.0) == replace(anew.subject, read_at=0.0)
        assert (loaded.intent, loaded.beat_s, loaded.quorum) == (anew.intent, anew.beat_s, anew.quorum)
