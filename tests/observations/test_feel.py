"""Feeling over fakes: what answers is told, what does not is told with its reason, and nothing is made up."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from fleet import policy
from fleet.facts import BOOL, FACTS, FLOAT, INT
from fleet.postgres.statements import statement
from fleet.providers.fake import FakeProvider
from fleet.states import AVAILABLE, CREATING, DOWN, UNCERTAIN
from fleet.subject import INSTANCE, RESOURCE, SERVER, Subject
from fleet.transports.base import Database, Host, Refused, Result, Unreachable
from fleet.transports.fake import FakeShell, FakeSql, Ran, World, at
from observations.feel import carried, feel
from observations.probes.base import SQL
from observations.probes.table import PROBES
from observations.record import Look
from tests.fakeherd import FakeHerd

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOST = Host("herd-a-1", "198.51.100.1", 2222, "herdsite", "ssh-ed25519 AAAA")
MONITOR = Database("198.51.100.1", 5432, "postgres", "herdsite_monitor", "watching")
OWNER = Database("198.51.100.1", 5432, "dshop", "ushop", "owning")
PLACE = at(MONITOR)
ALIVE = {"service_available": True, "in_recovery": False, "version": 170010, "connections": 7, "read_only": False}


class Herd:
    """One host, one PostgreSQL and one provider, all well."""

    def __init__(self) -> None:
        self.world, self.provider = World(), FakeProvider()
        self.broken: dict[str, Exception] = {}
        self.ports = replace(
            FakeHerd().ports, shell=self.shell, sql=FakeSql(self.world), provider=lambda _name: self.provider
        )
        self.world.on(lambda ran: ran.argv[:2] == ("sh", "-c"), self.answer)
        for database in (MONITOR, OWNER):
            self.world.serve(database, self.rows)
        self.provider.create(HOST.name, "a", 1_000)

    def shell(self, host: Host) -> FakeShell:
        return FakeShell(host, self.world)

    def rows(self, asked: str) -> list[dict[str, Any]]:
        for name, error in self.broken.items():
            if asked == statement(name, 17):
                raise error
        return [dict(ALIVE)]

    def answer(self, ran: Ran) -> Result:
        lines = ["=== host", "ssh=true", "boot_id=cafe", "postmaster=true", "data_dir=true", "job=none"]
        lines += ["=== reach", "boot_id=cafe", "load1=0.25", "nonsense", "cpus=2"]
        return Result(0, "\n".join(lines), "", 0.01)

    def feel(self, subject: Subject, **fields: Any) -> Look:
        return feel(subject, self.ports, **fields)


@pytest.fixture
def herd() -> Herd:
    return Herd()


def subject(kind: str, state: str = AVAILABLE, **fields: Any) -> Subject:
    where = {SERVER: {"host": HOST}, INSTANCE: {"host": HOST, "database": MONITOR}, RESOURCE: {"database": OWNER}}[kind]
    return Subject(kind, uuid4(), HOST.name, state, NOW, **({"major": 17, **where} | fields))


def recently(*, but: tuple[str, ...] = ()) -> dict[str, float]:
    """Every probe looked just now, but these."""
    return {probe.name: NOW.timestamp() for probe in PROBES if probe.name not in but}


@pytest.mark.parametrize("kind", [SERVER, INSTANCE, RESOURCE])
@pytest.mark.parametrize("state", [AVAILABLE, UNCERTAIN, CREATING])
def test_what_is_well_is_seen_well(herd: Herd, kind: str, state: str) -> None:
    look = herd.feel(subject(kind, state))
    assert look.good
    assert (look.kind, look.at >= NOW) == (kind, True)
    assert look.probed
    assert all(value is None or isinstance(value, str) for value in look.attrs.values())


def test_a_server_tells_of_its_machine_and_its_host(herd: Herd) -> None:
    look = herd.feel(subject(SERVER))
    assert (look.attrs["machine"], look.attrs["ssh"], look.attrs["load1"]) == ("running", "true", "0.25")
    assert look.attrs["disk_used_pct"] is None


def test_all_that_one_wire_is_asked_goes_in_one_round_trip(herd: Herd) -> None:
    asked: list[int] = []
    fetch = herd.ports.sql.fetch

    class Counting:
        def fetch(self, database, statements, **given):
            asked.append(len(statements))
            return fetch(database, statements, **given)

    feel(subject(INSTANCE, UNCERTAIN), replace(herd.ports, sql=Counting()))
    assert len(asked) == 1
    assert asked[0] > 3
    assert len(herd.world.ran) == 1


def test_only_what_is_due_is_asked(herd: Herd) -> None:
    look = herd.feel(subject(INSTANCE, probed=recently()))
    assert set(look.probed) == {"service"}
    look = herd.feel(subject(INSTANCE, probed=recently(but=("slots",))))
    assert set(look.probed) == {"service", "slots"}
    assert set(herd.feel(subject(INSTANCE, probed=recently()), everything=True).probed) > {"service", "sizes"}


@pytest.mark.parametrize(
    "error", [Unreachable("no answer in time"), Refused("starting up", "57P03"), Refused("no TLS")]
)
@pytest.mark.parametrize("kind", [INSTANCE, RESOURCE])
def test_no_answer_is_told_with_its_reason(herd: Herd, kind: str, error: Exception) -> None:
    herd.world.fail(PLACE, error)
    look = herd.feel(subject(kind))
    assert not look.good
    assert (look.attrs["service_available"], look.attrs["service_why"]) == ("false", str(error))
    assert look.attrs["connections" if kind == INSTANCE else "read_only"] is None
    assert "service" in look.probed or "login" in look.probed


@pytest.mark.parametrize("code", ["28000", "28P01", "3D000", "42501", "53200", "53300", "57014", "55P03"])
def test_a_server_that_refuses_us_alone_lives(herd: Herd, code: str) -> None:
    herd.world.fail(PLACE, Refused("not you", code))
    look = herd.feel(subject(INSTANCE))
    assert not look.good
    assert (look.attrs["service_available"], look.attrs["service_code"]) == (None, code)
    assert look.attrs["service_why"] == "not you"


@pytest.mark.parametrize("code", ["28P01", "3D000", "53200", "53300"])
def test_a_customer_who_is_refused_is_not_served(herd: Herd, code: str) -> None:
    herd.world.fail(PLACE, Refused("not you", code))
    look = herd.feel(subject(RESOURCE))
    assert (look.attrs["service_available"], look.attrs["service_code"]) == ("false", code)


def test_one_bad_statement_costs_the_others_and_not_the_sign_of_life(herd: Herd) -> None:
    herd.broken["replication"] = Refused("permission denied for function", "42501")
    look = herd.feel(subject(INSTANCE))
    assert look.good
    assert (look.attrs["service_available"], look.attrs["connections"]) == ("true", "7")
    assert look.attrs["standbys"] is None
    assert look.attrs["look_failed"] == "permission denied for function"
    assert {"service", "replication", "slots"} <= set(look.probed)


def test_a_bad_sign_of_life_among_many_is_no_answer(herd: Herd) -> None:
    herd.broken["service"] = Refused("division by zero", "22012")
    look = herd.feel(subject(INSTANCE))
    assert not look.good
    assert (look.attrs["service_available"], look.attrs["service_code"]) == ("false", "22012")


def test_asking_again_takes_no_longer_than_is_left(herd: Herd) -> None:
    given: list[float] = []

    class Slow:
        def fetch(self, database, statements, timeout=2.0, read_only=True):
            given.append(timeout)
            raise Refused("canceling statement due to statement timeout", "57014")

    began = time.monotonic()
    feel(subject(INSTANCE), replace(herd.ports, sql=Slow()))
    spent = time.monotonic() - began
    assert given[0] == policy.SQL_TIMEOUT_S
    assert given[0] - spent <= given[1] <= given[0]


def test_the_monitor_only_reads_and_the_customer_may_write(herd: Herd) -> None:
    reads: list[bool] = []

    class Noting:
        def fetch(self, database, statements, timeout=2.0, read_only=True):
            reads.append(read_only)
            raise Unreachable("never mind")

    ports = replace(herd.ports, sql=Noting())
    feel(subject(INSTANCE), ports)
    feel(subject(RESOURCE), ports)
    assert reads == [True, False]


@pytest.mark.parametrize("error", [Unreachable("no answer in time"), Refused("another key", "host_key")])
def test_a_host_that_does_not_let_us_in_is_told_with_its_reason(herd: Herd, error: Exception) -> None:
    herd.world.fail(HOST.name, error)
    look = herd.feel(subject(SERVER))
    assert not look.good
    assert (look.attrs["ssh"], look.attrs["ssh_why"], look.attrs["load1"]) == ("false", str(error), None)
    assert look.attrs["machine"] == "running"


def test_a_command_that_ran_and_failed_proves_that_the_host_let_us_in(herd: Herd) -> None:
    herd.world.on(lambda _ran: True, Result(127, "", "sh: not found", 0.01))
    look = herd.feel(subject(SERVER))
    assert look.good
    assert (look.attrs["ssh"], look.attrs["load1"]) == ("true", None)
    assert "sh: not found" in (look.attrs["ssh_why"] or "")


def test_a_provider_that_can_not_be_asked_is_told_with_its_reason(herd: Herd) -> None:
    herd.provider.unreachable = True
    look = herd.feel(subject(SERVER, UNCERTAIN))
    assert look.good
    assert (look.attrs["machine"], look.attrs["machine_why"]) == (None, "the provider does not answer")


def test_a_machine_that_is_not_there_is_a_positive_statement(herd: Herd) -> None:
    herd.provider.destroy(HOST.name)
    assert herd.feel(subject(SERVER, CREATING, host=None)).attrs["machine"] == "absent"


@pytest.mark.parametrize("kind", [INSTANCE, RESOURCE])
def test_what_has_no_address_yet_is_not_known_and_not_dead(herd: Herd, kind: str) -> None:
    look = herd.feel(subject(kind, CREATING, database=None, host=None))
    assert not look.good
    assert look.attrs.get("service_available") is None
    assert look.probed == {}


def test_the_time_of_a_look_is_the_databases(herd: Herd) -> None:
    late = subject(SERVER, read_at=time.monotonic() - 30)
    assert timedelta(seconds=30) <= herd.feel(late).at - NOW < timedelta(hours=1)


KNOWN = {
    "connections": "7",
    "service_available": "true",
    "slots": "0",
    "postmaster": "true",
    "colour": "blue",
    "xid_age": "9",
}


def of(subject: Subject, **probed: float) -> Look:
    return Look(subject.kind, subject.id, NOW, 1.0, False, {}, probed)


def test_what_was_not_due_is_still_known() -> None:
    one = subject(INSTANCE, known=KNOWN, probed=recently())
    assert carried(one, of(one)) == {"slots": "0", "xid_age": "9"}


def test_what_was_due_is_known_anew_or_not_at_all() -> None:
    one = subject(INSTANCE, known=KNOWN, probed=recently(but=("slots",)))
    assert carried(one, of(one)) == {"xid_age": "9"}


@pytest.mark.parametrize("state", [UNCERTAIN, DOWN])
def test_in_doubt_nothing_is_taken_for_granted(state: str) -> None:
    one = subject(INSTANCE, state, known=KNOWN, probed=recently())
    assert carried(one, of(one)) == {}


def test_what_no_probe_fills_is_never_carried() -> None:
    one = subject(SERVER, known={"look_failed": "once", "service_why": "x", "load1": "0.5"}, probed=recently())
    assert carried(one, of(one)) == {"load1": "0.5"}


def test_everything_that_is_told_has_a_name_in_the_catalogue_or_is_a_reason(herd: Herd) -> None:
    for kind in (SERVER, INSTANCE, RESOURCE):
        herd.broken["replication"] = Refused("no", "42501")
        told = set(herd.feel(subject(kind, UNCERTAIN)).attrs)
        assert {name for name in told if name not in FACTS} <= {"look_failed", "service_code", "machine_why"}


@pytest.mark.parametrize("kind", [INSTANCE, RESOURCE])
@pytest.mark.parametrize(
    "said", ["1e400", "NaN", float("inf"), Decimal("1e30"), 10**400, "x" * 10**6, "\x1b[2J", "7\0"]
)
def test_what_a_database_says_is_kept_only_as_what_it_is_to_be(herd: Herd, kind: str, said: Any) -> None:
    """A function that a customer put in the way may answer anything."""
    names = [name for probe in PROBES if probe.kind == kind and probe.over == SQL for name in probe.fills]
    herd.rows = lambda _asked: [dict.fromkeys(names, said)]
    for database in (MONITOR, OWNER):
        herd.world.serve(database, herd.rows)
    look = herd.feel(subject(kind), everything=True)
    numbers = [name for name in names if name in FACTS and FACTS[name].type in (INT, FLOAT, BOOL)]
    assert numbers and {look.attrs[name] for name in numbers} == {None}
    assert all(one is None or one.isprintable() for one in look.attrs.values())
    assert max(len(one or "") for one in look.attrs.values()) < 10**6
