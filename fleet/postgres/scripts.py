"""What runs on a host to build, start, stop or destroy a cluster: POSIX sh, sent along with each command, so nothing of
ours is installed there. Each can be cut off after any line and run again.

Positional arguments: BIN DATA, then what the script itself names. What changes something is ORDERED: it gets the order
after these two, and begins with the prologue.
"""

from fleet.jobs import CLEAN
from fleet.listeners import UNCONTESTED
from fleet.postgres.entering import ENTERING
from fleet.postgres.prologue import NEWER, PROLOGUE
from fleet.postgres.wal_scripts import ENDS, OWED, PROMOTING

COMMON = """
set -eu
export LC_ALL=C
umask 077
bin=$1 data=$2

# A postmaster runs on the data directory: postmaster.pid names a living process that works there. The pid alone may
# be another process's by now, after a reboot say.
running() {
    pid=
    { read -r pid < "$data/postmaster.pid"; } 2>/dev/null || return 1
    [ "/proc/$pid/cwd" -ef "$data" ]
}

# The PostgreSQL processes that work in the data directory.
lodgers() {
    for cwd in /proc/[0-9]*/cwd; do
        [ "$cwd" -ef "$data" ] || continue
        case $(readlink "${cwd%cwd}exe") in
            */postgres | "*/postgres (deleted)") cwd=${cwd#/proc/} && echo "${cwd%/cwd}" ;;
        esac
    done
}

# With no postmaster left, see its children out: they end by themselves once they look up from what they are at, and
# until then might still acknowledge a write, and keep a new postmaster from starting. One that won't is killed.
see_out() {
    tries=0
    while left=$(lodgers) && [ -n "$left" ] && [ "$tries" -lt 80 ]; do
        ! running || return 0
        [ "$tries" -lt 40 ] || kill -9 $left 2>/dev/null || true
        sleep 0.05
        tries=$((tries + 1))
    done
}

# A postmaster.pid that nobody stands behind goes too, or PostgreSQL would not start when another process of ours
# bears that number by now.
vacate() {
    see_out
    running || rm -f "$data/postmaster.pid"
}

# Why it did not start: what it said before its log collector ran, or else the log.
why() {
    said=$data/log/startup.log
    ! grep -q 'logging collector' "$said" || said=$(ls -t "$data"/log/postgresql-*.log | head -n 1)
    tail -n 20 "$said" | grep -E 'FATAL|PANIC|could not|not supported' | sed 's/^[^]]*] *//' | tail -n 3
}

# Under the lock until the postmaster can be found by who wants to stop it; not while it recovers.
launch() {
    mkdir -p "$data/log"
    : > "$data/log/startup.log"
    rm -f "$data/postmaster.pid"
    setsid "$bin/postgres" -D "$data" < /dev/null >> "$data/log/startup.log" 2>&1 9>&- &
    begun=$!
    until running || [ ! -e "/proc/$begun/exe" ]; do sleep 0.01; done
}

# Whoever waits here may be overtaken by a fence: that is seen under the lock, right before anything is launched.
start() {
    unlock
    running || see_out
    lock
    heed
    if fenced; then
        echo "former leader, fenced: it must be rewound or rebuilt as a standby" >&2
        exit 1
    fi
    running || launch
    unlock
    until sed -n 8p "$data/postmaster.pid" 2>/dev/null | grep -q ready; do
        running || { why >&2; exit 1; }
        sleep 0.1
    done
}

stop() {
    ! running ||
        "$bin/pg_ctl" stop -D "$data" -m fast -t "$1" -s ||
        "$bin/pg_ctl" stop -D "$data" -m immediate -t "$1" -s ||
        true
    if running; then
        echo "the postmaster did not stop" >&2
        exit 1
    fi
    vacate
}

# Files from stdin, each headed by a line "=== NAME", up to a line "===", into the folder $1.
files_into() {
    while IFS= read -r line && [ "$line" != "===" ]; do
        case $line in
            "=== "*) exec 4> "$1/${line#=== }" ;;
            *) printf '%s\\n' "$line" >&4 ;;
        esac
    done
    exec 4>&-
}

# Those files to where they belong, each whole or not at all.
place() {
    for file in "$data.files"/* "$data.files"/.[!.]*; do
        [ -e "$file" ] || continue
        sync "$file"
        mv -f "$file" "$1/"
    done
    rmdir "$data.files"
}

# Its state by its own control file, and where its WAL ends if it was stopped cleanly: after a crash that file has only
# the last checkpoint.
ended() {
    "$bin/pg_controldata" -D "$data" | awk -F ': +' '
        /^Database cluster state/ { state = $2 }
        /^Latest checkpoint location/ { at = $2 }
        END { print "cluster=" state; if (state ~ /^shut down/) print "lsn=" at }'
}
"""

ORDERED = COMMON + PROLOGUE

# Then psql's command line. On stdin: files, each headed by a line "=== NAME", then a line "===", then SQL. The cluster
# is made beside its place and moved there when it is complete, so what stands in its place is never half-made and never
# removed. PEM and configuration hold no line that begins with "===".
BUILD = (
    ORDERED
    + UNCONTESTED
    + """
unlock
new=$data.new
rm -rf "$new"
mkdir -p "$new"
if [ ! -e "$data/PG_VERSION" ]; then
    [ ! -e "$data" ] || rmdir "$data"
    "$bin/initdb" -D "$new" --username=postgres --auth-local=peer --auth-host=scram-sha-256 \\
        --encoding=UTF8 --locale=C.UTF-8 --data-checksums < /dev/null > /dev/null
    files_into "$new"
    account=$(id -un)
    printf 'herdsite "%s" postgres\\n' "$account" > "$new/pg_ident.conf"
    lock
    heed
    mv -T "$new" "$data"
else
    files_into "$new"
    # Its port may be another one by now.
    lock
    heed
    running || mv -f "$new/postgresql.conf" "$data/postgresql.conf"
    unlock
    rm -rf "$new"
fi
running || uncontested
start
shift 2
exec "$@" > /dev/null
"""
)

# SOCKET PORT OPTIONS DATABASE. On stdin: SQL, for the deputy of the database's owner.
AS_DEPUTY = (
    COMMON
    + ENTERING
    + """
socket=$3 port=$4 options=$5
settled
deputize "$6"
exec "$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -v VERBOSITY=terse -h "$socket" -p "$port" -U "$deputy" -w -d "$6"
"""
)

START = ORDERED + "start\n"

# PATIENCE: seconds that clients get to end, before they are cut off.
STOP = ORDERED + 'unlock\nstop "$3"\n'

RESTART = ORDERED + 'unlock\nstop "$3"\nstart\n'

# The directory gives up its name first: half a cluster must never look like a cluster.
DESTROY = (
    ORDERED
    + """
unlock
# What is being destroyed need not end well.
(stop 5) || {
    ! running || kill -9 "$pid"
    while running; do sleep 0.1; done
    vacate
}
rm -rf "$data.new" "$data.gone"
lock
heed
[ ! -e "$data" ] || mv -T "$data" "$data.gone"
unlock
rm -rf "$data.gone"
"""
)

# HOME JOB: a job that was to change it is killed and forgotten.
CLEAR = ORDERED + "shift 2\n" + CLEAN

CONFIGURE = (
    ORDERED
    + NEWER
    + """
rm -rf "$data.files"
mkdir -p "$data.files"
files_into "$data.files"
newer
place "$data"
! running || "$bin/pg_ctl" reload -D "$data" -s
"""
)

# Which timeline it writes, and where that parted from the one before.
_PARTED = """
for history in "$data"/pg_wal/*.history; do :; done
while read -r before at because; do
    [ -z "$at" ] || forked=$at
done < "$history"
history=${history##*/}
echo "timeline_id=$((0x${history%.history}))"
echo "forked_lsn=$forked"
"""

# One that is not promoted yet knows only where the history before its own began.
PARTED = (
    COMMON
    + """
if [ -e "$data/standby.signal" ]; then
    echo "PostgreSQL is not promoted yet" >&2
    exit 1
fi
"""
    + _PARTED
)

# Customers wait, so it is told by signals, as pg_ctl would. Only the generation is noted, so that no order that was
# held up undoes it; what else it is told to be it is told afterwards.
PROMOTE = (
    ORDERED
    + NEWER
    + OWED
    + PROMOTING
    + """
had=$(told generation "$data/herdsite.conf")
if [ "${had:-0}" -gt "$3" ]; then
    echo "this order's generation is $3, it has taken $had" >&2
    exit 3
fi
[ "${had:-0}" -eq "$3" ] || echo "herdsite.generation = '$3'" >> "$data/herdsite.conf"

mark=$data/herdsite.promoting
if [ -e "$data/standby.signal" ]; then
    "$bin/pg_controldata" -D "$data" | sed -n "s/^Latest checkpoint's TimeLineID: *//p" > "$mark"
elif [ -e "$mark" ] && cut_off "$@"; then
    # A promotion died on its way, and left what would go on writing its former leader's timeline.
    unlock
    stop 10
    touch "$data/standby.signal"
    start
    lock
    heed
fi
if [ -e "$data/standby.signal" ]; then
    # It has all that there is: what the archive has is not asked for any more.
    echo "restore_command = ''" >> "$data/herdsite.conf"
    running || { why >&2; exit 1; }
    unmark
    kill -HUP "$pid"
    touch "$data/promote"
    kill -USR1 "$pid"
    # A fence must not wait for what may take long.
    unlock
    recovers=$(startup)
    tries=0
    until "$bin/pg_controldata" -D "$data" | grep -q '^Database cluster state: *in production'; do
        running || { why >&2; exit 1; }
        sleep 0.01
        # Told while it was asking its leader for more, it lies down for wal_retrieve_retry_interval once more before it
        # does as it was told, unless it is woken.
        tries=$((tries + 1))
        [ -z "$recovers" ] || [ "$tries" -gt 4 ] || kill -HUP "$recovers" 2> /dev/null || true
        if [ -n "$recovers" ] && [ $((tries % 20)) -eq 0 ] && grep -qs "trap 'exit 1' TERM" "$data"/*-fetch.sh; then
            answer_no "$(cat "/proc/$recovers/task/$recovers/children" 2> /dev/null || true)"
        fi
    done
    unmark
fi
rm -f "$mark"
ended
"""
    + _PARTED
    + """
# Nobody waits for this, and it begins when who waits has been told. Its control file names its own timeline from its
# first checkpoint on, and pg_rewind goes by that file; and what it owes to the archive would be archived later by
# itself, when it is about to be removed.
(
    trap '' HUP
    owed
    exec "$bin/psql" -X -q -h "$4" -p "$5" -U postgres -d postgres -c CHECKPOINT
) < /dev/null > /dev/null 2>&1 9>&- &
"""
)

# It was shut down cleanly, though its archiver may still be at work.
_HALTED = """
halted() {
    "$bin/pg_controldata" -D "$data" | grep -q '^Database cluster state: *shut down'
}
"""

# The mark first: from then on nothing of ours starts it, whatever happens to this script. One that halts already can
# acknowledge nothing any more, and gets a moment to archive its last segment.
FENCE = (
    ORDERED
    + _HALTED
    + """
fence "$3"
unlock
sync "$data"
tries=100
while running && halted && [ "$tries" -gt 0 ]; do
    sleep 0.05
    tries=$((tries - 1))
done
if running; then
    "$bin/pg_ctl" stop -D "$data" -m immediate -t 2 -s || kill -9 "$pid" 2> /dev/null || true
    while running; do sleep 0.05; done
fi
left=$(lodgers)
[ -z "$left" ] || kill -9 $left 2> /dev/null || true
vacate
ended
"""
)

# Where the WAL of one that did not stop cleanly ends.
END = COMMON + ENDS + 'at=$(ends)\n[ -z "$at" ] || echo "lsn=$at"\n'

# The mark first here too, or whoever finds it stopped in that moment would start it. Customers wait: it is looked at
# more often than pg_ctl does, and no longer than until the control file says that it was shut down, which it is when
# every client is out and the last checkpoint is written. Its archiver may still be at work then.
HALT = (
    ORDERED
    + _HALTED
    + """
fence "$4"
unlock
sync "$data" &
durable=$!
if running; then
    "$bin/pg_ctl" stop -D "$data" -m fast -W -s || { rm -f "$data/herdsite.fenced"; exit 1; }
    tries=$(($3 * 50))
    while running && ! halted && [ "$tries" -gt 0 ]; do
        sleep 0.01
        tries=$((tries - 1))
    done
    if running && ! halted; then
        echo "PostgreSQL has not stopped within $3 s" >&2
        exit 1
    fi
fi
wait "$durable"
running || vacate
ended
"""
)

# A mark that a version before this one put there is a file.
UNFENCE = (
    ORDERED
    + """
by=$(readlink "$data/herdsite.fenced") || { read -r by < "$data/herdsite.fenced"; } 2> /dev/null || by=
[ "${by:-0}" -le "$3" ] || refuse "this instance was fenced by generation $by, later than $3"
rm -f "$data/herdsite.fenced"
unlock
while running && sed -n 8p "$data/postmaster.pid" | grep -q stopping; do sleep 0.02; done
start
"""
)
