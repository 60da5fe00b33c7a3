"""What we look at: every probe there is. A new one is a file and a row; attributes need no migration.

Each beat makes the probes of its subject that are due, those of one wire in one round trip. What costs more, or may be
slow, is asked only of what is well, so that it never stands in the way of finding out whether something is alive.
The first SQL row of a kind is its sign of life: it is asked every beat, and alone when the others fail.
"""

from fleet import policy, progress
from fleet.jobs import LOOK
from fleet.logical.leaving import LEAVES
from fleet.states import (
    AVAILABLE,
    CREATING,
    DESTROYING,
    DOWN,
    RETIRING,
    STARTED,
    STOPPED,
    UNCERTAIN,
    UPLOADING,
    VERIFYING,
)
from fleet.subject import ADDRESS, BACKUP, CHANGEOVER, INSTANCE, RESOURCE, SERVER, TIMELINE
from observations.probes import address, archive, host, machine, reach
from observations.probes.base import DOOR, PROVIDER, SHELL, SQL, Probe, first_row, lines, script, sql

WELL = (AVAILABLE,)
CALM = (AVAILABLE, RETIRING)
IN_MOTION = (CREATING, UNCERTAIN, DOWN, DESTROYING)
TAKEN = (STARTED, UPLOADING, VERIFYING)
NOT_SERVING = (*IN_MOTION, STOPPED)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# fmt: off
PROBES: tuple[Probe, ...] = (
    #     name           of        over      every  timeout  fills, ask, read, in states
    Probe("machine",     SERVER,   PROVIDER, 60,    5,       machine.FILLS, machine.ask, machine.read, CALM),
    Probe("machine_now", SERVER,   PROVIDER, 1,     5,       machine.FILLS, machine.ask, machine.read, IN_MOTION),
    Probe("reach",       SERVER,   SHELL,    15,    4,       reach.FILLS, script(reach.SCRIPT), reach.read),
    Probe("door",        SERVER,   DOOR,     policy.DOOR_S, policy.DOOR_TIMEOUT_S,
          ("lets_in", "lets_in_why"), script(""), lines, CALM),
    Probe("host",        INSTANCE, SHELL,    0,     4,       host.FILLS, script(host.SCRIPT), lines, NOT_SERVING, True),
    Probe("service",     INSTANCE, SQL,      0,     2,
          _names("service_available in_recovery lsn timeline_id generation version started")
          + _names("connections max_connections replay_paused heard_s"),
          sql("service"), first_row),
    Probe("replication", INSTANCE, SQL,      15,    2,
          _names("standbys sync_standbys standby_lag_bytes receiver receiver_age_s received_lsn replay_lag_s"),
          sql("replication"), first_row),
    Probe("activity",    INSTANCE, SQL,      15,    2,
          _names("longest_transaction_s longest_query_s xmin_age active waiting blocked")
          + _names("idle_in_transaction idle_in_transaction_s"),
          sql("activity"), first_row),
    Probe("archiver",    INSTANCE, SQL,      15,    2,
          _names("archived_count failed_count last_archived_wal last_archived_age_s last_failed_wal last_failed_age_s")
          + _names("archiver_failing"),
          sql("archiver"), first_row),
    Probe("slots",       INSTANCE, SQL,      15,    2,
          _names("slots inactive_slots lost_slots slot_retained_bytes slot_inactive_s"),
          sql("slots"), first_row),
    Probe("doors",       INSTANCE, SQL,      5,     2,
          _names("closed"),
          sql("doors"), first_row),
    Probe("sorting",     INSTANCE, SQL,      300,   2,
          _names("sorts"),
          sql("sorting"), first_row),
    Probe("capacity",    INSTANCE, SQL,      15,    2,
          _names("capacity restart_pending"),
          sql("capacity"), first_row),
    Probe("quorum",      INSTANCE, SQL,      1,     2,
          _names("sync_setting sync_serial sync_settled sync_lsn streams"),
          sql("quorum"), first_row),
    Probe("hits",        INSTANCE, SQL,      60,    2,
          _names("cache_hit_pct commits rollbacks deadlocks temp_bytes"),
          sql("hits"), first_row, WELL),
    Probe("xid",         INSTANCE, SQL,      60,    2,
          _names("xid_age multixact_age"),
          sql("xid"), first_row, WELL),
    Probe("durability",  INSTANCE, SQL,      60,    2,
          _names("weak_commits"),
          sql("durability"), first_row, WELL),
    Probe("wal",         INSTANCE, SQL,      60,    2,
          _names("wal_bytes wal_used_pct transaction_id"),
          sql("wal"), first_row, WELL),
    Probe("sizes",       INSTANCE, SQL,      300,   2,
          _names("size_bytes databases"),
          sql("sizes"), first_row, WELL),
    Probe("login",       RESOURCE, SQL,      0,     2,
          _names("service_available in_recovery read_only customers_read_only"),
          sql("login"), first_row),
    Probe("write",       RESOURCE, SQL,      60,    2,
          _names("can_write"),
          sql("write"), first_row),
    Probe("usage",       RESOURCE, SQL,      60,    2,
          _names("connections connection_limit active blocked idle_in_transaction"),
          sql("usage"), first_row, WELL),
    Probe("size",        RESOURCE, SQL,      300,   2,
          _names("db_size_bytes tables estimated_rows table_hit_pct index_hit_pct transaction_id"),
          sql("size"), first_row, WELL),
    Probe("unlogged",    RESOURCE, SQL,      300,   2,
          _names("unlogged_tables unlogged_bytes"),
          sql("unlogged"), first_row, WELL),
    Probe("archive",     TIMELINE, SHELL,    0,     4,
          archive.FILLS, archive.ask, archive.read),
    Probe("job",         BACKUP,   SHELL,    0,     4,
          archive.JOB_FILLS, script(archive.JOB), lines, TAKEN, True),
    Probe("upgrade",     CHANGEOVER, SHELL,  0,     4,
          ("ssh", "job", "job_why"), script("echo ssh=true\n" + LOOK), lines, (), True),
    Probe("load",        RESOURCE, SHELL,    0,     4,
          ("job", "job_why", "leaves_out", *progress.FILLS), script(LOOK + LEAVES + progress.LOOK), lines, (), True),
    Probe("address",     ADDRESS,  PROVIDER, 0,     5,
          address.FILLS, address.ask, address.read),
)
# fmt: on
