"""What the fakes can do that no real thing can: lose answers on demand, remember, and refuse to be used at all."""

import pytest

from fleet.transports.base import Database, Host, Refused, Result, Unreachable
from fleet.transports.fake import FakeShell, FakeSql, RaisingShell, RaisingSql, Ran, World

HOST, DATABASE = Host("h1", "192.0.2.1"), Database("192.0.2.1", 5432, "d", "u", "p")
FINE = Result(0, "fine\n", "", 0.0)


@pytest.fixture
def world():
    return World()


def test_a_lost_answer_leaves_a_command_that_ran(world):
    world.on(["promote"], FINE)
    world.delay("h1", 30)
    shell = FakeShell(HOST, world)
    with pytest.raises(Unreachable):
        shell.run(["promote", "it"], stdin=b"in", secrets=["s"])
    assert world.ran == [Ran("h1", ("promote", "it"), b"in", ("s",))]
    assert shell.run(["promote", "it"], timeout=31).out == "fine\n"


def test_a_place_that_fails_runs_nothing_until_it_is_healed(world):
    world.on(["id"], FINE)
    world.fail("h1", Refused("the host key changed", "host_key"))
    with pytest.raises(Refused) as refused:
        FakeShell(HOST, world).run(["id"])
    assert (refused.value.code, world.ran) == ("host_key", [])
    world.heal("h1")
    assert FakeShell(HOST, world).run(["id"]).ok


def test_the_latest_answer_that_fits_is_given(world):
    world.on(["pg_ctl"], FINE)
    world.on(lambda ran: "stop" in ran.argv, Result(1, "", "it does not run", 0.0))
    shell = FakeShell(HOST, world)
    assert shell.run(["pg_ctl", "start"]).ok
    assert shell.run(["pg_ctl", "stop"]).code == 1
    with pytest.raises(AssertionError, match="rm -r x"):
        shell.run(["rm", "-r", "x"])


def test_rows_can_depend_on_the_statement(world):
    world.serve(DATABASE, lambda statement: [{"said": statement}])
    assert FakeSql(world).fetch(DATABASE, ["a", "b"]) == [[{"said": "a"}], [{"said": "b"}]]


def test_nothing_gets_through_the_raising_ones():
    with pytest.raises(AssertionError, match="the web may not touch the fleet"):
        RaisingShell(HOST).run(["id"], timeout=1)
    with pytest.raises(AssertionError, match="the web may not touch the fleet"):
        RaisingSql().fetch(DATABASE, ["SELECT 1"], read_only=False)
