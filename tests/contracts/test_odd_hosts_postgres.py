"""PostgreSQL on hosts as people have them: it is built, backed up, copied, failed over and rejoined over OpenSSH's real
server, whatever key that shows, shell it logs in with, and limits it sets. Each host has several oddities at once."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sshd import PROGRAM, Sshd

from fleet import jobs
from fleet.archives.base import Line
from fleet.archives.directory import Directory
from fleet.jobs import DONE, Look
from fleet.postgres import commands, control, replication
from fleet.providers.local import spawn
from fleet.transports.base import Result, checked
from fleet.transports.ssh import Connections
from tests.authority import shown
from tests.clusters import ANNA, WATCH, Cluster
from tests.fleet.test_replication import CALM, PASSWORD, caught_up, member, stand_by
from tests.localshell import LocalShell, ended

pytestmark = pytest.mark.sshd
PROFILE = "echo Welcome to h1!; echo 'backups run at night' >&2"
# (host key, what the login does first, its shell, configuration of sshd, address)
ODD: dict[str, tuple[str, str, str, str, str]] = {
    "rsa, chatty bash, one session": ("rsa", PROFILE, "bash", "MaxSessions 1", "127.0.0.1"),
    "ecdsa, fish, a key exchange every 64 kB": ("ecdsa", "", "fish --no-config", "RekeyLimit 64K", "127.0.0.1"),
    "ed25519, tcsh, IPv6, two sessions": ("ed25519", "", "tcsh", "MaxSessions 2", "::1"),
    "ecdsa, dash, a banner, the least PATH": (
        *("ecdsa", "export PATH=/usr/bin:/bin", "dash", "Banner {folder}/banner\nPrintMotd yes", "127.0.0.1"),
    ),
}


class OddHost(LocalShell):
    """A Shell to this machine over an odd sshd, as the unprivileged user that PostgreSQL runs as."""

    def __init__(self, folder: Path, pool: Connections, odd: tuple[str, str, str, str, str]) -> None:
        super().__init__()
        kind, first, shell, more, address = odd
        account = spawn.owner()
        drop = f"setpriv --reuid={account.pw_uid} --regid={account.pw_gid} --clear-groups " if os.geteuid() == 0 else ""
        login = f"{first or 'true'}; export HOME={self.home}; cd; exec {drop}{shell} -c"
        (folder / "banner").write_text("Authorized use only.\n" * 40)
        self.server = Sshd(folder, kind, login=login, more=more.replace("{folder}", str(folder)), address=address)
        self.server.start()
        self.over = self.server.shell(pool)

    def run(
        self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 10.0, secrets: Sequence[str] = ()
    ) -> Result:
        return self.over.run(argv, stdin, timeout, secrets)

    def log_in(self, timeout: float = 4.0) -> None:
        self.over.log_in(timeout)

    def close(self) -> None:
        self.server.stop()
        super().close()


@pytest.fixture(params=ODD, ids=ODD)
def host(request: pytest.FixtureRequest, tmp_path: Path, pool: Connections) -> Iterator[OddHost]:
    assert PROGRAM, "OpenSSH's server is missing: apt install openssh-server, which bin/test does as root"
    host = OddHost(tmp_path, pool, ODD[request.param])
    yield host
    host.close()


def begun(host: OddHost, job: str, script: commands.Script) -> Look:
    """What a job came to that herdsite begins there."""
    jobs.start(host, str(host.home), job, script.text, script.args, script.stdin)
    return ended(host, job)


def test_a_database_lives_there_and_survives_its_leader(host: OddHost) -> None:
    host.log_in()
    leader, standby = (Cluster(host, member(host, name)) for name in ("one", "two"))
    archive, line = Directory(f"{host.home}/archive"), Line("one", 1, str(leader.subject.id))

    # Create.
    host.run(["mkdir", f"{host.home}/archive"])
    prepare = archive.prepare(line, leader.subject)
    checked("prepare", host.run(["sh", "-c", prepare.text, "herdsite", *prepare.args], prepare.stdin))
    writing = archive.writing(line, leader.subject)
    files = replication.files(replication.leader(writing=writing.settings), PASSWORD, writing.files)
    dynamic: dict[str, Any] = files | shown(leader.subject)
    control.build(host, leader.subject, "build", CALM, WATCH, replica=PASSWORD, dynamic=dynamic)
    assert ended(host, "build") == Look(DONE)
    leader.create("anna", ANNA)
    with leader.connect("anna", ANNA, "anna") as session:
        session.execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) AS n")
    leader.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")

    # Backup.
    assert begun(host, "backup", archive.backup(line, leader.subject, "first")) == Look(DONE)
    look = archive.look(line, str(host.home))
    told = checked("look", host.run(["sh", "-c", look.text, "herdsite", *look.args], look.stdin)).out
    _facts, kept = archive.read(dict(entry.split("=", 1) for entry in told.splitlines()))
    assert [backup.label for backup in kept] == ["first"]

    # Failover, and the former leader comes back as a standby.
    assert stand_by(leader, standby.subject, "copy") == Look(DONE)
    caught_up(leader, standby)
    control.fence(host, leader.subject, 2)
    assert control.promote(host, standby.subject, 2)["timeline_id"] == "2"
    standby.sql("INSERT INTO t VALUES (2)")
    assert stand_by(standby, leader.subject, "rejoin", commands.REJOIN) == Look(DONE)
    caught_up(standby, leader)
    assert leader.sql("SELECT count(*), pg_is_in_recovery() FROM t") == "2|t"
    assert standby.sql("SELECT count(*) FROM t", "anna") == "1000"
