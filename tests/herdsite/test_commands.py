"""The commands that people type: what they print, and what they say to a wrong word."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.utils import timezone

from fleet.models import Customer, Intent, Resource, Server, Worker
from fleet.states import CREATING, DOWN, UNCERTAIN
from herdsite import clock, cluster, tables, wiring
from observations.models import Observation
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, due

pytestmark = pytest.mark.django_db


def said(*words: str, **options) -> str:
    out = StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def herd(monkeypatch) -> FakeHerd:
    herd = FakeHerd()
    monkeypatch.setattr(wiring, "ports", lambda: herd.ports)
    return herd


@pytest.fixture
def no_ports(monkeypatch) -> None:
    def none() -> None:
        raise wiring.OnlyAsks("no way to the fleet")

    monkeypatch.setattr(wiring, "ports", none)


@pytest.mark.parametrize("command", ["ask", "explain", "feel"])
def test_a_wrong_name_gets_suggestions(command: str) -> None:
    factories.server(name="serene-elephant-42")
    more = ["destroy"] if command == "ask" else []
    with pytest.raises(CommandError, match=r"There is no 'serene-elefant-42'. Did you mean serene-elephant-42\?"):
        said(command, "serene-elefant-42", *more)


def test_ask_writes_an_intent() -> None:
    one = factories.instance(name="shop-1")
    assert said("ask", "shop-1", "restart", "--reason", "it is slow").startswith("requested: restart shop-1")
    intent = Intent.objects.get(subject=one.pk)
    assert (intent.verb, intent.reason, intent.actor.endswith(" (command line)")) == ("restart", "it is slow", True)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["destroy"], "To destroy shop, type its name to confirm"),
        (["destroy", "--confirm", "shop"], "give a reason"),
        (["retry"], "A resource can't be asked to 'retry'"),
        (["dance"], "invalid choice: 'dance'"),
    ],
)
def test_ask_says_why_not(words: list[str], refusal: str) -> None:
    factories.resource(name="shop")
    with pytest.raises(CommandError, match=refusal):
        said("ask", "shop", *words)
    assert not Intent.objects.exists()


@pytest.fixture
def answered(monkeypatch):
    """While somebody waits, a beat gives this answer."""

    def answers(state: str) -> None:
        def sleep(_seconds: float) -> None:
            Intent.objects.update(state=state, answer="restarted, and it answers")

        monkeypatch.setattr("herdsite.waiting.time.sleep", sleep)

    return answers


def test_ask_may_wait_for_the_answer(answered) -> None:
    factories.instance(name="shop-1")
    answered(Intent.DONE)
    assert "done: restarted, and it answers" in said("ask", "shop-1", "restart", "--wait", "60")


def test_an_answer_that_is_a_refusal_is_an_error(answered) -> None:
    factories.instance(name="shop-1")
    answered(Intent.REFUSED)
    with pytest.raises(CommandError, match="restart shop-1 was refused"):
        said("ask", "shop-1", "restart", "--wait", "60")


def test_who_waits_in_vain_is_told_where_to_look() -> None:
    factories.instance(name="shop-1")
    with pytest.raises(CommandError, match=r"the request stays open. See: manage.py explain shop-1"):
        said("ask", "shop-1", "restart", "--wait", "0.01")


def test_create_asks_for_a_database() -> None:
    out = said("create", "standard-0", "--customer", "Acme", "--name", "shop", "--zone", "b")
    assert "requested: create shop" in out
    one = Resource.objects.get(name="shop")
    assert (one.customer.name, one.plan.name, one.zone, one.state) == ("Acme", "standard-0", "b", CREATING)


def test_create_leaves_nothing_behind_when_it_is_refused() -> None:
    with pytest.raises(CommandError, match="There is no plan 'huge-9'"):
        said("create", "huge-9", "--customer", "Acme")
    assert not Customer.objects.filter(name="Acme").exists()


def test_add_server_asks_for_a_machine() -> None:
    assert "requested: create herd-a-1" in said("add_server", "herd-a-1", "--zone", "c", "--capacity", "2")
    one = Server.objects.get(name="herd-a-1")
    assert (one.zone, one.capacity, one.provider, one.state) == ("c", 2, "local", CREATING)
    with pytest.raises(CommandError, match="already"):
        said("add_server", "herd-a-1")


@pytest.mark.usefixtures("no_ports")
def test_explain_tells_the_facts_the_rows_and_the_row_that_won() -> None:
    now = timezone.now()
    evidence = {"since": now.timestamp() - 500, "sql": {"here/1": {"at": now.timestamp(), "why": "no answer"}}}
    factories.instance(
        name="shop-1",
        state=UNCERTAIN,
        facts={"service_available": "false", "ssh": None},
        evidence=evidence,
        vantage="here/1",
        felt_at=now,
    )
    out = said("explain", "shop-1")
    assert "instance shop-1 is uncertain" in out
    assert "  service_available = False   login worked, and PostgreSQL answered" in out
    assert "  ✘ 311  yes(service_available)" in out
    assert "  ? 313  the host answers: no postmaster" in out
    assert "        sql_vantages = 1" in out
    assert "row 317 wins: WAIT" in out


@pytest.mark.usefixtures("no_ports")
def test_explain_changes_nothing() -> None:
    one = factories.resource(name="shop")
    due(one)
    before = again(one).__dict__ | {"_state": None}
    said("explain", "shop")
    assert again(one).__dict__ | {"_state": None} == before
    assert not Observation.objects.exists()


def test_explain_may_look_for_itself(herd: FakeHerd) -> None:
    one = herd.machine(state=DOWN)
    out = said("explain", one.name, "--look")
    assert 'row 311 wins: go("come_back")' in out
    assert again(one).state == DOWN


def test_explain_of_a_problem_tells_it() -> None:
    factories.resource(name="shop", instance=None, state=CREATING, problem="No available server: add one")
    assert "problem: No available server: add one" in said("explain", "shop")


def test_feel_looks_records_and_moves_nothing(herd: FakeHerd) -> None:
    one = herd.machine(state=DOWN)
    out = said("feel", one.name)
    assert "load1 = 0.25   load average over 1 minute" in out
    assert "machine = running" in out
    assert "disk_used_pct = not known" in out
    assert "seen well" in out
    assert again(one).state == DOWN
    assert Observation.objects.get().attrs["load1"] == "0.25"


def test_feel_of_what_does_not_answer_says_so_and_why(herd: FakeHerd) -> None:
    resource = factories.resource(name="shop", instance=factories.instance(server=herd.machine()))
    herd.silent.add(herd.place(resource.instance))
    out = said("feel", "shop")
    assert "NOT seen well" in out
    assert "service_why = " in out
    assert "connection refused" in out


def test_rings_shows_each_ring_and_its_workers() -> None:
    for _ in range(2):
        due(factories.server(), 30)
    factories.server(state=UNCERTAIN, queue="suspect", due_at=Now() + timedelta(minutes=1))
    now = timezone.now()
    Worker.objects.create(
        name="here/1", queue="feel", started_at=now, seen_at=now, beats=70, errors=3, beats_per_s=12.5, rss_mb=81
    )
    lines = {words[0]: words[1:] for line in said("rings").splitlines() if (words := line.split())}
    assert lines["server/feel"][:3] == ["2", "2", "0"]
    assert 30 <= float(lines["server/feel"][3]) < 3_000
    assert lines["server/suspect"][:3] == ["1", "0", "0"]
    assert lines["feel"] == ["1", "12.5", "70", "3", "81"]


def test_rings_without_workers_says_what_to_start() -> None:
    assert "start `manage.py clock`" in said("rings")


def test_names_completes() -> None:
    factories.server(name="herd-a-1")
    factories.server(name="herd-b-1")
    assert said("names", "herd-a") == "herd-a-1\n"
    assert said("names").split() == ["herd-a-1", "herd-b-1"]


def test_tables_prints_every_table() -> None:
    assert said("tables") == tables.rendered()


def test_the_clock_and_the_workers_are_commands(monkeypatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(clock, "run", lambda: ran.append("clock"))
    monkeypatch.setattr(cluster, "run", ran.append)
    said("clock")
    said("worker", "suspect")
    assert ran == ["clock", "suspect"]
    with pytest.raises(CommandError, match="invalid choice: 'dreams'"):
        said("worker", "dreams")
