"""A standby brought to the next major version of PostgreSQL, on real ones, and the leader that was left as it is."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from test_replication import CALM, KEEP, PASSWORD, beside

from fleet import jobs
from fleet.jobs import DONE, FAILED, Look
from fleet.postgres import control, roles
from tests.authority import shown
from tests.clusters import PROGRAMS, WATCH, Cluster, instance
from tests.localhosts import until
from tests.localshell import LocalShell, ended

pytestmark = pytest.mark.real
ROWS = "SELECT sum(n), count(*) FROM t"


@pytest.fixture
def shell() -> Iterator[LocalShell]:
    shell = LocalShell()
    yield shell
    shell.close()


@pytest.fixture
def pair(shell: LocalShell) -> tuple[Cluster, Cluster]:
    """A leader of 17 that was stopped, and its standby, which has all of it."""
    one, two = (instance(shell, 17, data=f"{shell.home}/instances/{name}/data") for name in ("one", "two"))
    control.build(shell, one, "build", CALM, WATCH, replica=PASSWORD, dynamic=KEEP | shown(one))
    assert ended(shell, "build") == Look(DONE)
    leader, standby = Cluster(shell, one), Cluster(shell, two)
    leader.sql("CREATE EXTENSION citext; CREATE TABLE t (n int PRIMARY KEY, word citext)")
    leader.sql("CREATE ROLE anna LOGIN PASSWORD 'her-pass'")
    leader.sql(roles.slot("slot_two"))
    info, files = beside(one, two, "slot_two")
    control.stand_by(shell, two, "copy", CALM, files, info, "slot_two")
    assert ended(shell, "copy") == Look(DONE)
    leader.sql("INSERT INTO t SELECT n, 'Word' FROM generate_series(1, 100) AS n")
    halted(leader, standby, 2)
    return leader, standby


def halted(leader: Cluster, standby: Cluster, generation: int) -> None:
    """The leader is stopped, and its standby has all of it."""
    end = control.halt(leader.shell, leader.subject, 10, generation)["lsn"]
    until(lambda: standby.sql(f"SELECT pg_last_wal_receive_lsn() > '{end}'") == "t", "it has all of it")


def upgraded(standby: Cluster) -> Cluster:
    return Cluster(standby.shell, replace(standby.subject, major=18, bin=str(PROGRAMS[18])))


def test_what_its_leader_had_is_there_in_the_next_version(pair: tuple[Cluster, Cluster]) -> None:
    leader, standby = pair
    shell, new = leader.shell, upgraded(standby)
    control.upgrade(shell, new.subject, "upgrade", standby.subject.bin, CALM, tls=False)
    assert ended(shell, "upgrade") == Look(DONE)
    said = control.lead(shell, new.subject, KEEP)
    assert said["timeline_id"] == "1" and said["cluster"] == "in production"
    assert new.sql(ROWS) == "5050|100" and new.sql("SHOW server_version_num").startswith("18")
    assert new.sql("SELECT count(*) FROM t WHERE word = 'wORD'") == "100"
    assert new.sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'anna'") == "t"
    assert new.sql("SHOW data_checksums") == "on"
    new.sql("INSERT INTO t VALUES (101, 'new')")
    control.after_upgrade(shell, new.subject, "afterwards")
    assert ended(shell, "afterwards") == Look(DONE)
    control.unfence(shell, leader.subject, 2)
    assert leader.sql(ROWS) == "5050|100", "the leader that was goes on as if nothing had been"


def test_an_upgrade_that_was_cut_off_begins_again_or_says_that_it_can_not(pair: tuple[Cluster, Cluster]) -> None:
    _leader, standby = pair
    shell, new = standby.shell, upgraded(standby)
    control.upgrade(shell, new.subject, "first", standby.subject.bin, CALM, tls=False)
    jobs.clean(shell, str(shell.home), "first")
    control.upgrade(shell, new.subject, "second", standby.subject.bin, CALM, tls=False)
    assert ended(shell, "second") == Look(DONE)
    control.upgrade(shell, new.subject, "third", standby.subject.bin, CALM, tls=False)
    assert ended(shell, "third") == Look(DONE), "what is done is done"
    control.lead(shell, new.subject, KEEP)
    assert new.sql(ROWS) == "5050|100"


def test_what_can_not_be_upgraded_says_why(pair: tuple[Cluster, Cluster]) -> None:
    leader, standby = pair
    shell = leader.shell
    control.unfence(shell, leader.subject, 2)
    leader.sql("UPDATE pg_database SET datallowconn = false WHERE datname = 'template1'")
    halted(leader, standby, 3)
    control.upgrade(shell, upgraded(standby).subject, "upgrade", standby.subject.bin, CALM, tls=False)
    look = ended(shell, "upgrade")
    assert look.job == FAILED and "template1" in look.why


def test_what_the_next_version_does_not_take_is_told_in_the_words_of_its_error(pair: tuple[Cluster, Cluster]) -> None:
    leader, standby = pair
    shell = leader.shell
    control.unfence(shell, leader.subject, 2)
    leader.sql("UPDATE pg_attribute SET attoptions = '{unheard_of=1}' WHERE attrelid = 't'::regclass AND attnum = 1")
    halted(leader, standby, 3)
    control.upgrade(shell, upgraded(standby).subject, "upgrade", standby.subject.bin, CALM, tls=False)
    look = ended(shell, "upgrade")
    assert look.job == FAILED and 'unrecognized parameter "unheard_of"' in look.why
