"""What makes a standby one that can take over, on real PostgreSQL: the same history, and as much as its leader of what
replay needs."""

from threading import Thread

import pytest

from fleet.actions.changeover.fence import HAS
from fleet.actions.changeover.prepare import LOOK
from fleet.jobs import DONE, Look
from fleet.postgres import control, replication, roles
from fleet.postgres.config import MONITOR
from fleet.postgres.statements import statement
from fleet.succession import capacity, sorting
from fleet.transports.base import CommandFailed, Database, Row
from fleet.transports.sql import PsycopgSql
from tests.authority import shown
from tests.clusters import WATCH, Cluster
from tests.fleet.test_replication import PASSWORD, beside, caught_up, leader, shell, standby
from tests.localhosts import until

__all__ = ["leader", "shell", "standby"]


def seen(cluster: Cluster, text: str) -> Row:
    """What a look by the monitoring role finds."""
    at = cluster.subject
    return PsycopgSql().fetch(Database(at.bind, at.port, "postgres", MONITOR, WATCH, "prefer"), [text], 10.0)[0][0]


def slot_of(cluster: Cluster) -> str:
    return f"slot_{cluster.subject.id.hex[:8]}"


def told(leader: Cluster, cluster: Cluster, **more: str) -> dict[str, str]:
    info, _files = beside(leader.subject, cluster.subject, slot_of(cluster))
    return replication.files(replication.standby(info, slot_of(cluster)) | more, PASSWORD, shown(cluster.subject))


def test_a_standby_that_has_less_than_its_leader_leads_once_it_was_told_what_that_has(
    leader: Cluster, standby: Cluster
) -> None:
    leader.sql(roles.slot(slot_of(standby)))
    sync = replication.leader(f'FIRST 1 ("{slot_of(standby)}")', {"archive_command": "true"})
    bigger = replication.files(sync | {"max_connections": "90"}, PASSWORD, shown(leader.subject))
    control.configure(leader.shell, leader.subject, bigger)
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


def test_a_commit_whose_wait_was_cancelled_is_counted_once_the_old_leader_is_read(
    leader: Cluster, standby: Cluster
) -> None:
    leader.create("anna", "anna-pass-77ce")
    leader.sql("CREATE TABLE t (n int); GRANT INSERT ON t TO anna", "anna")
    leader.sql(roles.slot(slot_of(standby)))
    sync = replication.leader(f'FIRST 1 ("{slot_of(standby)}")', {"archive_command": "true"})
    control.configure(leader.shell, leader.subject, replication.files(sync, PASSWORD, shown(leader.subject)))
    caught_up(leader, standby)
    fork = control.promote(standby.shell, standby.subject, 2)["forked_lsn"]
    with leader.connect("anna", "anna-pass-77ce", "anna") as client:
        writing = Thread(target=client.execute, args=("INSERT INTO t VALUES (1)",))
        writing.start()
        until(
            lambda: leader.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0",
            "its commit waits",
        )
        client.cancel()
        writing.join()
    assert leader.sql("SELECT count(*) FROM t", "anna") == "1", "PostgreSQL acknowledged it all the same"
    control.fence(leader.shell, leader.subject, 2)
    assert control.commits(leader.shell, leader.subject, 1, fork) == 1
    assert control.commits(standby.shell, standby.subject, 1, fork) == 0


def test_what_a_promotion_empties_is_counted_before(leader: Cluster, standby: Cluster) -> None:
    leader.sql("CREATE UNLOGGED TABLE u AS SELECT generate_series(1, 1000) AS n")
    caught_up(leader, standby)
    said = seen(leader, statement("unlogged", 17))
    assert said["unlogged_tables"] == 1 and said["unlogged_bytes"] >= 1000 * 28
    sorts = [sorting.read(seen(one, statement("sorting", 17))["sorts"]) for one in (leader, standby)]
    assert sorts[0] == sorts[1] and seen(leader, LOOK)["sorts"] == seen(standby, LOOK)["sorts"]
    control.halt(leader.shell, leader.subject, 10, 2)
    control.promote(standby.shell, standby.subject, 2)
    assert standby.sql("SELECT count(*) FROM u") == "0"


def test_a_standby_tells_when_it_heard_from_its_leader_as_long_as_it_streams(leader: Cluster, standby: Cluster) -> None:
    until(lambda: seen(standby, statement("service", 17))["heard_s"] is not None, "it streams")
    assert seen(leader, statement("service", 17))["heard_s"] is None
    control.halt(leader.shell, leader.subject, 10, 2)
    until(lambda: seen(standby, statement("service", 17))["heard_s"] is None, "nobody is there to be heard")
