"""Thinking about looks with a clock of the test's own: doubt before verdict, and no verdict over a blip."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from fleet import context, ring
from fleet.rules import GO
from fleet.states import AVAILABLE, DOWN, UNCERTAIN, move
from herdsite import beat
from observations.probes.table import PROBES
from observations.record import Look
from tests import factories
from tests.herd import again, change

pytestmark = pytest.mark.django_db
T0 = datetime(2031, 3, 30, 12, 0, tzinfo=UTC)
HERE, NEXT, THERE = "here/1", "here/2", "there/1"

SILENT = {"service_available": "false", "service_why": "no answer in time"}
NO_HOST = {"ssh": "false", "ssh_why": "no answer in time"}
DEAD = SILENT | {"ssh": "true", "postmaster": "false", "boot_id": "cafe"}
WELL = {"service_available": "true"}


@dataclass
class Watched:
    """One thing, looked at by the seconds. What a beat would leave on the row is left there; nothing waits."""

    member: Any
    rows: list[int] = field(default_factory=list)

    def look(self, at: float, attrs: dict[str, str | None], vantage: str = HERE) -> beat.Thought:
        now = T0 + timedelta(seconds=at)
        member = again(self.member)
        claim = ring.Claim(uuid4(), [member.pk], now)
        loaded = context.load_one(member, vantage, claim)
        look = Look(member.KIND, member.pk, now, 1.0, False, attrs, dict.fromkeys(probe.name for probe in PROBES))
        thought = beat.ponder(loaded, claim, look, vantage)
        change(member, evidence=thought.evidence, facts=thought.known)
        if thought.rule.then.kind == GO:
            change(member, state=move(member.KIND, thought.rule.then.name).target)
        self.rows.append(thought.rule.row)
        return thought

    def stay(self, begin: int, end: int, attrs: dict[str, str | None], vantage: str) -> list[str]:
        """Looks as close as those of a doubt are; what each did."""
        return [self.look(float(at), attrs, vantage).rule.then.kind for at in range(begin, end, 5)]

    @property
    def state(self) -> str:
        return again(self.member).state


@pytest.fixture
def sighted() -> None:
    """Each place has seen something well in the meantime: the vantages are not blind."""
    for vantage in (HERE, THERE):
        at = T0 + timedelta(hours=1)
        factories.instance(vantage=vantage, seen_at=at, felt_at=at)


def instance(plan: str = "standard-0", **fields: Any) -> Watched:
    return Watched(factories.instance(**{"plan": factories.plan(plan), "attrs": {"boot_id": "cafe"}} | fields))


def doubted(watched: Watched, attrs: dict = SILENT) -> Watched:
    watched.look(0.0, attrs)
    assert watched.state == UNCERTAIN
    return watched


def test_one_failed_look_is_only_a_doubt() -> None:
    one = instance()
    thought = one.look(0.0, SILENT)
    assert (thought.rule.row, one.state) == (301, UNCERTAIN)
    assert thought.evidence == {
        "since": T0.timestamp(),
        "sql": {HERE: {"at": T0.timestamp(), "why": "no answer in time"}},
    }


def test_proof_of_death_needs_no_second_look_and_no_time() -> None:
    one = doubted(instance())
    assert one.look(0.1, DEAD, NEXT).rule.row == 313
    assert one.state == DOWN


def test_it_comes_back_when_it_answers() -> None:
    one = doubted(instance())
    one.look(0.1, DEAD, NEXT)
    thought = one.look(9.0, WELL)
    assert (thought.rule.row, one.state, thought.evidence) == (311, AVAILABLE, {})


@pytest.mark.usefixtures("sighted")
def test_silence_from_several_sides_for_long_enough_is_a_verdict() -> None:
    one = doubted(instance(), SILENT | NO_HOST)
    assert one.look(10.0, SILENT | NO_HOST, NEXT).rule.then.kind != GO
    assert one.look(19.9, SILENT | NO_HOST, NEXT).rule.then.kind != GO
    assert one.look(20.0, SILENT | NO_HOST, HERE).rule.row == 315
    assert one.state == DOWN


@pytest.mark.usefixtures("sighted")
def test_one_worker_alone_gives_no_verdict() -> None:
    one = doubted(instance(), SILENT | NO_HOST)
    assert one.look(500.0, SILENT | NO_HOST).rule.then.kind != GO


@pytest.mark.usefixtures("sighted")
def test_sql_alone_gives_no_verdict() -> None:
    one = doubted(instance())
    assert GO not in one.stay(5, 60, SILENT, NEXT)
    assert one.look(60.0, SILENT | {"ssh": "true", "postmaster": "true"}, NEXT).rule.row == 315


def test_who_may_be_blind_himself_gives_no_verdict() -> None:
    one = doubted(instance(), SILENT | NO_HOST)
    thought = one.look(500.0, SILENT | NO_HOST, NEXT)
    assert thought.facts["vantage_sees"] is False
    assert one.state == UNCERTAIN


def test_a_host_that_answers_shows_that_one_is_not_blind() -> None:
    one = doubted(instance())
    thought = one.look(500.0, SILENT | {"ssh": "true", "postmaster": "true"}, NEXT)
    assert thought.facts["vantage_sees"] is True


@pytest.mark.usefixtures("sighted")
def test_a_good_look_in_between_begins_the_doubt_anew() -> None:
    one = doubted(instance(), SILENT | NO_HOST)
    one.look(19.0, WELL, NEXT)
    one.look(19.5, SILENT | NO_HOST)
    assert one.look(21.0, SILENT | NO_HOST, NEXT).facts["doubt_s"] == pytest.approx(1.5, abs=0.1)
    assert one.state == UNCERTAIN


def blip(kind: str, plan: str) -> tuple[Watched, float]:
    """A thing of that kind, and how long a blip of it may last."""
    offer = factories.plan(plan)
    resource = factories.resource(plan=offer, instance=factories.instance(plan=offer))
    herd = {"resource": resource, "instance": resource.instance, "server": resource.instance.server}
    window = max(20.0, offer.doubt_s) if kind == "server" else offer.doubt_s
    return Watched(herd[kind]), window


@pytest.mark.thorough
@pytest.mark.usefixtures("sighted")
@pytest.mark.parametrize("kind", ["server", "instance", "resource"])
@pytest.mark.parametrize("plan", ["premium-0", "standard-0", "starter-0"])
@pytest.mark.parametrize("seed", range(3))
def test_a_blip_shorter_than_the_doubt_window_never_gets_further_than_uncertain(
    kind: str, plan: str, seed: int
) -> None:
    chance = random.Random(seed)
    one, window = blip(kind, plan)
    for at in sorted(chance.uniform(0, window - 0.001) for _ in range(12)):
        one.look(at, {**SILENT, **NO_HOST, "machine": None}, chance.choice([HERE, NEXT, THERE]))
        assert one.state == UNCERTAIN
    one.look(window + 5, WELL | {"ssh": "true"}, THERE)
    assert one.state == AVAILABLE


@pytest.mark.usefixtures("sighted")
@pytest.mark.parametrize("kind", ["server", "instance", "resource"])
@pytest.mark.parametrize("plan", ["premium-0", "standard-0", "starter-0"])
def test_silence_longer_than_the_doubt_window_gets_further(kind: str, plan: str) -> None:
    one, window = blip(kind, plan)
    if kind == "server":
        change(one.member.instances.get(), state=UNCERTAIN)
    one.look(0.0, SILENT | NO_HOST, NEXT)
    one.stay(1, int(window), SILENT | NO_HOST, HERE)
    one.look(window, SILENT | NO_HOST, HERE)
    assert one.state == DOWN


@pytest.mark.usefixtures("sighted")
def test_silence_that_nobody_listened_to_is_no_verdict() -> None:
    one = doubted(instance(), SILENT | NO_HOST)
    assert one.look(3_600.0, SILENT | NO_HOST, NEXT).rule.then.kind != GO
    assert one.state == UNCERTAIN


def test_what_is_beneath_explains_a_silence_at_once() -> None:
    resource = factories.resource()
    change(resource.instance, state=DOWN)
    one = doubted(Watched(resource))
    assert one.look(0.1, SILENT).rule.row == 313
    assert one.state == DOWN


def test_a_machine_that_its_provider_calls_stopped_is_down_at_once() -> None:
    one = doubted(Watched(factories.server()), NO_HOST)
    assert one.look(0.1, NO_HOST | {"machine": "paused"}).rule.then.kind != GO
    assert one.look(0.2, NO_HOST | {"machine": "stopped"}).rule.row == 313
    assert one.state == DOWN


def test_a_server_on_which_something_answers_is_not_down() -> None:
    resource = factories.resource()
    one = doubted(Watched(resource.instance.server), NO_HOST)
    at = T0 + timedelta(hours=1)
    change(resource, vantage=HERE, seen_at=at, felt_at=at)
    assert GO not in one.stay(5, 60, NO_HOST, NEXT)
    change(resource.instance, state=DOWN)
    assert one.look(60.0, NO_HOST, NEXT).rule.row == 315


@pytest.mark.parametrize(("boot_id", "row"), [("cafe", 325), ("beef", 321)])
def test_only_a_host_that_rebooted_gets_its_postgres_started_by_us(boot_id: str, row: int) -> None:
    one = instance(state=DOWN, facts={"boot_id": boot_id})
    thought = one.look(0.0, DEAD | {"boot_id": boot_id, "job": "none"})
    assert thought.facts["rebooted"] is (boot_id == "beef")
    assert thought.rule.row == row


def test_a_job_that_was_named_after_another_boot_is_not_known() -> None:
    one = instance(state=DOWN, facts={"boot_id": "cafe"})
    first = one.look(0.0, DEAD | {"boot_id": "beef", "job": "done"})
    assert (first.facts["job"], first.rule.then.kind != GO) == (None, True)
    assert one.look(0.1, DEAD | {"boot_id": "beef", "job": "none"}).rule.row == 321


def test_a_job_that_nobody_named_is_not_known() -> None:
    assert instance().look(0.0, WELL | {"job": "none"}).facts["job"] is None


@pytest.mark.parametrize("state", [AVAILABLE, UNCERTAIN, DOWN])
def test_what_nobody_could_look_at_moves_nothing(state: str) -> None:
    one = instance(state=state, facts={"service_available": "true"})
    thought = one.look(0.0, {"look_failed": "it was dark"})
    assert thought.facts["service_available"] is None
    assert (thought.rule.row, one.state) == (901, state)


def test_pondering_changes_nothing(django_assert_num_queries) -> None:
    member = again(instance().member)
    claim = ring.Claim(uuid4(), [member.pk], T0)
    loaded = context.load_one(member, HERE, claim)
    look = Look(member.KIND, member.pk, T0, 1.0, False, SILENT, {})
    with django_assert_num_queries(0):
        beat.ponder(loaded, claim, look, HERE)
    assert again(member).state == AVAILABLE
