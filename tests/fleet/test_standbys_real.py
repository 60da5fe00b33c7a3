"""What makes a standby one that can take over, on real PostgreSQL: the same history, and as much as its leader of what
replay needs."""

from collections.abc import Iterator

import pytest

from fleet.actions.changeover.fence import HAS
from fleet.actions.changeover.prepare import LOOK
from fleet.jobs import DONE, Look
from fleet.postgres import control, replication, roles
from fleet.postgres.config import MONITOR
from fleet.postgres.statements import statement
from fleet.succession import capacity
from fleet.transports.base import CommandFailed, Database, Row
from fleet.transports.sql import PsycopgSql
from tests.clusters import WATCH, Cluster
from tests.fleet.test_replication import CALM, KEEP, PASSWORD, beside, caught_up, member, stand_by
from tests.localhosts import until
from tests.localshell import LocalShell, ended


@pytest.fixture
def shell() -> Iterator[LocalShell]:
    shell = LocalShell()
    yield shell
    shell.close()


@pytest.fixture
def leader(shell: LocalShell) -> Cluster:
    subject = member(shell, "one")
    control.build(shell, subject, "build", CALM, WATCH, replica=PASSWORD, dynamic=KEEP)
    assert ended(shell, "build") == Look(DONE)
    cluster = Cluster(shell, subject)
    cluster.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    return cluster


@pytest.fixture
def standby(leader: Cluster) -> Cluster:
    subject = member(leader.shell, "two")
    assert stand_by(leader, subject, "copy") == Look(DONE)
    return Cluster(leader.shell, subject)


def seen(cluster: Cluster, text: str) -> Row:
    """What a look by the monitoring role finds."""
    at = cluster.subject
    return PsycopgSql().fetch(Database(at.bind, at.port, "postgres", MONITOR, WATCH, "prefer"), [text], 10.0)[0][0]


def slot_of(cluster: Cluster) -> str:
    return f"slot_{cluster.subject.id.hex[:8]}"


def told(leader: Cluster, cluster: Cluster, **more: str) -> dict[str, str]:
    info, _files = beside(leader.subject, cluster.subject, slot_of(cluster))
    return replication.files(replication.standby(info, slot_of(cluster)) | more, PASSWORD)


def test_a_standby_that_has_less_than_its_leader_leads_once_it_was_told_what_that_has(
    leader: Cluster, standby: Cluster
) -> None:
    leader.sql(roles.slot(slot_of(standby)))
    sync = replication.leader(f'FIRST 1 ("{slot_of(standby)}")', {"archive_command": "true"})
    control.configure(leader.shell, leader.subject, replication.files(sync | {"max_connections": "90"}, PASSWORD))
    assert seen(leader, statement("capacity", 17))["restart_pending"] is True
    assert leader.do(control.restart, "restart") == Look(DONE)
    leader.sql("INSERT INTO t VALUES (2)")  # acknowledged: the standby has it, and does not replay it
    until(lambda: seen(standby, statement("service", 17))["replay_paused"], "its replay stands still")
    leads, follows = seen(leader, LOOK), seen(standby, LOOK)
    assert (leads["replay_paused"], follows["replay_paused"]) == (None, True)
    assert capacity.short_of(follows["capacity"], leads["capacity"]) == "max_connections 15 of 90"
    with pytest.raises(CommandFailed):
        control.promote(standby.shell, standby.subject, 2, timeout=5.0)

    has = {name: str(value) for name, value in capacity.read(leads["capacity"]).items()}
    control.configure(standby.shell, standby.subject, told(leader, standby, **has, **{"herdsite.generation": "2"}))
    assert standby.do(control.restart, "restart-standby") == Look(DONE)
    until(lambda: seen(standby, statement("service", 17))["replay_paused"] is False, "its replay goes on")
    caught_up(leader, standby)
    assert capacity.short_of(seen(standby, LOOK)["capacity"], leads["capacity"]) == ""
    assert control.promote(standby.shell, standby.subject, 3)["timeline_id"] == "2"
    assert standby.sql("SELECT count(*) FROM t") == "2"


def test_the_history_of_what_a_standby_has_is_seen_while_it_streams_and_after(
    leader: Cluster, standby: Cluster
) -> None:
    caught_up(leader, standby)
    assert seen(standby, HAS)["timeline_id"] == 1
    control.halt(leader.shell, leader.subject, 10, 2)
    until(lambda: standby.sql("SELECT count(*) FROM pg_stat_wal_receiver") == "0", "its leader is gone")
    row = seen(standby, HAS)
    assert (row["timeline_id"], row["at"] is not None) == (1, True)
