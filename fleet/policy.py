"""How often, how long, how many: every number that is policy and not mechanism, as pure functions.

Nothing ever waits longer than LONGEST_S, whatever a plan says. Times in seconds.
"""

import math

from fleet.states import (
    ATTACHING,
    AVAILABLE,
    CHANGING_OVER,
    CLOSED,
    CREATING,
    DESTROYING,
    DETACHED,
    DOWN,
    ENDS,
    FENCING,
    KEPT,
    NEEDS_HUMAN,
    OPEN,
    PLANNED,
    PREPARING,
    PROMOTING,
    REPOINTING,
    RESOLVED,
    RESOLVING,
    STARTED,
    TRIGGERED,
    UNCERTAIN,
    UPLOADING,
    VERIFYING,
    WAITING,
    WAITING_FOR_WINDOW,
)

FEEL, SUSPECT, WORK, SLOW = "feel", "suspect", "work", "slow"
QUEUES = (FEEL, SUSPECT, WORK, SLOW)

LONGEST_S = 60.0
BUILDING_S = 0.15  # what is being built: its next step waits for a detached job
# What takes long is looked at less often, and by no more of what it took is it late: looking costs what it could use.
WAITED_SHARE, PATIENT_S = 0.05, 5.0
SUSPECT_S = 1.0
DOWN_S = 2.0
SERVER_S = 15.0
SERVER_DOUBT_S = 20.0
# Beats are spread by this share of their interval, always to the early side, so that a herd does not beat in step.
JITTER = 0.1
# How long a claim leaves a suspect to other workers than the one that looked last: a second pair of eyes comes first.
SECOND_OPINION_S = 0.7

# The longest that one beat's wires may take together: connect and statement, SSH connect and command, provider.
SQL_TIMEOUT_S = 2.0
SSH_CONNECT_S = 2.0
SSH_TIMEOUT_S = 4.0
PROVIDER_TIMEOUT_S = 5.0
# A new login is tried this often beside the connection that is held, and at every beat while that fails (s).
DOOR_S, DOOR_TIMEOUT_S = 180.0, 4.0
LEASE_MARGIN_S = 2.0
# How long the herd's CA and a server's certificate last (days), how long before its end the CA is to be rotated, and
# after which share of its time a certificate is renewed.
AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 365
AUTHORITY_WARNED_DAYS = 180
CERTIFICATE_RENEWED = 2 / 3
# Of what is looked at this often a look is given up sooner: it has to be looked at again within its doubt window (s).
HASTY_S = 2.0
HASTY_SQL_S = 0.7
HASTY_SSH_S = 0.7
HASTIEST_S = 0.35
# In doubt such a thing's looks follow each other: the verdict waits for the look that ends the doubt window (s).
HASTY_SUSPECT_S = 0.1
# A look of a process that was late by so much meanwhile proves nothing by silence (s): it may not have listened.
LATE_LOOK_S = 0.5
# How long one action may take; what takes longer is started detached.
ACT_TIMEOUT_S = 25.0
# What an action asks of a host takes no longer than this, unless it says so when it asks for its lease (s). Reaching
# the host comes before that, and reading its clock before an order.
CALL_S = 10.0
REACH_S = 3.0
CLOCK_READ_S = 3.0
# A step of a changeover is short: whoever dies in one holds up its customers for no longer than this.
STEP_TIMEOUT_S = 12.0
# What lives in the archive is looked at over its host, and nobody waits for it but a person (s).
OF_THE_ARCHIVE = ("timeline", "backup")
ARCHIVE_S = {STARTED: 0.5, UPLOADING: 1.0, VERIFYING: 1.0, OPEN: 15.0, CLOSED: 60.0, KEPT: 60.0}
# When what failed may be tried again, by how often it was (s in its state): what it needs may be away for a moment.
PAUSES_S = (0, 5, 30)

# The share of a shared lock table (%) that no database needs. The table holds about half as much again as it is
# configured to: several databases at this share are found before the others are refused.
LOCK_SHARE_PCT = 25.0
# How often the lock tables of shared instances are read, and from which age on a reading says nothing (s).
LOCKS_READ_S, LOCKS_FRESH_S = 2.0, 15.0
# How long a suspension lasts, and for how long what led to it is remembered (s).
SUSPENDED_S, SUSPENSION_REMEMBERED_S = 1800.0, 7200.0

# A base backup is taken this often, and as soon as there is none (s).
BACKUP_EVERY_S = 86_400.0
# Every database is restored for a trial so often (s), by night where there is the choice (hours in UTC); one that
# failed is tried again after a while (s).
DRILL_EVERY_S = 7 * 86_400.0
DRILL_HOURS = range(1, 5)
DRILL_AGAIN_S = 6 * 3600.0
# How many logical backups are loaded on trial at one time, in the whole herd.
TRIALS = 4
# How long a standby that commits wait for may be missing before they wait for it no longer (s).
SYNC_PATIENCE_S = 3.0
# A planned changeover pauses clients for at most so long, then it is rolled back (s).
SWITCH_BUDGET_S = 8.0
# How far a standby may be behind when a changeover begins: a planned one, one without anybody's word (B).
SWITCH_LAG_BYTES = 16 * 2**20
FAILOVER_LAG_BYTES = 2**20

# How soon an action on what serves is followed by the next look (s), and how often one row may act at this pace.
FOLLOW_UP_S, REPEATS_AT_ONCE = 0.02, 4

# Where counting tries ends: an action may go on failing for weeks, and the column is a smallint.
MOST_TRIES = 1_000

_MOVING = (CREATING, DESTROYING, ATTACHING, DETACHED)
_INCIDENT = (TRIGGERED, RESOLVING, WAITING, NEEDS_HUMAN, RESOLVED)
_IN_DOUBT = (UNCERTAIN, DOWN)
_UNDER_WAY = (PLANNED, PREPARING, FENCING, PROMOTING, REPOINTING)
_KEEPING = (STARTED, UPLOADING, OPEN, CLOSED, KEPT)


def queue(state: str) -> str:
    """Who takes its beats: builders and menders, those who look at the doubtful, or those who feel the healthy."""
    if state in (*_MOVING, *_INCIDENT, *_UNDER_WAY, WAITING_FOR_WINDOW):
        return WORK
    if state in _KEEPING:
        return SLOW
    return SUSPECT if state in (*_IN_DOUBT, CHANGING_OVER) else FEEL


def interval(
    kind: str, state: str, plan_beat_s: float | None, state_s: float, asked_s: float | None = None
) -> float | None:
    """Seconds from one beat of a thing to its next, before jitter. None: it has come to its end and leaves the ring.

    `plan_beat_s` is the plan's, or that of the most important resource on an instance; None for servers. `state_s` is
    how long it has been in its state, `asked_s` how long somebody has waited for what he asked of it.
    """
    if state in ENDS:
        return None
    if kind in OF_THE_ARCHIVE:
        return ARCHIVE_S.get(state, LONGEST_S) if asked_s is None else BUILDING_S
    if state in (WAITING_FOR_WINDOW, NEEDS_HUMAN):
        return PATIENT_S
    if asked_s is not None or state in (*_MOVING, *_UNDER_WAY):
        waited = state_s if asked_s is None else asked_s
        return min(PATIENT_S, max(BUILDING_S, waited * WAITED_SHARE))
    if state in (UNCERTAIN, CHANGING_OVER):
        hasty = state == UNCERTAIN and plan_beat_s is not None and plan_beat_s < HASTY_S
        return HASTY_SUSPECT_S if hasty else min(SUSPECT_S, plan_beat_s or SUSPECT_S)
    if state == DOWN:
        return DOWN_S
    if state == AVAILABLE and plan_beat_s:
        return min(plan_beat_s, LONGEST_S)
    return SERVER_S if kind != "resource" else LONGEST_S


def sql_timeout(interval_s: float, verdict_s: float = math.inf) -> float:
    """How long one look over SQL may take: for connecting, and once more for answering. `verdict_s`: in how many
    seconds the doubt window ends; a hasty look that began in doubt ends then, if it was not just begun."""
    return _hasty(HASTY_SQL_S, verdict_s) if interval_s < HASTY_S else SQL_TIMEOUT_S


def ssh_timeout(interval_s: float, verdict_s: float = math.inf) -> float:
    """How long one look over SSH may take: for connecting, and once more for the command."""
    return _hasty(HASTY_SSH_S, verdict_s) if interval_s < HASTY_S else SSH_TIMEOUT_S


def _hasty(longest_s: float, verdict_s: float) -> float:
    """The last look ends when the doubt window does, and is none of the shortest: two share what is left before."""
    if longest_s < verdict_s < longest_s + HASTIEST_S:
        return verdict_s / 2
    return min(longest_s, max(HASTIEST_S, verdict_s))


def heard_s(interval_s: float) -> float:
    """How far two looks at what is in doubt may lie apart for the time between them to count: as long as one that times
    out on every wire lasts, and the rest until another worker looks. In more time than that nobody listened."""
    hasty = interval_s < HASTY_S
    wires = 2 * HASTY_SQL_S if hasty else 2 * SQL_TIMEOUT_S + SSH_CONNECT_S + SSH_TIMEOUT_S
    return wires + SECOND_OPINION_S + (HASTY_SUSPECT_S if hasty else SUSPECT_S)


def early(interval_s: float, draw: float) -> float:
    """The interval with its jitter; `draw` is uniform in [0, 1)."""
    return interval_s * (1 - JITTER * draw)


def beat_timeout(kind: str, state: str, job: bool = False) -> float:
    """The longest that one beat may feel: each of its wires at its time-out. An instance's host is asked too while the
    instance is not well or has a `job` there; a resource's, while it has one."""
    host = SSH_CONNECT_S + SSH_TIMEOUT_S
    if kind == "server":
        return host + DOOR_TIMEOUT_S + PROVIDER_TIMEOUT_S
    if kind in OF_THE_ARCHIVE:
        return host
    if kind == "address":
        return PROVIDER_TIMEOUT_S
    asked = job or (kind == "instance" and state != AVAILABLE)
    return 2 * SQL_TIMEOUT_S + (host if asked else 0.0)


def lease(kind: str, state: str, job: bool = False) -> float:
    """How long a claim holds: a little longer than the beat's wires may take. A beat that acts, or that asks more than
    its state tells, holds on for longer first (ring.hold)."""
    return beat_timeout(kind, state, job) + LEASE_MARGIN_S


def act_timeout(kind: str) -> float:
    """How long one action on a thing of this kind may take."""
    return STEP_TIMEOUT_S if kind == "changeover" else ACT_TIMEOUT_S


def counts_tries(state: str) -> bool:
    """Whether a table goes by how often something was tried in this state: what is built, moved, taken or removed. In
    any other state only the repetitions of one row count."""
    return state in (*_MOVING, *_UNDER_WAY, *_KEEPING)


def tries(verb: str, before: int, stopped: bool) -> int:
    """How often something was tried once `verb` was done, `before` being how often before that. Who asked was answered:
    with that the step is over. What follows on a job that a changeover of ours `stopped` is no other try."""
    if verb in ("fulfil", "refuse"):
        return 0
    return before if stopped else min(before + 1, MOST_TRIES)


def again(tries: int) -> float:
    """Seconds from an action that was done to the next beat. What it did shows at once or, when the same action comes
    up again and again, not soon."""
    return min(PATIENT_S, BUILDING_S * 2 ** min(tries, 10))


def follow_up(repeated: int) -> float:
    """Seconds from an action on what serves to its next beat, when the same row has acted `repeated` times in a row
    before. Steps that lead to each other follow each other; a row that comes up for ever is slowed down."""
    return FOLLOW_UP_S if repeated < REPEATS_AT_ONCE else again(repeated - REPEATS_AT_ONCE)


def retry(tries: int) -> float:
    """Seconds from an action that failed to its next attempt: soon at first, then patiently."""
    return min(PATIENT_S, 0.5 * 2 ** min(tries, 10))
