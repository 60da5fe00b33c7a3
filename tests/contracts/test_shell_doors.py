"""Whether one can still get into a host, beside the connections that are held. Against OpenSSH's real server."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sshd import PROGRAM, Sshd

from fleet.transports.base import Refused, Unreachable
from fleet.transports.ssh import Connections

pytestmark = pytest.mark.sshd


@pytest.fixture
def sshd(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sshd]:
    assert PROGRAM, "OpenSSH's server is missing: apt install openssh-server, which bin/test does as root"
    server = Sshd(tmp_path, "ed25519", more=getattr(request, "param", ""))
    server.start()
    yield server
    server.stop()


def test_a_held_connection_lives_on_while_nobody_gets_in_any_more(sshd: Sshd, pool: Connections) -> None:
    shell = sshd.shell(pool)
    assert shell.run(["echo", "well"]).out == "well\n"
    shell.log_in()
    sshd.close_the_door()
    assert shell.run(["echo", "still"]).out == "still\n"
    with pytest.raises(Unreachable, match="refused"):
        shell.log_in()
    assert shell.run(["echo", "still"]).out == "still\n"
    sshd.start()
    shell.log_in()


@pytest.mark.parametrize("sshd", ["MaxSessions 1"], indirect=True)
def test_one_session_at_a_time_is_enough_to_get_in(sshd: Sshd, pool: Connections) -> None:
    shell = sshd.shell(pool)
    assert shell.run(["echo", "well"]).out == "well\n"
    shell.log_in()


@pytest.mark.parametrize("sshd", ["MaxSessions 0"], indirect=True)
def test_a_login_that_may_open_no_session_is_none(sshd: Sshd, pool: Connections) -> None:
    with pytest.raises(Refused, match="opens no session") as refused:
        sshd.shell(pool).log_in()
    assert refused.value.code == "session"


def test_who_is_not_let_in_any_more_hears_why(sshd: Sshd, pool: Connections) -> None:
    shell = sshd.shell(pool)
    assert shell.run(["echo", "well"]).out == "well\n"
    (sshd.key.parent / "authorized_keys").write_text("")
    with pytest.raises(Refused, match="authorized_keys"):
        shell.log_in()
    assert shell.run(["echo", "well"]).out == "well\n"


@pytest.mark.parametrize("sshd", ["MaxStartups 1:100:1\nLoginGraceTime 60"], indirect=True)
def test_too_many_logins_at_once_are_said_to_be_that(sshd: Sshd, pool: Connections) -> None:
    shell = sshd.shell(pool)
    with ExitStack() as held:
        # Who is greeted and says nothing holds the only place; the one with which the server was waited for leaves it.
        while held.enter_context(socket.create_connection(("127.0.0.1", sshd.port))).recv(4) != b"SSH-":
            pass
        with pytest.raises(Unreachable, match="MaxStartups"):
            shell.log_in()
        with pytest.raises(Unreachable, match="MaxStartups"):
            shell.run(["echo", "well"])
