"""What is run on a host comes back exactly, whatever shell its user logs in with, and whatever that says of its own;
and over as few sessions as a host allows. Against OpenSSH's real server."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sshd import PROGRAM, Sshd

from fleet.transports.base import Refused
from fleet.transports.ssh import Connections

pytestmark = pytest.mark.sshd
CHATTY = "echo Welcome to h1!; echo 'backups run at night' >&2; printf 'no line break'; exec bash -c"
LOGINS = {
    "bash": "exec bash -c",
    "chatty": CHATTY,
    "dash": "exec dash -c",
    "fish": "exec fish --no-config -c",
    "tcsh": "exec tcsh -c",
}
AWKWARD = (
    "a'b",
    'a"b',
    "a\\b",
    "a\\\\b",
    "\\'",
    "!x",
    "a!b",
    "$HOME",
    "`id`",
    "two\nlines\n",
    "%s",
    "*",
    "~",
    "",
    "ü🐘",
    "&;|<>#",
)
Start = Callable[..., Sshd]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    if not PROGRAM:
        pytest.skip("OpenSSH's server is not installed")
    begun: list[Sshd] = []

    def started(**how: str) -> Sshd:
        begun.append(Sshd(tmp_path, "ed25519", **how))
        begun[-1].start()
        return begun[-1]

    yield started
    for server in begun:
        server.stop()


@pytest.mark.parametrize("login", LOGINS.values(), ids=LOGINS)
def test_a_command_arrives_and_comes_back_exactly(start: Start, pool: Connections, login: str) -> None:
    shell = start(login=login).shell(pool)
    echoed = shell.run(["printf", "%s|", *AWKWARD])
    assert (echoed.code, echoed.out, echoed.err) == (0, "".join(f"{word}|" for word in AWKWARD), "")
    both = shell.run(["sh", "-c", "cat; echo err >&2; exit 3"], b"x\\y!\n")
    assert (both.code, both.out, both.err) == (3, "x\\y!\n", "err\n")
    assert shell.run(["cat"]).out == "" and shell.run(["cat"], b"\n").out == "\n"
    assert not shell.run(["sh", "-c", "kill -9 $$"]).ok


def test_what_a_profile_says_is_no_output_of_ours(start: Start, pool: Connections, tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("echo Welcome; echo there >&2; trap 'echo Bye' EXIT\n")
    result = start().shell(pool).run(["sh", "-c", "echo out; echo err >&2"])
    assert (result.code, result.out, result.err) == (0, "out\n", "err\n")


@pytest.mark.parametrize(
    "login", ["echo This account is not available.; exit 1;", "echo rssh: no >&2; true", "exit 0;"]
)
def test_a_login_that_runs_nothing_is_refused_with_what_it_says(start: Start, pool: Connections, login: str) -> None:
    with pytest.raises(Refused, match="runs no commands; it says: (This account is|rssh: no|nothing)") as refused:
        start(login=login).shell(pool).run(["echo", "well"])
    assert refused.value.code == "login"


@pytest.mark.parametrize("sessions", [1, 2])
def test_few_sessions_at_a_time_are_enough(start: Start, pool: Connections, sessions: int) -> None:
    shell = start(more=f"MaxSessions {sessions}").shell(pool)
    with ThreadPoolExecutor(6) as many:
        said = list(many.map(lambda n: shell.run(["sh", "-c", f"seq 20000; echo {n}"]).out.split()[-1], range(12)))
    assert said == [str(n) for n in range(12)]
    # Whether the host is still there is asked while the session is open.
    assert not shell.run(["sh", "-c", "kill -9 $$"]).ok
    assert shell.run(["echo", "well"]).out == "well\n"
