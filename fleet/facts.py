"""What is known of one thing at one beat: a frozen value that the tables judge.

An attribute that nobody could find out is None: *not known*, which is never "no". Observations and rows keep
attributes as text (hstore); the catalogue below gives each its type, and `read` turns text into facts.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from types import MappingProxyType
from typing import Any

# The `service_code` of who answers for a server and does not prove to be it; PostgreSQL's own codes begin otherwise.
UNPROVEN = "HS001"

BOOL, INT, FLOAT, TEXT = "bool", "int", "float", "text"


@dataclass(frozen=True)
class Fact:
    """One name that tables, pages and observations share. `unit` is empty where the number is a count or a word."""

    name: str
    type: str
    unit: str
    meaning: str


def _catalogue(*rows: tuple[str, str, str, str]) -> dict[str, Fact]:
    return {row[0]: Fact(*row) for row in rows}


FACTS: dict[str, Fact] = _catalogue(
    # What the beat itself knows.
    ("state", TEXT, "", "state of the thing"),
    ("state_s", FLOAT, "s", "how long the state has lasted"),
    ("tries", INT, "", "how often the present step was begun"),
    ("asked", TEXT, "", "the verb of the oldest open intent"),
    ("asked_s", FLOAT, "s", "how long ago that was asked"),
    ("problem", TEXT, "", "why the last action failed"),
    # Doubt (fleet/doubt.py).
    ("doubt_s", FLOAT, "s", "how long no look from anywhere has succeeded"),
    ("doubt_window_s", FLOAT, "s", "how long silence must last before it is a verdict; the plan's"),
    ("sql_vantages", INT, "", "places whose SQL got no answer since the doubt began; of a single place, its workers"),
    ("ssh_vantages", INT, "", "the same for SSH"),
    ("vantage_sees", BOOL, "", "this worker reached something else lately, so it is not blind itself"),
    ("places", INT, "", "places (hosts, zones) from which workers look; where there is one, its processes count"),
    ("heard_s", FLOAT, "s", "since a standby heard from its leader: of a standby itself, of a leader any of them"),
    ("heard_at", FLOAT, "s", "when a standby last heard from its leader, since 1970"),
    ("fed_at", FLOAT, "s", "when a standby last heard from its leader, or its replay went on, since 1970"),
    ("unfed_s", FLOAT, "s", "how long ago a standby last heard from its leader, or its replay went on"),
    ("unsafe_at", FLOAT, "s", "since when a failover could lose acknowledged writes, since 1970"),
    ("unsafe_s", FLOAT, "s", "how long a failover could have lost acknowledged writes; 0: none could be lost"),
    # Neighbours.
    ("server_state", TEXT, "", "state of the server beneath; of a changeover, beneath the new leader"),
    ("instance_state", TEXT, "", "state of the instance beneath"),
    ("retires", BOOL, "", "the server goes out of service on a date"),
    ("members", INT, "", "things on it that are to stay: instances of a server, databases of an instance"),
    ("leaders", INT, "", "instances on a server that lead, or serve as followers"),
    ("placed", BOOL, "", "an instance is assigned to the database"),
    ("own_instance", BOOL, "", "the instance serves one resource alone"),
    ("members_answer", BOOL, "", "an instance of the server has answered since the doubt began"),
    ("handed", TEXT, "", "result of the request once passed to the instance: none, open, done, refused"),
    ("dropped", BOOL, "", "database and role are gone from the shared instance"),
    ("role", TEXT, "", "role of the instance: leader or standby"),
    ("outdated", BOOL, "", "former leader: another instance leads now"),
    ("generation", INT, "", "the generation of the last order that the host accepted"),
    ("next_generation", INT, "", "the generation after the one in herdsite's records"),
    ("host_epoch", INT, "", "the epoch of the newest order that the host accepted"),
    ("next_epoch", INT, "", "the epoch after the one in herdsite's records"),
    ("proven_silent", BOOL, "", "an open changeover relies on the proof that this instance can't acknowledge a write"),
    ("awaits_wal", BOOL, "", "WAL of the lost leader is being archived before the copy begins"),
    ("stray_mark", BOOL, "", "the instance leads, and the fence mark on its host is of a changeover that is over"),
    ("configured", BOOL, "", "configuration on the host is up to date: upstream, synchronous standbys, archiving"),
    ("upstream_state", TEXT, "", "state of the instance that it streams from"),
    ("hasty", BOOL, "", "the plan has high availability: after a crash PostgreSQL is restarted at once"),
    ("standby_ready", BOOL, "", "a standby could take over"),
    ("standbys_missing", INT, "", "standbys that the plan includes and that are missing"),
    ("standbys_idle", INT, "", "standbys beyond those that the plan includes"),
    ("address_missing", BOOL, "", "the plan includes a stable address, and none is reserved"),
    ("copied", BOOL, "", "the database comes with a base backup: a follower, fork or restore"),
    ("changeover", TEXT, "", "state of its open changeover: none, planned, preparing, …"),
    (
        "stopped",
        TEXT,
        "",
        "whether a changeover stopped whom the job reads from: no, now, before (since the job began)",
    ),
    ("quorum_step", TEXT, "", "next step for the set of synchronous standbys: record, apply, nothing"),
    ("quorum_why", TEXT, "", "reason for that step"),
    ("quorum_was", TEXT, "", "the record of synchronous standbys that the step is based on"),
    ("quorum_record", TEXT, "", "the record of synchronous standbys to be written in its place"),
    ("moved", TEXT, "", "result of the changeover that was requested: none, open, done, cancelled"),
    ("hosts_say", TEXT, "", "result of the looks since `believe` was requested: waits, leads, refused"),
    ("restorable", BOOL, "", "the last restore drill succeeded"),
    ("loadable", BOOL, "", "the last trial load of a logical backup succeeded"),
    ("may_lose", BOOL, "", "a failover now could lose acknowledged writes"),
    # The machine (provider) and its host (SSH).
    ("machine", TEXT, "", "the provider's answer about the machine: pending, running, stopped, paused, absent"),
    ("scheduled_events", TEXT, "", "announcements of the provider for the machine"),
    ("ssh", BOOL, "", "SSH login worked, and a command ran"),
    ("ssh_why", TEXT, "", "why SSH failed"),
    ("lets_in", BOOL, "", "a new SSH login worked when last tried, beside the connections that are open already"),
    ("lets_in_why", TEXT, "", "why the new login failed"),
    ("adopted", BOOL, "", "the machine belongs to its owner: herdsite neither creates nor destroys it"),
    ("host_key", BOOL, "", "the host's key is pinned"),
    ("boot_id", TEXT, "", "identifier of the host's present boot; another one means a reboot"),
    ("rebooted", BOOL, "", "the host rebooted since PostgreSQL was last seen on it"),
    ("uptime_s", FLOAT, "s", "how long the host has been up"),
    ("clock_epoch", FLOAT, "s", "the host's clock, since 1970"),
    ("clock_skew_s", FLOAT, "s", "by how much its clock is ahead of ours"),
    ("kernel", TEXT, "", "kernel release"),
    ("os_release", TEXT, "", "operating system"),
    ("reboot_required", BOOL, "", "an update waits for a reboot"),
    ("cpus", INT, "", "processors online"),
    ("load1", FLOAT, "", "load average over 1 minute"),
    ("load5", FLOAT, "", "load average over 5 minutes"),
    ("load15", FLOAT, "", "load average over 15 minutes"),
    ("mem_total_kb", INT, "kB", "memory"),
    ("mem_available_kb", INT, "kB", "memory that could be had without swapping"),
    ("mem_cached_kb", INT, "kB", "memory that caches files"),
    ("mem_used_pct", FLOAT, "%", "memory that could not be had without swapping"),
    ("swap_total_kb", INT, "kB", "swap space"),
    ("swap_free_kb", INT, "kB", "swap space not used"),
    ("disk_total_kb", INT, "kB", "size of the disk under herdsite's folder"),
    ("disk_used_kb", INT, "kB", "used space on that disk"),
    ("disk_used_pct", FLOAT, "%", "used share of the space that herdsite may use"),
    ("inodes_used_pct", FLOAT, "%", "inodes used on that disk"),
    ("disk_full_in_s", FLOAT, "s", "when the disk is full if it fills on as it did since the look before"),
    ("postmasters", TEXT, "", "data directories below our folder on which a postmaster runs, with commas between"),
    ("mem_free_kb", INT, "kB", "memory that nothing uses at all"),
    ("disk_free_kb", INT, "kB", "space that herdsite may still use on the disk"),
    ("disk_read_kb", INT, "kB", "read from that disk since the host booted"),
    ("disk_written_kb", INT, "kB", "written to it since then"),
    ("read_iops", FLOAT, "/s", "reads from that disk since the look before, in operations of 16 kB"),
    ("write_iops", FLOAT, "/s", "writes to it, likewise"),
    ("postgres_memory", TEXT, "", "memory (kB) of each PostgreSQL, by its data directory: a/data:34000,b/data:…"),
    # The instance's host side (SSH).
    ("job", TEXT, "", "the detached job that the next step hangs on: none, running, done, failed, lost"),
    ("job_why", TEXT, "", "the last message of a failed job"),
    ("postmaster", BOOL, "", "a postmaster runs on the data directory"),
    ("data_dir", BOOL, "", "the data directory holds a cluster"),
    # PostgreSQL (SQL).
    ("service_available", BOOL, "", "login worked, and PostgreSQL answered"),
    ("service_why", TEXT, "", "why login failed"),
    (
        "service_code",
        TEXT,
        "",
        "the SQLSTATE of its refusal, when it is there to refuse; HS001 where it does not prove who it is",
    ),
    ("in_recovery", BOOL, "", "PostgreSQL replays WAL: a standby, or a restore"),
    ("read_only", BOOL, "", "new transactions are read only, and the customer did not set that"),
    ("customers_read_only", BOOL, "", "the customer has set default_transaction_read_only"),
    ("can_write", BOOL, "", "a write was committed"),
    ("write_hangs", BOOL, "", "login works, and herdsite's test write did not return"),
    (
        "closed",
        TEXT,
        "",
        "databases whose owner can't log in; of a database, the setting that prevents it",
    ),
    ("follows", BOOL, "", "follower: the database is a read replica of another, and read only"),
    ("lsn", TEXT, "", "WAL position: written on a leader, replayed on a standby"),
    ("timeline_id", INT, "", "PostgreSQL's number of the timeline it writes or follows"),
    ("version", INT, "", "the server's version as one number, 170010 for 17.10"),
    ("started", FLOAT, "s", "when the postmaster started, since 1970"),
    ("connections", INT, "", "client connections"),
    ("max_connections", INT, "", "connections that the instance can take"),
    ("sorts", TEXT, "", "versions of the libraries by which the host sorts text: libc=…, icu=…"),
    ("sorts_unlike", TEXT, "", "versions of these on a standby's host that differ from its leader's; empty: none"),
    ("capacity", TEXT, "", "settings that replay needs, as PostgreSQL was started with: max_connections=…, …"),
    ("restart_pending", BOOL, "", "the configuration files change these settings, in force after a restart"),
    ("short_of", TEXT, "", "settings of a standby that are below its leader's and that replay needs; empty: none"),
    ("replay_paused", BOOL, "", "replay of the standby is paused, so that it could not be promoted"),
    ("lock_pct", FLOAT, "%", "share of the lock table of a shared instance that the database's sessions hold"),
    ("suspended", BOOL, "", "herdsite has suspended the database: its owner can't log in"),
    ("suspension_s", FLOAT, "s", "how long the suspension still lasts"),
    ("connection_limit", INT, "", "connections that the resource may have"),
    # What clients do.
    ("longest_transaction_s", FLOAT, "s", "age of the oldest open transaction"),
    ("longest_query_s", FLOAT, "s", "age of the oldest running statement"),
    ("xmin_age", INT, "", "transactions that began since the oldest snapshot in use"),
    ("active", INT, "", "sessions that run a statement"),
    ("waiting", INT, "", "running statements that wait for something"),
    ("blocked", INT, "", "sessions that wait for another's lock"),
    ("idle_in_transaction", INT, "", "sessions that sit in an open transaction"),
    ("idle_in_transaction_s", FLOAT, "s", "how long the longest of them has sat"),
    # Replication.
    ("standbys", INT, "", "standbys that stream from it"),
    ("sync_standbys", INT, "", "synchronous standbys: those that commits wait for"),
    ("standby_lag_bytes", INT, "B", "WAL that the slowest of its standbys has not replayed"),
    ("receiver", TEXT, "", "a standby's WAL receiver: streaming, waiting, …; nothing when it has none"),
    ("receiver_age_s", FLOAT, "s", "since a standby last heard from its leader"),
    ("received_lsn", TEXT, "", "up to where a standby has received and flushed WAL"),
    ("replay_lag_s", FLOAT, "s", "how far behind a standby's data is"),
    ("slots", INT, "", "replication slots"),
    ("inactive_slots", INT, "", "slots that no client reads"),
    ("lost_slots", INT, "", "slots whose WAL is gone"),
    ("slot_retained_bytes", INT, "B", "WAL kept for the slot that is furthest behind"),
    ("slot_inactive_s", FLOAT, "s", "how long the longest unread slot has not been read (17 and newer)"),
    # The archive of WAL.
    ("archived_count", INT, "", "segments archived since the statistics began"),
    ("failed_count", INT, "", "failed attempts to archive"),
    ("last_archived_wal", TEXT, "", "the segment archived last"),
    ("last_archived_age_s", FLOAT, "s", "since that succeeded"),
    ("last_failed_wal", TEXT, "", "the segment that failed last"),
    ("last_failed_age_s", FLOAT, "s", "since that failed"),
    ("archiver_failing", BOOL, "", "the last failure is younger than the last success"),
    ("sync_setting", TEXT, "", "synchronous_standby_names, as the leader has it"),
    ("sync_serial", INT, "", "the serial of that setting"),
    ("last_seen", TEXT, "", "where its WAL was when that was seen last: position, epoch, the segment archived last"),
    ("sync_settled", BOOL, "", "the checkpointer is idle, and so has read the last reload"),
    ("sync_lsn", TEXT, "", "where the leader's WAL is at that look"),
    ("weak_commits", INT, "", "databases and roles whose commits are set to wait for no standby"),
    (
        "streams_seen",
        TEXT,
        "",
        "when each standby was last seen to keep up, and up to where it had confirmed: name=epoch@lsn …",
    ),
    ("streams", TEXT, "", "replication connections: name:streaming:sync_state:priority:flushed, …"),
    # A timeline's place in the archive (SSH).
    ("archive_last", TEXT, "", "the newest segment in the archive"),
    ("archive_last_age_s", FLOAT, "s", "age of that segment"),
    ("archive_segments", INT, "", "segments in the archive"),
    ("archive_bytes", INT, "B", "size of everything stored for the timeline"),
    ("archive_missing", TEXT, "", "ranges of missing segments after the newest base backup began"),
    ("archive_holes", TEXT, "", "all ranges of segments that are not there, each with when the one before it came"),
    ("hole_told", BOOL, "", "missing WAL was looked for on every instance, and a person was told what is lost"),
    ("archive_backups", INT, "", "complete base backups"),
    ("prepared", BOOL, "", "the timeline has its place in the archive"),
    ("writer_state", TEXT, "", "state of the instance that writes it"),
    ("backup_age_s", FLOAT, "s", "age of the newest good base backup; none: since the timeline began"),
    ("backup_runs", BOOL, "", "a base backup of it is under way"),
    ("backups", INT, "", "good base backups of it"),
    ("expirable", BOOL, "", "an old base backup, with its WAL, is not needed any more"),
    ("drill_due", BOOL, "", "a restore drill is due"),
    ("drilling", BOOL, "", "a restore drill is running"),
    ("superseded", BOOL, "", "another instance leads, so this timeline gets no more WAL and no more backups"),
    ("kept", BOOL, "", "the retention period lasts, or another timeline needs this one"),
    ("dump_due", BOOL, "", "a logical backup of it is due by its plan, and none is under way beside it"),
    ("trial_due", BOOL, "", "a trial load of this logical backup is due"),
    ("trying", BOOL, "", "a trial load of this logical backup is running"),
    ("leaves_out", INT, "", "parts of the dump that can't be loaded here, grouped by reason"),
    ("load_told", BOOL, "", "the answer to the load lists those parts"),
    ("taken_what", TEXT, "", "the step of the job: copying, replaying, dumping, …"),
    ("taken_bytes", INT, "B", "how much of that is done"),
    ("taken_of", INT, "B", "how much the whole is"),
    ("taken_s", FLOAT, "s", "how long the step has run"),
    ("taken_at", TEXT, "", "the segment of WAL that is being replayed"),
    ("due_out", BOOL, "", "the time for which it is kept is over"),
    # An address (provider).
    ("endpoint", TEXT, "", "the IP or name that customers use"),
    ("leads_to", TEXT, "", "the machine that it leads to; empty: to none"),
    ("leads_right", BOOL, "", "the address leads to the leader of its database"),
    ("wanted", BOOL, "", "the database still needs this address"),
    # A changeover.
    ("window_open", BOOL, "", "the start time or maintenance window has come"),
    ("ready", BOOL, "", "the new leader is chosen, and everything is prepared"),
    ("refused", BOOL, "", "the changeover can't be done; the problem says why"),
    ("proven", BOOL, "", "proof exists that the old leader can't acknowledge a write"),
    ("handed_over", BOOL, "", "herdsite's records name the new leader, whether it was promoted or not"),
    ("promoted", BOOL, "", "the new leader leads"),
    ("repointed", BOOL, "", "the address leads to the new leader"),
    ("target", TEXT, "", "the machine of its resource's leader"),
    ("target_state", TEXT, "", "state of the new leader"),
    ("lost", BOOL, "", "the old leader was told to carry on, and did not confirm that it does"),
    ("planned", BOOL, "", "planned: the old leader takes part"),
    ("upgrades", BOOL, "", "the changeover brings the database to another major version of PostgreSQL"),
    ("upstream_takes", BOOL, "", "the upstream is still taking over, or being replaced"),
    ("moving", BOOL, "", "a changeover is about to make the instance leader, or to replace it"),
    ("upgrading", BOOL, "", "pg_upgrade is working on the data: nothing else may change it"),
    ("rolled_back", BOOL, "", "the preparations are undone, and nothing was promoted"),
    # Size and wear.
    ("size_bytes", INT, "B", "all databases of the instance"),
    ("databases", INT, "", "customers' databases in the instance"),
    ("cache_hit_pct", FLOAT, "%", "blocks found in shared memory, since the statistics began"),
    ("commits", INT, "", "transactions committed, since the statistics began"),
    ("rollbacks", INT, "", "transactions rolled back, since the statistics began"),
    ("deadlocks", INT, "", "deadlocks, since the statistics began"),
    ("temp_bytes", INT, "B", "written to temporary files, since the statistics began"),
    ("xid_age", INT, "", "transactions since the oldest unfrozen row; writes stop near 2^31"),
    ("multixact_age", INT, "", "the same for shared row locks"),
    ("db_size_bytes", INT, "B", "the resource's database"),
    ("tables", INT, "", "tables"),
    ("unlogged_bytes", INT, "B", "size of the unlogged tables"),
    ("unlogged_tables", INT, "", "unlogged tables, which are empty after a crash and after every change of leader"),
    ("estimated_rows", INT, "", "rows, as the planner estimates them"),
    ("rows_allowed", INT, "", "rows that the plan allows"),
    ("table_hit_pct", FLOAT, "%", "table blocks found in shared memory, since the statistics began"),
    ("index_hit_pct", FLOAT, "%", "index blocks found in shared memory, since the statistics began"),
    ("transaction_id", INT, "", "the next transaction's number"),
    ("wal_bytes", INT, "B", "WAL that is kept on the disk"),
    ("wal_used_pct", FLOAT, "%", "share of the WAL size that PostgreSQL allows"),
    # An incident (incidents/life.py).
    ("alarm", BOOL, "", "the alarm that opened it is still open"),
    ("subject_gone", BOOL, "", "the subject of the incident is being destroyed, or gone"),
    ("under_cause", BOOL, "", "the cause of the incident is an open incident too"),
    ("way_out", BOOL, "", "a standby could take over whatever the state of the server, and no brake stops it"),
    ("locked", BOOL, "", "a playbook of another incident works on the same thing"),
    ("playbook", TEXT, "", "how its next playbook may be used: act, ask, or none is left"),
    ("raised", BOOL, "", "the playbook ended with an error in herdsite's own code"),
    ("wait_s", FLOAT, "s", "how long it still waits: for a step to take effect, or for its date"),
    ("patience_s", FLOAT, "s", "how long it may be in its state before a person is called"),
)


@dataclass(frozen=True)
class Facts(Mapping[str, Any]):
    """Facts by name. A name that is not there reads as None; a name that is not in the catalogue is a KeyError."""

    now: datetime
    values_: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        if name not in FACTS:
            raise KeyError(f"{name!r} is not in the catalogue of facts")
        return self.values_.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


# No count and no measurement is as large, and nothing that a page or a column of ours takes is larger.
MOST = 2**63
# Characters of a word. What is longer was made up, or would hurt whoever keeps it.
LONGEST = 100_000
_PLAIN = re.compile(r"[-+.0-9eE]+")


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) >= MOST:
        raise ValueError(text)
    return number


def _number(text: str) -> float:
    """NaN compares as no and infinity has no place in JSON: neither is a measurement."""
    number = float(text)
    if not isfinite(number) or abs(number) >= MOST:
        raise ValueError(text)
    return number


_TYPES: dict[str, Callable[[str], Any]] = {
    BOOL: lambda text: {"true": True, "false": False}[text],
    INT: _integer,
    FLOAT: _number,
    TEXT: str,
}


def typed(name: str, text: str) -> Any:
    """One attribute's text as its type says. What does not read as its type is not known: None."""
    try:
        return _TYPES[FACTS[name].type](text)
    except (KeyError, ValueError):
        return None


def text(value: Any) -> str | None:
    """The reverse: how a value is kept in an attribute. None is kept as NULL."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def admitted(name: str, said: str | None) -> str | None:
    """The text of an attribute as it may be kept, whoever said it: a number is one, plainly written, and a word is of a
    bearable length and holds nothing that moves a cursor or reads backwards. None for what is no such thing."""
    if said is None or len(said) > LONGEST:
        return None
    if name in FACTS and FACTS[name].type != TEXT:
        value = typed(name, said)
        return said if value is not None and _PLAIN.fullmatch(said) else text(value)
    return said if said.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in said)


def read(now: datetime, attrs: Mapping[str, str | None], **more: Any) -> Facts:
    """Facts from an observation's attributes, and from what else is known. What is not in the catalogue is left out:
    an attribute may be recorded long before any table asks for it."""
    values = {name: typed(name, value) for name, value in attrs.items() if name in FACTS and value is not None}
    return Facts(now, MappingProxyType(values | {name: value for name, value in more.items() if value is not None}))
