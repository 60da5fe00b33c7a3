"""What is wrong, or soon will be: every alarm there is, and the counting that keeps a blip from being one.

Every row for a thing's kind is judged at each of its beats. True counts towards opening, False towards closing, and
what is not known changes nothing. A row opens after `open` beats in a row that say yes and closes after `close` that
say no, so that a value on the edge does not flap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.conditions import Condition, heard, is_, named, no, over, reached, said, under, yes
from fleet.facts import FACTS
from fleet.states import (
    ATTACHING,
    AVAILABLE,
    CHANGING_OVER,
    CLOSED,
    CREATING,
    DESTROYING,
    DETACHED,
    DOWN,
    MOVES,
    NEEDS_HUMAN,
    OPEN,
    RETIRING,
    UNCERTAIN,
)
from fleet.strays import unread
from fleet.think.instance import host_knows_more
from fleet.think.resource import NO_CONNECTIONS, NO_LOCKS, no_room, own_doing, takes_no_writes
from incidents.tenancy import no_locks, own_limit, suspended, takes_locks

SERVER, INSTANCE, RESOURCE, TIMELINE, BACKUP, ADDRESS, CHANGEOVER = KINDS = (
    *("server", "instance", "resource"),
    *("timeline", "backup", "address", "changeover"),
)
PAGE, WARN = "page", "warn"
SEVERITIES = (PAGE, WARN)
GIB = 2**30
HOUR_S = 3600
# For so long a new leader may be archiving what its predecessor did not (s).
HOLE_S = 300
# So far off a clock may be (s); how long a look takes is known no better.
CLOCK_S = 2


@dataclass(frozen=True)
class Alarm:
    """`kind` is the kind or kinds that it is about; `open` and `close` are beats in a row; `resolvers` name files in
    incidents/resolvers, in the order in which they are tried."""

    type: str
    kind: str | tuple[str, ...]
    when: Condition
    open: int
    close: int
    severity: str
    resolvers: tuple[str, ...]
    because: str

    @property
    def kinds(self) -> tuple[str, ...]:
        return (self.kind,) if isinstance(self.kind, str) else self.kind


def state(*names: str) -> Condition:
    return named(f"state is {' or '.join(names)}", is_("state", *names))


def share(part: str, whole: str, percent: float) -> Condition:
    """One measured fact has come up to so many per cent of another."""

    def judge(facts: Mapping[str, Any]) -> bool | None:
        one, all_ = facts[part], facts[whole]
        return None if one is None or all_ is None else 100 * one >= percent * all_

    return Condition(f"{part} >= {percent:g} % of {whole}", (part, whole), judge)


off = named("the provider reports that it does not run", is_("machine", "stopped", "paused", "absent"))
# A provider that can't tell must not keep a dead server from being anybody's business: here alone, not known is no.
not_off = Condition("the provider does not report that it is off", ("machine",), lambda facts: off(facts) is not True)


# How long a state that leads somewhere may last (s). What retires has a date, and a playbook that minds it.
DEADLINES_S = {CREATING: 900, DESTROYING: 900, CHANGING_OVER: 600, UNCERTAIN: 600}
# A job that is at it may copy for hours; a database waits as long as its instance is being built.
COPYING_S = 12 * HOUR_S


def _overdue(facts: Mapping[str, Any]) -> bool | None:
    state, since = facts["state"], facts["state_s"]
    if state is None or (state in DEADLINES_S and since is None):
        return None
    copied = state == CREATING and (facts["job"] == "running" or facts["instance_state"] == CREATING)
    return state in DEADLINES_S and since > (COPYING_S if copied else DEADLINES_S[state])


too_long = Condition(
    "the state has lasted longer than its deadline (s): "
    f"{', '.join(f'{name} {limit:g}' for name, limit in DEADLINES_S.items())}; "
    f"while a job builds it, {COPYING_S:g}",
    ("state", "state_s", "job", "instance_state"),
    _overdue,
)

# A machine that no leader lives on costs nobody a write, and may wait for the day.
serves = Condition("leaders are on this server", ("leaders",), lambda facts: facts["leaders"] != 0)
# A standby that is down costs nobody a write; as long as it is not known to be one, the graver case counts.
leads = Condition("the instance is no standby", ("role",), lambda facts: facts["role"] != "standby")
unplanned = Condition("no planned changeover stops it", ("planned",), lambda facts: facts["planned"] is not True)
# A host that was told nothing yet knows no generation, and so no more than we do.
not_newer = Condition(f"not {host_knows_more}", host_knows_more.names, lambda facts: host_knows_more(facts) is not True)
stands_by = named("the instance is a standby and no former leader", is_("role", "standby") & no("outdated"))


def _cant_write(facts: Mapping[str, Any]) -> bool | None:
    """Its customer gets in and can't write, for a reason of ours: what its customer has made read only stays so."""
    if facts["service_available"] is not True or facts["follows"] is True:
        return None if facts["service_available"] is None else False
    refused = facts["can_write"] is False and facts["customers_read_only"] is not True
    return takes_no_writes(facts) or refused


cant_write = Condition(
    f"{takes_no_writes}, or herdsite's test write was refused",
    ("service_available", "can_write", "customers_read_only", *takes_no_writes.names),
    _cant_write,
)
in_recovery = named(
    "herdsite's records name it the leader, and it is in recovery",
    is_("role", "leader") & yes("service_available") & yes("in_recovery"),
)
writes_as_standby = is_("role", "standby") & yes("service_available") & no("in_recovery")
unattached = state(DETACHED, ATTACHING) & is_("changeover", "none")
instance_serves = is_("instance_state", "available")

# How long a standby may go without a good sign while its leader is well, and a database without protection (s).
UNFED_S, UNSAFE_S, CUT_OFF_S = 15, 60, 60


def _diverged(facts: Mapping[str, Any]) -> bool | None:
    """It neither streams nor replays, and its leader is there: what it shows may be what nobody has. A receiver that
    waits has found that its own WAL does not lead on to its leader's."""
    if facts["receiver"] == "none" or facts["upstream_state"] not in (None, AVAILABLE):
        return False
    waits = facts["receiver_age_s"] if facts["receiver"] == "waiting" else None
    age = waits if facts["unfed_s"] is None else facts["unfed_s"]
    return None if age is None else age > UNFED_S


diverged = Condition(
    f"no streaming and no replay for {UNFED_S} s, while its leader is available",
    ("unfed_s", "receiver", "receiver_age_s", "upstream_state"),
    _diverged,
)
# Where nothing is promised, nothing is missing.
missing = said("archive_missing")
unsafe = named(
    f"the plan includes a standby, and for {UNSAFE_S} s a failover could have lost acknowledged writes",
    over("unsafe_s", UNSAFE_S),
)

# fmt: off
ALARMS: tuple[Alarm, ...] = (
    #     type                   of        when the facts say
    #     beats in a row that open it, that close it; severity; resolvers, tried in this order
    #     because

    # of servers
    Alarm("server_down",         SERVER,   state(DOWN) & off & serves,
          1, 2, PAGE, ("restart_server", "replay_from_archive"),
          "The machine does not run: every instance on this server is down"),
    Alarm("server_unreachable",  SERVER,   state(DOWN) & not_off & serves,
          2, 2, PAGE, ("restart_server", "replay_from_archive"),
          "SSH fails, and the machine may still run: its databases may serve without being looked after"),
    Alarm("spare_down",          SERVER,   state(DOWN) & under("leaders", 1),
          2, 2, WARN, ("restart_server", "do_without"),
          "A server without leaders is down: no customer is affected, and one server less can take over"),
    Alarm("server_retiring",     SERVER,   said("scheduled_events") | state(RETIRING),
          2, 2, WARN, ("retire_server",),
          "The server is going out of service"),
    Alarm("no_new_login",        SERVER,   yes("ssh") & no("lets_in"),
          2, 1, WARN, (),
          "No new SSH login works, open connections only: restart sshd on the host before they end"),
    Alarm("disk_filling",        SERVER,   over("disk_used_pct", 85) | under("disk_full_in_s", 4 * HOUR_S),
          8, 4, WARN, ("grow_disk",),
          "The disk is filling: PostgreSQL stops when it is full"),
    Alarm("disk_critical",       SERVER,   over("disk_used_pct", 95),
          2, 4, PAGE, ("grow_disk",),
          "The disk is almost full: the next burst of writes can stop PostgreSQL"),
    Alarm("clock_skew",          SERVER,   over("clock_skew_s", CLOCK_S) | under("clock_skew_s", -CLOCK_S),
          4, 2, WARN, ("sync_clock",),
          "The clock is wrong: certificates, logs and restores to a time depend on it"),

    # of instances: leaders, standbys, WAL, load
    Alarm("instance_down",       INSTANCE, state(DOWN) & leads & unplanned,
          1, 2, PAGE, ("restart_postgres", "failover", "kill_postgres", "rewrite_config", "replay_from_archive"),
          "The leader is down: its databases are not served"),
    Alarm("standby_down",        INSTANCE, state(DOWN) & stands_by,
          2, 2, WARN, ("restart_postgres", "rebuild_follower"),
          "The standby is down: one instance less can take over, or be read from"),
    Alarm("records_outdated",    INSTANCE, host_knows_more,
          3, 2, PAGE, (),
          "herdsite's database is older than the herd: the leader that it names may not lead. Make sure that no other "
          "herdsite runs this herd, then ask the database to believe its hosts"),
    Alarm("two_writers",         INSTANCE, writes_as_standby & not_newer,
          2, 1, PAGE, ("fence_stray_leader",),
          "Split brain: two instances accept writes"),
    Alarm("follower_stuck",      INSTANCE, stands_by & state(AVAILABLE) & is_("receiver", "none"),
          8, 2, WARN, ("rebuild_follower",),
          "The standby does not stream and falls behind"),
    Alarm("standby_unfit",       INSTANCE, stands_by & state(AVAILABLE) & (yes("replay_paused") | said("short_of")),
          8, 2, WARN, ("rebuild_follower",),
          "The standby has all WAL and could not be promoted: replay is paused, or settings are too small"),
    Alarm("sorts_unlike",        INSTANCE, said("sorts_unlike"),
          3, 3, WARN, (),
          "The standby's host sorts text unlike its leader's: indexes on text would be wrong after a change of leader"),
    Alarm("diverged",            INSTANCE, stands_by & state(AVAILABLE) & diverged,
          2, 2, WARN, ("rebuild_follower",),
          "The standby no longer follows its leader, and may show data that the leader does not have"),
    Alarm("cut_off",             INSTANCE, state(UNCERTAIN) & heard() & over("state_s", CUT_OFF_S),
          1, 1, PAGE, (),
          "The control plane can't reach the instance, and a standby still hears from it"),
    Alarm("follower_lagging",    INSTANCE, stands_by & over("replay_lag_s", 300),
          4, 2, WARN, (),
          "Replication lag is above 5 minutes: reads show old data"),
    Alarm("install_failed",      INSTANCE, state(CREATING) & is_("job", "failed", "lost") & over("tries", 2) & ~unread,
          2, 2, PAGE, (),
          "The build of the instance failed three times, and a database waits for it"),
    Alarm("strays_unread",       INSTANCE, state(CREATING) & yes("outdated") & unread,
          2, 1, PAGE, (),
          "Stray writes of the former leader could not be read out: make room on the disk, or ask for discard"),
    Alarm("archive_failing",     INSTANCE, yes("archiver_failing"),
          4, 2, WARN, ("retry_archive",),
          "WAL can't be archived: it fills the disk, and a restore to a recent time is not possible"),
    Alarm("slot_pins_wal",       INSTANCE, over("slot_retained_bytes", GIB) & over("inactive_slots", 0),
          8, 2, WARN, ("free_wal",),
          "An inactive replication slot keeps WAL on the disk"),
    Alarm("xid_age",             INSTANCE, over("xid_age", 1_000_000_000),
          2, 2, WARN, (),
          "Transaction IDs are running out: PostgreSQL stops accepting writes at 2^31"),
    Alarm("connections_exhausted", INSTANCE, share("connections", "max_connections", 95),
          3, 3, WARN, ("free_connections",),
          "Almost all connections are in use: the next client may be refused"),
    Alarm("out_of_locks",        INSTANCE, no_locks & no("own_instance"),
          3, 1, PAGE, (),
          "The lock table of a shared instance stays full: none of its customers can log in"),
    Alarm("long_transaction",    INSTANCE, over("longest_transaction_s", 2 * HOUR_S),
          2, 2, WARN, (),
          "A transaction has been open for 2 hours: VACUUM can't clean up behind it"),
    Alarm("durability_weakened", INSTANCE, said("sync_setting") & over("weak_commits", 0),
          2, 1, WARN, ("ask_customer",),
          "The customer has switched off synchronous commit: a failover can lose acknowledged writes"),

    # of databases as their customers see them
    Alarm("resource_down",       RESOURCE, state(DOWN) & no("service_available") & ~own_doing & instance_serves,
          2, 2, PAGE, ("free_connections",),
          "Customers can't log in, though the instance is up"),
    Alarm("cant_write",          RESOURCE, state(AVAILABLE, UNCERTAIN, DOWN) & cant_write,
          2, 2, PAGE, (),
          "Customers can log in and can't write"),
    Alarm("unprotected",         RESOURCE, unsafe,
          2, 1, WARN, (),
          "The plan includes a synchronous standby that is missing: a failover could lose acknowledged writes"),
    Alarm("writes_hang",         RESOURCE, yes("write_hangs"),
          2, 1, PAGE, (),
          "Commits hang: they wait for a synchronous standby that does not confirm them"),
    Alarm("not_leading",         INSTANCE, state(AVAILABLE) & in_recovery,
          3, 1, PAGE, (),
          "herdsite's records name this instance the leader, and it is in recovery: no customer can write"),
    Alarm("read_only_set",       RESOURCE, yes("customers_read_only"),
          2, 1, WARN, ("ask_customer",),
          "The customer has made the database read only (default_transaction_read_only)"),
    Alarm("locked_out",          RESOURCE, no("service_available") & own_doing & instance_serves,
          2, 2, WARN, ("ask_customer",),
          "The customer's own setting keeps herdsite out"),

    Alarm("lock_table_taken",    RESOURCE, no("own_instance") & takes_locks,
          1, 1, WARN, ("end_lock_holder",),
          "The customer's sessions hold so many locks that other customers are refused, or soon will be"),
    Alarm("suspended",           RESOURCE, suspended,
          1, 1, WARN, ("ask_customer",),
          "herdsite has suspended the database: its sessions took the locks of a shared instance repeatedly"),
    Alarm("connections_used_up", RESOURCE, no_room & is_("service_code", NO_CONNECTIONS) & own_limit,
          2, 2, WARN, ("ask_customer",),
          "The customer's sessions use all connections that the plan includes"),
    Alarm("locks_used_up",       RESOURCE, no_room & is_("service_code", NO_LOCKS) & yes("own_instance"),
          2, 1, WARN, ("ask_customer",),
          "The customer's sessions use all locks of the instance: new sessions are refused"),

    # of archives
    Alarm("archive_hole",        TIMELINE, state(CLOSED) & over("state_s", HOLE_S) & missing & no("hole_told"),
          2, 1, PAGE, ("fill_archive",),
          "WAL from before the last change of leader is missing in the archive"),
    Alarm("archive_gap",         TIMELINE, state(OPEN) & missing,
          2, 1, PAGE, ("take_backup",),
          "WAL is missing in the archive: a restore to a time in that gap is not possible"),
    Alarm("backup_stale",        TIMELINE, state(OPEN) & yes("prepared") & over("backup_age_s", 30 * HOUR_S),
          2, 1, WARN, ("take_backup",),
          "The last base backup is over 30 h old: restores take longer and longer"),

    # of stable addresses
    Alarm("address_detached",    ADDRESS,  unattached & instance_serves & over("state_s", 5),
          3, 1, PAGE, ("reattach_address",),
          "The stable address is not attached: customers can't reach their database by it"),

    # of changeovers, restore drills and limits
    Alarm("changeover_stuck",    CHANGEOVER, state(NEEDS_HUMAN),
          1, 1, PAGE, (),
          "The changeover can't go on without a person's decision"),
    Alarm("drill_failed",        RESOURCE, no("restorable"),
          1, 1, PAGE, (),
          "The restore drill failed: the database could not be restored from its archive"),
    Alarm("load_failed",         RESOURCE, no("loadable"),
          1, 1, PAGE, (),
          "The trial load failed: the newest logical backup could not be loaded"),
    Alarm("row_limit",           RESOURCE, reached("estimated_rows", "rows_allowed") & over("estimated_rows", 0),
          3, 3, WARN, ("enforce_row_limit",),
          "The database has more rows than its plan allows"),

    # of everything that has states
    Alarm("stuck",               KINDS,    too_long,
          2, 1, PAGE, (),
          "The state has lasted longer than its deadline"),
)
# fmt: on

# What its customer alone can mend, and hears of when it opens.
THEIRS = (
    *("durability_weakened", "row_limit", "read_only_set", "locked_out"),
    *("connections_used_up", "locks_used_up", "lock_table_taken", "suspended"),
)

BY_KIND = {kind: tuple(alarm for alarm in ALARMS if kind in alarm.kinds) for kind in KINDS}
BY_TYPE = {alarm.type: alarm for alarm in ALARMS}

# How the alarms of one thing stand: type → (whether it is open, beats in a row that said otherwise).
Streaks = Mapping[str, Any]
_AT_REST = (False, 0)


@dataclass(frozen=True)
class Judged:
    """The streaks after a beat, and the types that opened and closed at it. What is at rest is left out."""

    streaks: dict[str, Any]
    opened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()


def judge(kind: str, facts: Mapping[str, Any], streaks: Streaks) -> Judged:
    """Judge every alarm of the kind by one beat's facts. Pure."""
    after: dict[str, Any] = {}
    opened: list[str] = []
    closed: list[str] = []
    for alarm in BY_KIND[kind]:
        before = streaks.get(alarm.type, _AT_REST)
        is_open, count = step(alarm, alarm.when(facts), *before)
        if is_open or count:
            after[alarm.type] = [is_open, count]
        if is_open != before[0]:
            (opened if is_open else closed).append(alarm.type)
    return Judged(after, tuple(opened), tuple(closed))


def step(alarm: Alarm, verdict: bool | None, is_open: bool, count: int) -> tuple[bool, int]:
    """One alarm after one verdict: whether it is open, and how many verdicts in a row have said otherwise."""
    if verdict is None:
        return is_open, count
    if verdict is is_open:
        return is_open, 0
    count += 1
    return (not is_open, 0) if count >= (alarm.close if is_open else alarm.open) else (is_open, count)


def open_types(streaks: Streaks) -> list[str]:
    """The alarms that are open."""
    return [type_ for type_, (is_open, _count) in streaks.items() if is_open]


def check(resolvers: Mapping[str, Any]) -> list[str]:
    """What is wrong with the table, one sentence each; nothing when it is sound."""
    wrong = [f"{alarm.type}: there is more than one" for n, alarm in enumerate(ALARMS) if alarm.type in _types(n)]
    for alarm in ALARMS:
        wrong += [f"{alarm.type}: there is no kind {kind!r}" for kind in alarm.kinds if kind not in MOVES]
        wrong += [f"{alarm.type}: no fact is called {name!r}" for name in alarm.when.names if name not in FACTS]
        wrong += [f"{alarm.type}: there is no playbook {name!r}" for name in alarm.resolvers if name not in resolvers]
        if alarm.severity not in SEVERITIES or alarm.open < 1 or alarm.close < 1:
            wrong.append(f"{alarm.type}: severity is one of {', '.join(SEVERITIES)}; open and close are 1 or more")
        if alarm.when(dict.fromkeys(FACTS)) is not None:
            wrong.append(f"{alarm.type}: a look that finds out nothing opens or closes it")
    return wrong


def _types(n: int) -> set[str]:
    return {alarm.type for alarm in ALARMS[:n]}
