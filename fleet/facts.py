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
    ("state", TEXT, "", "the state that it is in"),
    ("state_s", FLOAT, "s", "how long it has been in its state"),
    ("tries", INT, "", "how often the step that it is at was begun"),
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
    ("unfed_s", FLOAT, "s", "how long ago that was"),
    ("unsafe_at", FLOAT, "s", "since when a failover could lose acknowledged writes, since 1970"),
    ("unsafe_s", FLOAT, "s", "how long that has been so; 0: it is not"),
    # Neighbours.
    ("server_state", TEXT, "", "state of the server beneath; of a changeover, beneath the one that is to lead"),
    ("instance_state", TEXT, "", "state of the instance beneath"),
    ("retires", BOOL, "", "it goes out of service on a date"),
    ("members", INT, "", "things on it that shall stay: instances of a server, databases of an instance"),
    ("leaders", INT, "", "instances on a server that lead, or serve as followers"),
    ("placed", BOOL, "", "it has an instance to live on"),
    ("own_instance", BOOL, "", "the instance beneath serves this resource alone"),
    ("members_answer", BOOL, "", "something on it answered since the doubt began"),
    ("handed", TEXT, "", "what became of the asking once handed to the instance: none, open, done, refused"),
    ("dropped", BOOL, "", "its database and role are gone from the shared instance"),
    ("role", TEXT, "", "what the instance shall be: leader or standby"),
    ("outdated", BOOL, "", "it was a leader, and another leads now"),
    ("generation", INT, "", "the generation that the host was told last"),
    ("next_generation", INT, "", "the one that would come after what our records know"),
    ("host_epoch", INT, "", "the epoch of the newest order that the host has taken"),
    ("next_epoch", INT, "", "the one that would come after what our records know"),
    ("proven_silent", BOOL, "", "an open changeover has proven that it can't acknowledge a write, and counts on that"),
    ("awaits_wal", BOOL, "", "it is built of an archive that the WAL of a lost leader is still being brought to"),
    ("stray_mark", BOOL, "", "it leads, and the fence mark on its host is of a changeover that is over"),
    ("configured", BOOL, "", "it was told last what it is to be now: whom to stream from, to wait for, to archive to"),
    ("upstream_state", TEXT, "", "state of the instance that it streams from"),
    ("hasty", BOOL, "", "its plan has high availability: a crash is not waited out"),
    ("standby_ready", BOOL, "", "a standby of it could take over"),
    ("standbys_missing", INT, "", "standbys that the plan promises and that are not there"),
    ("standbys_idle", INT, "", "standbys beyond those that the plan promises"),
    ("address_missing", BOOL, "", "the plan promises a stable address, and it has none"),
    ("copied", BOOL, "", "its database comes with a copy: it follows, was forked or restored"),
    ("changeover", TEXT, "", "state of its open changeover: none, planned, preparing, …"),
    ("quorum_step", TEXT, "", "what is to be done about the standbys that commits wait for: record, apply, nothing"),
    ("quorum_why", TEXT, "", "why"),
    ("quorum_was", TEXT, "", "the record of those standbys that this was thought from"),
    ("quorum_record", TEXT, "", "the record to be written in its place"),
    ("moved", TEXT, "", "what became of the changeover that was asked for: none, open, done, cancelled"),
    ("restorable", BOOL, "", "the last drill restored it from its archive and found it whole"),
    ("may_lose", BOOL, "", "a failover now could lose acknowledged writes"),
    # The machine (provider) and its host (SSH).
    ("machine", TEXT, "", "the provider's word on the machine: pending, running, stopped, paused, absent"),
    ("scheduled_events", TEXT, "", "what the provider announced for the machine"),
    ("ssh", BOOL, "", "the host let us in and ran a command"),
    ("ssh_why", TEXT, "", "why it did not"),
    ("adopted", BOOL, "", "the machine is its owner's: herdsite never makes it and never takes it away"),
    ("host_key", BOOL, "", "the host's key is pinned"),
    ("boot_id", TEXT, "", "names the host's present run; another one means that it rebooted"),
    ("rebooted", BOOL, "", "the host rebooted since PostgreSQL was last seen on it"),
    ("uptime_s", FLOAT, "s", "how long the host has been up"),
    ("clock_epoch", FLOAT, "s", "the host's clock, since 1970"),
    ("clock_skew_s", FLOAT, "s", "by how much its clock is ahead of ours"),
    ("kernel", TEXT, "", "its kernel's release"),
    ("os_release", TEXT, "", "its operating system"),
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
    ("disk_total_kb", INT, "kB", "size of the disk under our folder"),
    ("disk_used_kb", INT, "kB", "what is used of it"),
    ("disk_used_pct", FLOAT, "%", "what is used of what we may use"),
    ("inodes_used_pct", FLOAT, "%", "inodes used on that disk"),
    ("disk_full_in_s", FLOAT, "s", "when the disk is full if it fills on as it did since the look before"),
    ("postmasters", TEXT, "", "data directories below our folder on which a postmaster runs, with commas between"),
    ("mem_free_kb", INT, "kB", "memory that nothing uses at all"),
    ("disk_free_kb", INT, "kB", "what we may still use of the disk"),
    ("disk_read_kb", INT, "kB", "read from that disk since the host booted"),
    ("disk_written_kb", INT, "kB", "written to it since then"),
    ("read_iops", FLOAT, "/s", "reads from that disk since the look before, in operations of 16 kB"),
    ("write_iops", FLOAT, "/s", "writes to it, likewise"),
    ("postgres_memory", TEXT, "", "memory (kB) of each PostgreSQL, by its data directory: a/data:34000,b/data:…"),
    # The instance's host side (SSH).
    ("job", TEXT, "", "the detached job that the next step hangs on: none, running, done, failed, lost"),
    ("job_why", TEXT, "", "the last that a failed job said"),
    ("postmaster", BOOL, "", "a postmaster runs on the data directory"),
    ("data_dir", BOOL, "", "the data directory holds a cluster"),
    # PostgreSQL (SQL).
    ("service_available", BOOL, "", "it let us in and answered"),
    ("service_why", TEXT, "", "why it did not"),
    (
        "service_code",
        TEXT,
        "",
        "the SQLSTATE of its refusal, when it is there to refuse; HS001 where it does not prove who it is",
    ),
    ("in_recovery", BOOL, "", "it replays another's WAL: a standby, or restoring"),
    ("read_only", BOOL, "", "a new transaction may not write, and its customer did not set that"),
    ("customers_read_only", BOOL, "", "its customer has made transactions read only by default"),
    ("can_write", BOOL, "", "a write was committed"),
    ("write_hangs", BOOL, "", "it lets us in, and a write of ours did not come back"),
    ("closed", TEXT, "", "of an instance, databases whose owner can't enter; of one, what its customer set for that"),
    ("follows", BOOL, "", "it follows another database, and takes no writes by its nature"),
    ("lsn", TEXT, "", "WAL position: written on a leader, replayed on a standby"),
    ("timeline_id", INT, "", "PostgreSQL's number of the timeline it writes or follows"),
    ("version", INT, "", "the server's version as one number, 170010 for 17.10"),
    ("started", FLOAT, "s", "when the postmaster started, since 1970"),
    ("connections", INT, "", "client connections"),
    ("max_connections", INT, "", "connections that the instance can take"),
    ("capacity", TEXT, "", "what it was started with of what replay needs: max_connections=…, …"),
    ("restart_pending", BOOL, "", "its files say something else of that by now, which counts once it restarts"),
    ("short_of", TEXT, "", "what a standby has less of than its leader, of what replay needs; empty: nothing"),
    ("replay_paused", BOOL, "", "a standby's replay stands still, so that it could not be promoted"),
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
    ("sync_standbys", INT, "", "standbys whose word a commit waits for"),
    ("standby_lag_bytes", INT, "B", "WAL that the slowest of its standbys has not replayed"),
    ("receiver", TEXT, "", "a standby's WAL receiver: streaming, waiting, …; nothing when it has none"),
    ("receiver_age_s", FLOAT, "s", "since a standby last heard from its leader"),
    ("received_lsn", TEXT, "", "up to where a standby has received and flushed WAL"),
    ("replay_lag_s", FLOAT, "s", "how far behind a standby's data is"),
    ("slots", INT, "", "replication slots"),
    ("inactive_slots", INT, "", "slots that nobody reads"),
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
    ("sync_setting", TEXT, "", "the standbys whose word a commit waits for, as the leader has it"),
    ("sync_serial", INT, "", "the serial of that setting"),
    ("last_seen", TEXT, "", "where its WAL was when that was seen last: position, epoch, the segment archived last"),
    ("sync_settled", BOOL, "", "its checkpointer rests, and so has heard of the last reload"),
    ("sync_lsn", TEXT, "", "where the leader's WAL is at that look"),
    ("weak_commits", INT, "", "databases and roles whose commits are set to wait for no standby"),
    (
        "streams_seen",
        TEXT,
        "",
        "when each standby was last seen to keep up, and up to where it had confirmed: name=epoch@lsn …",
    ),
    ("streams", TEXT, "", "who streams from it: name:streaming:sync_state:priority:flushed, …"),
    # A timeline's place in the archive (SSH).
    ("archive_last", TEXT, "", "the newest segment in the archive"),
    ("archive_last_age_s", FLOAT, "s", "since it came"),
    ("archive_segments", INT, "", "segments in the archive"),
    ("archive_bytes", INT, "B", "all that is stored for it"),
    ("archive_missing", TEXT, "", "ranges of segments that are not there, and that no base backup was begun behind"),
    ("archive_holes", TEXT, "", "all ranges of segments that are not there, each with when the one before it came"),
    ("archive_backups", INT, "", "complete base backups"),
    ("prepared", BOOL, "", "it has its place in the archive"),
    ("writer_state", TEXT, "", "state of the instance that writes it"),
    ("backup_age_s", FLOAT, "s", "age of the newest good base backup; none: since the timeline began"),
    ("backup_runs", BOOL, "", "a base backup of it is under way"),
    ("backups", INT, "", "good base backups of it"),
    ("expirable", BOOL, "", "an old base backup, with its WAL, is needed by nobody any more"),
    ("drill_due", BOOL, "", "it is time to restore it for a trial"),
    ("drilling", BOOL, "", "it is being restored for a trial"),
    ("superseded", BOOL, "", "another instance leads, so this timeline is written no more, and no backup taken of it"),
    ("kept", BOOL, "", "its retention lasts, or another timeline needs it"),
    ("dump_due", BOOL, "", "a logical backup of it is due by its plan, and none is under way beside it"),
    ("taken_what", TEXT, "", "what its job is at: copying, replaying, dumping, …"),
    ("taken_bytes", INT, "B", "how much of that is done"),
    ("taken_of", INT, "B", "how much it is in the end"),
    ("taken_s", FLOAT, "s", "how long it has been at that"),
    ("taken_at", TEXT, "", "the segment of WAL that is being replayed"),
    ("due_out", BOOL, "", "the time for which it is kept is over"),
    # An address (provider).
    ("endpoint", TEXT, "", "the IP or name that customers use"),
    ("leads_to", TEXT, "", "the machine that it leads to; empty: to none"),
    ("leads_right", BOOL, "", "it leads to its resource's leader"),
    ("wanted", BOOL, "", "its resource wants it still"),
    # A changeover.
    ("window_open", BOOL, "", "now is when it may happen"),
    ("ready", BOOL, "", "it is known who takes over, and all is prepared"),
    ("refused", BOOL, "", "it can't be done; its problem says why"),
    ("proven", BOOL, "", "it is proven that the old leader can't acknowledge a write"),
    ("handed_over", BOOL, "", "the new leader leads by our records, whether it was promoted or not"),
    ("promoted", BOOL, "", "the new leader leads"),
    ("repointed", BOOL, "", "the address leads to the new leader"),
    ("target", TEXT, "", "the machine of its resource's leader"),
    ("target_state", TEXT, "", "state of the one that is to lead"),
    ("lost", BOOL, "", "the old leader was to be let go on, and its host can't be reached"),
    ("planned", BOOL, "", "the old leader takes part"),
    ("upgrades", BOOL, "", "it brings its resource to another major version of PostgreSQL"),
    ("upstream_takes", BOOL, "", "the one that it is to stream from is still taking over, or being taken over from"),
    ("moving", BOOL, "", "a changeover is about to make it the leader, or to take that from it"),
    ("upgrading", BOOL, "", "its data is being brought to another major version, and nobody else may touch it"),
    ("rolled_back", BOOL, "", "what was prepared is undone, and the old leader leads on"),
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
    ("tables", INT, "", "its tables"),
    ("unlogged_tables", INT, "", "those that are unlogged, and empty after a crash and after every change of leaders"),
    ("estimated_rows", INT, "", "its rows, as the planner estimates them"),
    ("rows_allowed", INT, "", "the rows that its plan takes"),
    ("table_hit_pct", FLOAT, "%", "table blocks found in shared memory, since the statistics began"),
    ("index_hit_pct", FLOAT, "%", "index blocks found in shared memory, since the statistics began"),
    ("transaction_id", INT, "", "the next transaction's number"),
    ("wal_bytes", INT, "B", "WAL that is kept on the disk"),
    ("wal_used_pct", FLOAT, "%", "that, of what PostgreSQL lets it grow to"),
    # An incident (incidents/life.py).
    ("alarm", BOOL, "", "the alarm that opened it is still open"),
    ("subject_gone", BOOL, "", "what it is about is being destroyed, or is no more"),
    ("under_cause", BOOL, "", "it hangs under another incident that is open"),
    ("way_out", BOOL, "", "a standby could take over, whatever became of the server, and no storm holds it back"),
    ("locked", BOOL, "", "a playbook of another incident works on the same thing"),
    ("playbook", TEXT, "", "how its next playbook may be used: act, ask, or none is left"),
    ("raised", BOOL, "", "its playbook ended with an error of ours"),
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
