"""A database with all that is odd and legal keeps content, settings and privileges wherever it is taken: behind another
server, to a new leader, to a former one, back in time, to the next version of PostgreSQL. On real PostgreSQL, at the
level of the scripts; the closed, read-only, mis-set database of tests/odd.py stays closed, read only and mis-set."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from test_replication import CALM, KEEP, PASSWORD, beside
from test_restoring import rig as rig

from fleet.jobs import DONE, FAILED, Look
from fleet.postgres import commands, control, entering, roles
from fleet.transports.base import checked
from tests import odd
from tests.archived import Rig, restored
from tests.authority import shown
from tests.clusters import LIMITS, MAJORS, PROGRAMS, WATCH, WITHOUT_TLS, Cluster, instance
from tests.localhosts import until
from tests.localshell import LocalShell, ended

NAME, SECRET = "strange", "strange-secret"
# What WAL does not carry, by PostgreSQL's own word: rows of an unlogged table, and that values of a sequence are not
# used yet, since it logs 32 of them ahead (here by -3 each).
UNLOGGED, AHEAD = "public.forgotten", ("-3|t", "-96|t")
# What an operator does for a customer, and what its owner does last, because nobody gets in afterwards.
BY_AN_OPERATOR = f"""
CREATE EXTENSION pg_stat_statements SCHEMA public;
ALTER DATABASE {NAME} SET log_min_duration_statement = 100;
ALTER ROLE {NAME} IN DATABASE {NAME} SET work_mem = '5MB';
CREATE FUNCTION public.noticed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE EVENT TRIGGER watches ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.noticed();
ALTER EVENT TRIGGER watches DISABLE;
CREATE EVENT TRIGGER refuses ON sql_drop EXECUTE FUNCTION public.noticed();
CREATE ROLE readers NOLOGIN;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO readers WITH GRANT OPTION;
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE FOREIGN DATA WRAPPER elsewhere;
CREATE SERVER far FOREIGN DATA WRAPPER elsewhere OPTIONS (host 'ü');
CREATE USER MAPPING FOR {NAME} SERVER far OPTIONS (password 'quo''te');
"""
BY_ITS_OWNER = f"""
SET ROLE {NAME};
ALTER ROLE {NAME} PASSWORD 'mine';
REVOKE CONNECT, TEMPORARY ON DATABASE {NAME} FROM PUBLIC;
ALTER DATABASE {NAME} CONNECTION LIMIT 0;
"""
CLOSED = (
    f"The owner of {NAME} has set CONNECTION LIMIT 0, which leaves herdsite no connection. To undo that: "
    f"ALTER DATABASE {NAME} CONNECTION LIMIT {LIMITS.connections + entering.CONNECTIONS}"
)
RIGHTS = f"""
SELECT datname, datistemplate, datconnlimit, datallowconn, datacl::text, pg_get_userbyid(datdba), datcollate, encoding
  FROM pg_database WHERE datname ~ '{NAME}';
SELECT rolname, rolcanlogin, rolconnlimit, rolsuper, rolcreaterole, rolbypassrls, md5(rolpassword) FROM pg_authid
  WHERE rolname !~ '^pg_' ORDER BY 1;
SELECT setdatabase::regclass IS NOT NULL, (SELECT datname FROM pg_database d WHERE d.oid = setdatabase),
  (SELECT rolname FROM pg_roles r WHERE r.oid = setrole), (SELECT array_agg(c ORDER BY c) FROM unnest(setconfig) c)
  FROM pg_db_role_setting ORDER BY 2, 3;
SELECT roleid::regrole, member::regrole, admin_option FROM pg_auth_members WHERE roleid >= 16384 ORDER BY 1, 2;
"""


@dataclass(frozen=True)
class Whole:
    """What is compared: each table's rows, what pg_dump says of the rest, and what the cluster says of its databases,
    roles, settings and memberships."""

    rows: dict[str, str]
    schema: str
    rights: str


def whole(cluster: Cluster, program: str = "") -> Whole:
    """`program` is the folder of the pg_dump to compare by: two versions word one thing differently."""
    subject = cluster.subject
    argv = [f"{program or subject.bin}/pg_dump", "-h", subject.socket, "-p", str(subject.port), "-U", "postgres"]
    env = ["env", "PGCLIENTENCODING=UTF8", f"PGOPTIONS={entering.options(subject.major)}"]
    text = checked(argv, cluster.shell.run([*env, *argv, "-s", "-C", NAME], timeout=60)).out
    return Whole(odd.seen(cluster, NAME), without_deputies(text, "--", "\\"), rights(cluster))


def rights(cluster: Cluster) -> str:
    return without_deputies(cluster.sql(RIGHTS))


def without_deputies(text: str, *others: str) -> str:
    """Without the roles of herdsite's own that act for owners, nor lines that begin with any of the others."""
    text = re.sub(r",herdsite_deputy_\w+=c/\w+", "", text)
    lines = [line for line in text.splitlines() if line and "herdsite_deputy_" not in line]
    return "\n".join(line for line in lines if not line.startswith(others))


def same(found: Whole, before: Whole, by_wal: bool = True) -> None:
    """Found is what was there before, or what WAL brings of that elsewhere."""
    rows = before.rows
    if by_wal:
        rows = rows | {UNLOGGED: "0|", "sequence": found.rows["sequence"]}
        assert rows["sequence"] in AHEAD
    assert found.rows == rows
    assert found.schema == before.schema
    assert found.rights == before.rights


@dataclass
class Pair:
    """A leader with the odd database and its standby, which has all of it."""

    leader: Cluster
    standby: Cluster
    before: Whole

    def end(self) -> None:
        """The leader is stopped, and its standby has all of it."""
        end = control.halt(self.leader.shell, self.leader.subject, 10, 2)["lsn"]
        until(lambda: self.standby.sql(f"SELECT pg_last_wal_receive_lsn() > '{end}'") == "t", "it has all of it")

    def swap(self, kept: str = "") -> None:
        """The former leader comes back behind the new one, once its stray writes are read out to `kept`."""
        former, leader = self.leader.subject, self.standby.subject
        job, slot = f"rejoin-{former.id.hex[:8]}", f"slot_{former.id.hex[:8]}"
        self.standby.sql(roles.slot(slot))
        info, files = beside(leader, former, slot)
        control.stand_by(self.leader.shell, former, job, CALM, files, info, slot, commands.REJOIN, kept)
        look = ended(self.leader.shell, job)
        assert look.job == DONE, look.why
        self.leader, self.standby = self.standby, self.leader
        caught_up(self.leader, self.standby)


def strange(cluster: Cluster) -> None:
    """Make it and a plain neighbour, all its settings included; from then on nobody can log into it."""
    cluster.create("unlike", SECRET, LIMITS)
    cluster.sql("SET ROLE unlike; CREATE TABLE t AS SELECT 1 AS n", "unlike")
    cluster.create(NAME, SECRET, LIMITS)
    odd.fill(cluster, NAME, SECRET)
    odd.operator(cluster, BY_AN_OPERATOR, NAME)
    odd.bother(cluster, NAME)
    cluster.sql(BY_ITS_OWNER)


def paired(shell: LocalShell, major: int) -> Pair:
    one, two = (instance(shell, major, data=f"{shell.home}/instances/{name}/data") for name in ("one", "two"))
    control.build(shell, one, "build", CALM, WATCH, replica=PASSWORD, dynamic=KEEP | shown(one))
    assert ended(shell, "build") == Look(DONE)
    leader, standby = Cluster(shell, one), Cluster(shell, two)
    leader.sql(roles.slot("slot_two"))
    info, files = beside(one, two, "slot_two")
    control.stand_by(shell, two, "copy", CALM, files, info, "slot_two")
    assert ended(shell, "copy") == Look(DONE)
    strange(leader)
    caught_up(leader, standby)
    return Pair(leader, standby, whole(leader))


def caught_up(leader: Cluster, standby: Cluster) -> None:
    lsn = leader.sql("SELECT pg_current_wal_lsn()")
    until(lambda: standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'") == "t", "it has caught up")


@pytest.fixture
def shell() -> Iterator[LocalShell]:
    shell = LocalShell()
    yield shell
    shell.close()


def test_it_is_led_by_its_standby_and_again_by_its_first_leader(shell: LocalShell) -> None:
    pair = paired(shell, 17)
    # Of the unlogged table a standby can tell nothing.
    assert rights(pair.standby) == pair.before.rights
    pair.end()
    control.promote(shell, pair.standby.subject, 2)
    same(whole(pair.standby), pair.before)
    pair.swap()
    assert rights(pair.standby) == pair.before.rights

    # It goes back by a failover, and whoever led meanwhile writes on and is closed altogether before it is fenced.
    control.promote(shell, pair.standby.subject, 3)
    odd.operator(pair.leader, f"SET ROLE {NAME}; CREATE TABLE public.stray AS SELECT 1 AS n", NAME)
    pair.leader.sql(f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS false")
    control.fence(shell, pair.leader.subject, 3)
    same(whole(pair.standby), pair.before)
    kept = f"{shell.home}/strays"
    pair.swap(kept)
    assert rights(pair.standby) == pair.before.rights
    argv = [f"{pair.leader.subject.bin}/pg_restore", "--list", f"{kept}/{NAME}.dump"]
    assert "TABLE DATA public stray" in checked(argv, shell.run(argv)).out

    control.set_password(shell, pair.leader.subject, NAME, "another")
    pair.leader.sql(f"ALTER DATABASE {NAME} CONNECTION LIMIT 2")
    pair.leader.connect(NAME, "another", NAME).close()
    pair.leader.drop(NAME)
    left = "SELECT (SELECT count(*) FROM pg_database WHERE datname ~ 'strange')"
    assert pair.leader.sql(f"{left}, (SELECT count(*) FROM pg_roles WHERE rolname ~ 'strange|deputy')") == "0|0"


# Debian's 15 is a later release than the 17 here, and writes what that is too old to know (upgrading.too_old).
@pytest.mark.parametrize(("old", "new"), [MAJORS[-2:]])
def test_it_has_another_version_and_keeps_its_neighbour_from_nothing(shell: LocalShell, old: int, new: int) -> None:
    pair = paired(shell, old)
    before = whole(pair.leader, str(PROGRAMS[new]))
    pair.end()
    subject = replace(pair.standby.subject, major=new, bin=str(PROGRAMS[new]))
    control.upgrade(shell, subject, "upgrade", pair.standby.subject.bin, CALM, tls=new not in WITHOUT_TLS)
    assert ended(shell, "upgrade") == Look(DONE)
    control.lead(shell, subject, KEEP)
    upgraded = Cluster(shell, subject)
    same(whole(upgraded), before)
    look = upgraded.do(control.after_upgrade, "afterwards")
    assert look.job == FAILED and look.why.strip().endswith(CLOSED)
    assert upgraded.sql("SELECT count(*) FROM pg_stats WHERE tablename = 't'", "unlike") == "1"
    same(whole(upgraded), before)
    # Until the new leader serves, the old one can go on as it was.
    control.unfence(shell, pair.leader.subject, 2)
    same(whole(pair.leader), pair.before, by_wal=False)


def test_it_is_restored_from_its_archive(rig: Rig, tmp_path: Path) -> None:
    """As a restore to a time and a fork do."""
    leader = rig.leader("source")
    cluster = Cluster(rig.shell, leader.subject)
    leader.backup("first")
    strange(cluster)
    before = whole(cluster)
    leader.archived()
    copy = restored(leader, "copy")
    same(whole(Cluster(rig.shell, copy.subject)), before)
