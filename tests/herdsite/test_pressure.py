"""The clock's reading of shared lock tables: who is over his share, what is written down, and whose beat is due."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from fleet import context, policy, ring, tenants
from fleet.models import Credential, Instance, Resource
from fleet.transports.base import Database, Refused, Unreachable
from herdsite import pressure
from herdsite.pressure import Line
from tests import factories
from tests.herd import again, change

AT = Database("127.0.0.1", 5432, "postgres", "watch", "secret")
ANNA, BERT = {"database": 7, "role": 70}, {"database": 8, "role": 80}
TENANTS = [{"database": 7, "name": "anna", "owner": 70}, {"database": 8, "name": "bert", "owner": 80}]


@dataclass
class Held:
    """A held session that answers what it is told, in turn; `full` refuses all but what it is prepared for."""

    holders: list[dict[str, Any]]
    error: Exception | None = None
    full: bool = False
    asked: list[str] = field(default_factory=list)
    closed: bool = False

    def fetch(self, statements: list[str], _timeout: float) -> list[list[dict[str, Any]]]:
        self.asked += statements
        if self.error:
            raise self.error
        if "pg_lock_status" in statements[0]:
            return [self.holders]
        if self.full:
            raise Refused("out of shared memory", pressure.NO_LOCKS)
        return [TENANTS if "datname" in statements[0] else []]

    def close(self) -> None:
        self.closed = True


def line(held: Held | None = None) -> Line:
    return Line(uuid4(), AT, 17, held, held is not None, {7: ("anna", 70), 8: ("bert", 80)})


def never(_database: Database, _timeout: float) -> Any:
    raise AssertionError("nobody asked for another session")


def holding(locks: int, of: dict[str, int] = ANNA) -> dict[str, int]:
    return of | {"locks": locks, "slots": 1000}


def test_only_who_is_over_his_share_is_named() -> None:
    held = Held([holding(900), holding(250, BERT)])
    assert pressure.read(line(held), never) == {"anna": 90.0}
    assert pressure.read(line(Held([holding(251), holding(251, BERT)])), never) == {"anna": 25.1, "bert": 25.1}


def test_what_herdsite_itself_locks_to_dump_a_database_is_not_its_owners() -> None:
    assert pressure.read(line(Held([holding(900, {"database": 7, "role": 99})])), never) == {}


def test_a_session_that_is_refused_for_want_of_locks_makes_room_for_another_at_once() -> None:
    cold, fresh = Held([], Refused("out of shared memory", pressure.NO_LOCKS)), Held([holding(900)], full=True)
    fresh.full = False
    one = line(cold)
    assert pressure.read(one, lambda _database, _timeout: fresh) == {"anna": 90.0}
    assert cold.closed and one.held is fresh


@pytest.mark.parametrize("error", [Unreachable("no answer in time"), Refused("no", "42501")])
def test_what_can_t_be_read_is_not_known(error: Exception) -> None:
    held = Held([], error)
    one = line(held)
    assert pressure.read(one, never) is None
    assert held.closed and one.held is None


def test_a_full_table_names_its_holder_by_what_was_known_before() -> None:
    """Whose databases those are is not asked then, since that takes locks."""
    held = Held([holding(1900)], full=True)
    assert pressure.read(line(held), never) == {"anna": 190.0}
    assert not any("datname" in statement for statement in held.asked)


@pytest.mark.parametrize(
    ("holders", "named"),
    [
        ([holding(240), holding(200, BERT)], {"anna": 24.0}),
        ([holding(200), holding(240, BERT)], {"bert": 24.0}),
        ([holding(240, BERT), holding(240)], {"anna": 24.0}),
        ([holding(300), holding(240, BERT)], {"anna": 30.0}),
        ([holding(900, {"database": 7, "role": 99}), holding(10, BERT)], {"bert": 1.0}),
        ([holding(900, {"database": 7, "role": 99})], {}),
    ],
)
def test_on_a_full_table_that_nobody_holds_alone_who_holds_most_is_named(holders, named) -> None:
    """One alone, and no role of herdsite's own; on a table with room nobody is."""
    assert pressure.read(line(Held(holders, full=True)), never) == named
    over = {name: share for name, share in named.items() if share > policy.LOCK_SHARE_PCT}
    assert pressure.read(line(Held(holders)), never) == over


pytest_db = pytest.mark.django_db


@pytest_db
def test_only_shared_leaders_are_held() -> None:
    shared = factories.instance(plan=factories.plan("starter-0"), server=factories.server(address="127.0.0.9"))
    own = factories.instance(plan=factories.plan("premium-0"), server=factories.server(address="127.0.0.8"))
    for one in (shared, own):
        Credential.objects.create(purpose=Credential.MONITOR, instance=one, role="m", secret="s")
    lines: dict[Any, Line] = {}
    pressure.refresh(lines)
    assert set(lines) == {shared.pk}
    held = lines[shared.pk].held = Held([])
    pressure.refresh(lines)
    assert lines[shared.pk].held is held and not held.closed
    change(shared, state="down")
    pressure.refresh(lines)
    assert lines == {} and held.closed


@pytest.fixture
def tenant() -> Resource:
    starter = factories.plan("starter-0")
    instance = factories.instance(plan=starter)
    neighbour = factories.resource(instance=instance, plan=starter, dbname="bert")
    made = factories.resource(instance=instance, plan=starter, dbname="anna")
    for one in (made, neighbour):
        change(one, due_at=Now() + timedelta(minutes=1))
    return again(made)


def lock_pct(resource: Resource) -> float | None:
    claim = ring.Claim(uuid4(), [resource.pk], again(resource).created_at)
    claim = ring.Claim(claim.lease, claim.ids, claim.now)
    return context.load_one(again(resource), "test/1", claim).facts.get("lock_pct")


@pytest_db
def test_a_reading_is_kept_until_it_changes_and_the_database_is_looked_at(tenant: Resource) -> None:
    instance, neighbour = tenant.instance, Resource.objects.get(dbname="bert")
    one = Line(instance.pk, AT, 17)
    pressure.note(one, {})
    assert tenants.READING not in again(instance).attrs
    pressure.note(one, {"anna": 90.0})
    assert (lock_pct(tenant), lock_pct(neighbour)) == (90.0, 0.0)
    assert again(tenant).due_at < tenant.due_at
    assert again(neighbour).due_at >= tenant.due_at - timedelta(seconds=5)
    pressure.note(one, None)
    assert lock_pct(tenant) == 90.0
    pressure.note(one, {})
    assert lock_pct(tenant) == 0.0


@pytest_db
def test_an_old_reading_says_nothing_of_whom_it_names(tenant: Resource) -> None:
    tenants.note(tenant.instance_id, {"anna": 90.0}, policy.LOCKS_FRESH_S + 1)
    assert (lock_pct(tenant), lock_pct(Resource.objects.get(dbname="bert"))) == (None, 0.0)


@pytest_db
def test_a_clock_that_begins_clears_what_the_last_one_has_left(tenant: Resource) -> None:
    instance = Instance.objects.get(pk=tenant.instance_id)
    change(instance.server, address="127.0.0.9")
    Credential.objects.create(purpose=Credential.MONITOR, instance=instance, role="m", secret="s")
    tenants.note(instance.pk, {"anna": 90.0}, 9000.0)
    lines: dict[Any, Line] = {}
    pressure.refresh(lines)
    pressure.note(lines[instance.pk], {})
    assert lock_pct(tenant) == 0.0
