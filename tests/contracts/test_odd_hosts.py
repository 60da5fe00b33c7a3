"""Hosts as people have them: whatever key they show, shell they log in with, and limits they set, what herdsite does on
them works, or is refused with the reason. Against OpenSSH's real server."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sshd import PROGRAM, Sshd

from fleet import jobs, listeners
from fleet.jobs import DONE, FAILED
from fleet.transports.base import Refused
from fleet.transports.ssh import Connections
from observations.probes import reach

pytestmark = pytest.mark.sshd
PROFILE = "echo Welcome to h1!; echo 'backups run at night' >&2"
# (host key, login shell, configuration of sshd, address)
ODD: dict[str, tuple[str, dict[str, Any]]] = {
    "rsa, chatty bash": ("rsa", {"login": f"{PROFILE}; exec bash -c"}),
    "ecdsa, fish": ("ecdsa", {"login": "exec fish --no-config -c"}),
    "ed25519, tcsh": ("ed25519", {"login": "exec tcsh -c"}),
    "dash, one session": ("ed25519", {"login": "exec dash -c", "more": "MaxSessions 1"}),
    "two sessions": ("ed25519", {"more": "MaxSessions 2"}),
    "a key exchange every 64 kB": ("ed25519", {"more": "RekeyLimit 64K"}),
    "IPv6": ("ed25519", {"address": "::1"}),
    "a banner": ("ed25519", {"more": "Banner {folder}/banner\nPrintMotd yes"}),
    "the least PATH": ("ed25519", {"login": "export PATH=/usr/bin:/bin; exec sh -c"}),
}
LARGE = b"".join(b"%d a line with a \\ and a ' in it\n" % n for n in range(30_000))


@pytest.fixture(params=ODD, ids=ODD)
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sshd]:
    assert PROGRAM, "OpenSSH's server is missing: apt install openssh-server, which bin/test does as root"
    kind, how = ODD[request.param]
    (tmp_path / "banner").write_text("Authorized use only.\n" * 40)
    more = how.get("more", "").replace("{folder}", str(tmp_path))
    server = Sshd(tmp_path, kind, **how | {"more": more})
    server.start()
    yield server
    server.stop()


def ends(shell: Any, home: str, job: str) -> jobs.Look:
    deadline = time.monotonic() + 30
    while (look := jobs.look(shell, home, job)).job == jobs.RUNNING:
        assert time.monotonic() < deadline
    return look


def test_what_a_herd_does_on_a_host_works_there(odd: Sshd, pool: Connections, tmp_path: Path) -> None:
    shell, home = odd.shell(pool), str(tmp_path)
    shell.log_in()
    # Large input and output, with a code of its own.
    echoed = shell.run(["sh", "-c", "cat; echo err >&2; exit 3"], LARGE, timeout=30.0)
    assert (echoed.code, echoed.out, echoed.err) == (3, LARGE.decode(), "err\n")
    # What takes long is begun, looked at and cleaned away.
    jobs.start(shell, home, "copy", 'cat > "$1"', [f"{home}/a file"], b"data\n")
    jobs.start(shell, home, "fail", "echo no room >&2; exit 4")
    assert ends(shell, home, "copy").job == DONE and (tmp_path / "a file").read_text() == "data\n"
    assert ends(shell, home, "fail") == jobs.Look(FAILED, "no room ")
    jobs.clean(shell, home, "copy")
    assert jobs.look(shell, home, "copy").job == jobs.NONE
    # It is looked at, and asked for its ports.
    argv = ["sh", "-c", f"home={home}\nexport LC_ALL=C\n{reach.SCRIPT}"]
    said = dict(line.split("=", 1) for line in shell.run(argv).out.splitlines())
    assert {"boot_id", "cpus", "mem_total_kb", "disk_free_kb", "clock"} <= set(said)
    assert odd.port in listeners.busy_ports(shell, "*")


def test_many_at_once_all_come_back(odd: Sshd, tmp_path: Path) -> None:
    """As the processes of a herd ask, each over connections of its own."""
    pools = [Connections(5.0) for _ in range(3)]
    try:
        shells = [odd.shell(pool) for pool in pools]
        with ThreadPoolExecutor(6) as many:
            said = many.map(
                lambda n: shells[n % 3].run(["sh", "-c", f"seq 5000; echo {n}"], timeout=20.0).out, range(12)
            )
            assert [out.split()[-1] for out in said] == [str(n) for n in range(12)]
    finally:
        for pool in pools:
            pool.close()


@pytest.mark.parametrize(
    ("login", "why"),
    [
        ("echo This account is not available.; exit 1;", "This account is not available"),
        ("export PATH=/opt/app; exec /bin/sh -c", "not found"),
    ],
    ids=["no login", "a PATH without sh"],
)
def test_a_host_that_runs_nothing_for_us_is_refused_with_what_it_says(
    tmp_path: Path, pool: Connections, login: str, why: str
) -> None:
    assert PROGRAM, "OpenSSH's server is missing: apt install openssh-server, which bin/test does as root"
    server = Sshd(tmp_path, "ed25519", login=login)
    server.start()
    try:
        with pytest.raises(Refused, match=why):
            server.shell(pool).log_in()
    finally:
        server.stop()
