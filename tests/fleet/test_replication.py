"""Standbys on real PostgreSQL: copied, promoted, fenced, rewound, and their stray writes read out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.jobs import DONE, FAILED, Look
from fleet.postgres import commands, control, replication, roles
from fleet.postgres.config import REPLICA
from fleet.subject import Subject
from fleet.succession import lsn
from fleet.transports.base import CommandFailed
from tests.authority import ca, shown
from tests.clusters import SIZING, WATCH, Cluster, instance
from tests.localhosts import until
from tests.localshell import LocalShell, ended

PASSWORD = "stream-pass-41aa"
CALM = replace(SIZING, archived=True)
KEEP = replication.files(replication.leader(writing={"archive_command": "true"}), PASSWORD)


@pytest.fixture
def shell() -> Iterator[LocalShell]:
    shell = LocalShell()
    yield shell
    shell.close()


def member(shell: LocalShell, name: str) -> Subject:
    return instance(shell, 17, data=f"{shell.home}/instances/{name}/data")


@pytest.fixture
def leader(shell: LocalShell) -> Cluster:
    subject = member(shell, "one")
    control.build(shell, subject, "build", CALM, WATCH, replica=PASSWORD, dynamic=KEEP | shown(subject))
    assert ended(shell, "build") == Look(DONE)
    cluster = Cluster(shell, subject)
    cluster.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    return cluster


def beside(leader: Subject, subject: Subject, slot: str) -> tuple[str, dict[str, str]]:
    staged, info = (
        replication.conninfo(leader.bind, leader.port, slot, folder)
        for folder in (f"{subject.data}.files", subject.data)
    )
    return staged, replication.files(replication.standby(info, slot), PASSWORD, shown(subject))


def stand_by(leader: Cluster, subject: Subject, job: str, mode: str = commands.BUILD, stray: str = "") -> Look:
    slot = f"slot_{subject.id.hex[:8]}"
    if mode != commands.BUILD:
        leader.sql(roles.slot(slot))
    info, files = beside(leader.subject, subject, slot)
    control.stand_by(leader.shell, subject, job, CALM, files, info, slot, mode, stray)
    return ended(leader.shell, job)


@pytest.fixture
def standby(leader: Cluster) -> Cluster:
    subject = member(leader.shell, "two")
    assert stand_by(leader, subject, "copy") == Look(DONE)
    return Cluster(leader.shell, subject)


def caught_up(leader: Cluster, standby: Cluster) -> None:
    lsn = leader.sql("SELECT pg_current_wal_lsn()")
    for _ in range(200):
        if standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'; SELECT pg_sleep(0.02)").startswith("t"):
            return
    raise AssertionError("it does not catch up")


def test_a_standby_streams_and_shows_what_its_leader_wrote(leader: Cluster, standby: Cluster) -> None:
    leader.sql("INSERT INTO t VALUES (2)")
    caught_up(leader, standby)
    assert standby.sql("SELECT count(*), pg_is_in_recovery() FROM t") == "2|t"
    assert leader.sql("SELECT state FROM pg_stat_replication") == "streaming"
    assert standby.sql("SELECT name FROM pg_file_settings WHERE error IS NOT NULL") == ""


def test_a_standby_takes_nothing_from_who_is_not_its_leader(leader: Cluster, standby: Cluster) -> None:
    """The connection to its leader is cut, and somebody with the certificate of another CA answers there."""
    assert "sslmode=verify-full" in standby.sql("SHOW primary_conninfo")
    control.configure(leader.shell, leader.subject, KEEP | shown(leader.subject, issuer=ca("another")))
    log = f"cat {standby.subject.data}/log/postgresql-*.log"

    def refused() -> bool:
        leader.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
        return "certificate verify failed" in standby.shell.run(["sh", "-c", log]).out

    until(refused, "its leader is not believed")
    leader.sql("INSERT INTO t VALUES (2)")
    assert leader.sql("SELECT count(*) FROM pg_stat_replication") == "0"
    control.configure(leader.shell, leader.subject, KEEP | shown(leader.subject))
    until(lambda: standby.sql("SELECT count(*) FROM t") == "2", "it streams again")


def test_beginning_again_leaves_a_standby_as_it_is(leader: Cluster, standby: Cluster) -> None:
    before = standby.sql("SELECT pg_postmaster_start_time()")
    assert stand_by(leader, standby.subject, "again") == Look(DONE)
    assert standby.sql("SELECT pg_postmaster_start_time()") == before


def test_a_copy_that_was_cut_off_is_copied_again(leader: Cluster) -> None:
    subject = member(leader.shell, "two")
    half = Path(f"{subject.data}.new")
    leader.shell.run(["mkdir", "-p", str(half)])
    leader.shell.run(["touch", f"{half}/PG_VERSION", f"{half}/half"])
    assert stand_by(leader, subject, "copy") == Look(DONE)
    assert not half.exists() and not Path(subject.data, "half").exists()


def test_only_the_replication_role_replicates_and_it_enters_no_customers_database(leader: Cluster) -> None:
    leader.create("anna", "anna-pass-77ce")
    with leader.connect(REPLICA, PASSWORD) as it:
        assert it.execute("SELECT rolreplication, rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (
            True,
            False,
        )
    with pytest.raises(Exception, match="rejects connection"):
        leader.connect(REPLICA, PASSWORD, "anna")


def test_a_promoted_standby_writes_a_timeline_of_its_own(leader: Cluster, standby: Cluster) -> None:
    caught_up(leader, standby)
    said = control.promote(leader.shell, standby.subject, 2)
    assert said["timeline_id"] == "2"
    standby.sql("INSERT INTO t VALUES (3)")
    again = control.promote(leader.shell, standby.subject, 2)
    assert again["timeline_id"] == "2"
    with pytest.raises(CommandFailed, match="it has taken 2"):
        control.promote(leader.shell, standby.subject, 1)


def test_a_promotion_that_died_is_begun_again_and_never_writes_the_old_timeline(
    leader: Cluster, standby: Cluster
) -> None:
    """Its signal was gone when it died, so whoever started it found a leader of its former leader's timeline."""
    caught_up(leader, standby)
    data = Path(standby.subject.data)
    standby.shell.run(["sh", "-c", f"echo 1 > {data}/herdsite.promoting"])
    control.halt(leader.shell, leader.subject, 10, 2)
    control.stop(standby.shell, standby.subject, "stop")
    assert ended(standby.shell, "stop") == Look(DONE)
    (data / "standby.signal").unlink()
    control.start(standby.shell, standby.subject, "start")
    assert ended(standby.shell, "start") == Look(DONE)
    assert standby.sql("SELECT pg_is_in_recovery()") == "f"
    said = control.promote(standby.shell, standby.subject, 2)
    assert said["timeline_id"] == "2" and not (data / "herdsite.promoting").exists()
    assert standby.sql("SELECT count(*) FROM t") == "1"


def test_a_fenced_leader_is_started_by_nothing_but_its_rejoining(leader: Cluster, standby: Cluster) -> None:
    leader.sql("CHECKPOINT")
    leader.sql("INSERT INTO t SELECT generate_series(1000, 2000)")
    at = leader.sql("SELECT pg_current_wal_flush_lsn()")
    said = control.fence(leader.shell, leader.subject, 2)
    assert "lsn" not in said and "shut down" not in said["cluster"]
    end = control.end(leader.shell, leader.subject)
    assert lsn.parse(at) <= lsn.parse(end) < lsn.parse(at) + 2**16
    control.start(leader.shell, leader.subject, "start")
    look = ended(leader.shell, "start")
    assert look.job == FAILED and "fenced" in look.why


@pytest.mark.parametrize("stray", [False, True])
def test_a_leader_that_was_rejoins_behind_the_new_one(leader: Cluster, standby: Cluster, stray: bool) -> None:
    caught_up(leader, standby)
    control.promote(leader.shell, standby.subject, 2)
    leader.create("anna", "anna-pass-77ce")
    leader.sql("SET ROLE anna; CREATE TABLE stray AS SELECT 1", "anna")
    standby.sql("INSERT INTO t VALUES (4)")
    control.fence(leader.shell, leader.subject, 2)
    kept = f"{leader.shell.home}/strays-one" if stray else ""
    assert stand_by(standby, leader.subject, "rejoin", commands.REJOIN, kept) == Look(DONE)
    caught_up(standby, leader)
    assert leader.sql("SELECT max(n), pg_is_in_recovery() FROM t") == "4|t"
    assert Path(kept, "anna.dump").exists() is stray
    assert not Path(leader.subject.data, "herdsite.fenced").exists()


def test_a_rewind_that_was_cut_off_ends_in_a_copy(leader: Cluster, standby: Cluster) -> None:
    control.promote(leader.shell, standby.subject, 2)
    control.fence(leader.shell, leader.subject, 2)
    leader.shell.run(["touch", f"{leader.subject.data}/herdsite.rewinding"])
    leader.shell.run(["rm", f"{leader.subject.data}/global/pg_control"])
    assert stand_by(standby, leader.subject, "rejoin", commands.REJOIN) == Look(DONE)
    assert leader.sql("SELECT pg_is_in_recovery()") == "t"


def test_a_clean_halt_leaves_its_standby_with_everything(leader: Cluster, standby: Cluster) -> None:
    leader.sql("INSERT INTO t SELECT generate_series(1, 1000)")
    said = control.halt(leader.shell, leader.subject, 10, 2)
    assert said["cluster"] == "shut down"
    until(lambda: standby.sql(f"SELECT pg_last_wal_receive_lsn() > '{said['lsn']}'") == "t", "it has all of it")
    control.unfence(leader.shell, leader.subject, 2)
    assert leader.sql("SELECT count(*) FROM t") == "1001"


def test_what_halts_archives_its_last_segment_although_it_is_fenced(leader: Cluster) -> None:
    kept = leader.shell.home / "kept"
    kept.mkdir(mode=0o777)
    kept.chmod(0o777)
    slow = replication.leader(writing={"archive_command": f"sleep 0.7 && touch {kept}/%f"})
    control.configure(leader.shell, leader.subject, replication.files(slow, PASSWORD))
    leader.sql("INSERT INTO t VALUES (2)")
    last = leader.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")
    control.halt(leader.shell, leader.subject, 10, 2)
    said = control.fence(leader.shell, leader.subject, 2)
    assert said["cluster"] == "shut down"
    assert (kept / last).exists()


def test_a_slot_whose_wal_is_lost_is_made_anew(leader: Cluster) -> None:
    leader.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'; ALTER SYSTEM SET wal_keep_size = 0")
    leader.sql(
        "ALTER SYSTEM SET min_wal_size = '32MB'; ALTER SYSTEM SET max_wal_size = '32MB'; SELECT pg_reload_conf()"
    )
    leader.sql(roles.slot("behind"))
    for _ in range(6):
        leader.sql("INSERT INTO t VALUES (1); SELECT pg_switch_wal(); CHECKPOINT")
    assert leader.sql("SELECT wal_status FROM pg_replication_slots") == "lost"
    leader.sql(roles.slot("behind"))
    assert leader.sql("SELECT wal_status FROM pg_replication_slots") == "reserved"
    leader.sql(roles.drop_slots(["other"]))
    assert leader.sql("SELECT count(*) FROM pg_replication_slots") == "0"


def test_files_are_put_there_whole_and_read(leader: Cluster) -> None:
    control.configure(leader.shell, leader.subject, replication.files({"application_name": "it's"}))
    assert leader.sql("SELECT setting FROM pg_file_settings WHERE name = 'application_name'") == "it's"
    with pytest.raises(CommandFailed):
        control.halt(leader.shell, replace(leader.subject, bin="/nowhere"), 1, 2)


def test_an_order_of_an_older_generation_is_refused(leader: Cluster) -> None:
    control.configure(leader.shell, leader.subject, replication.files({"herdsite.generation": "3"}))
    with pytest.raises(CommandFailed, match="generation is 2, it has taken 3"):
        control.configure(leader.shell, leader.subject, replication.files({"herdsite.generation": "2"}))
    control.configure(
        leader.shell, leader.subject, replication.files({"herdsite.generation": "4", "herdsite.serial": "1"})
    )
    control.fence(leader.shell, leader.subject, 5)
    with pytest.raises(CommandFailed, match="fenced by generation 5"):
        control.unfence(leader.shell, leader.subject, 4)
