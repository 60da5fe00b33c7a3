"""What runs on a host to make a cluster of another's data: by streaming a copy, by rewinding what is there, or from
what an archive holds. POSIX sh, as in scripts.py; each can be cut off after any line and run again.
"""

from fleet.listeners import UNCONTESTED
from fleet.postgres.entering import ENTERING
from fleet.postgres.scripts import ORDERED
from fleet.postgres.wal_scripts import ENDS, WAL
from fleet.progress import SAYING
from fleet.strays import UNREAD

# CONNINFO SLOT MODE STRAY SOCKET PORT OPTIONS. What stands in its place is replaced only by something complete; a
# rewind that was cut off has spoilt what it was at, so it leaves a mark, and the next attempt copies. STRAY is empty
# unless it was a leader, which may hold what nobody else has: that has to be safe there before anything is undone.
STANDBY = (
    ORDERED
    + UNCONTESTED
    + ENTERING
    + SAYING
    + WAL
    + ENDS
    + """
unlock
conninfo=$3 slot=$4 mode=$5 stray=$6 socket=$7 port=$8 options=$9
settled
rm -rf "$data.files" "$data.again" "$data.new" "$data.gone"
mkdir -p "$data.files"
files_into "$data.files"
export PGPASSFILE="$data.files/herdsite.pgpass"

replication() { "$bin/psql" -X -At -d "$conninfo dbname=postgres connect_timeout=5 replication=true" -c "$1"; }
far_side() { "$bin/psql" -X -At -d "$conninfo dbname=postgres connect_timeout=5" -c "$1"; }
here() { "$bin/psql" -X -At -h "$socket" -p "$port" -U postgres -d "$1" -c "$2"; }

# Sets `leads` to the timeline that its leader writes.
ask_leader() {
    system=$(replication IDENTIFY_SYSTEM)
    leads=${system#*|}
    leads=${leads%%|*}
}

# Sets `fork` to where the leader's history left the timeline that was written here; to nothing where it never did.
find_fork() {
    fork=$(tr '|' '\\n' < "$data.history" | awk -v own="$own" '$1 == own && $2 ~ "/" { print $2; exit }')
    rm "$data.history"
}

# Copy the segment $1 of its WAL to where its stray writes are kept.
keep() {
    mkdir -p "$stray.new/wal"
    cp --reflink=auto "$data/pg_wal/$1" "$stray.new/wal/$1"
}

# What its archive lacks from before the fork, the new leader may lack as well. What can't be archived now is kept.
archive_rest() {
    push=$("$bin/postgres" -C archive_command -D "$data" 2> /dev/null) || push=
    for ready in "$data"/pg_wal/archive_status/*.ready; do
        name=${ready##*/}
        name=${name%.ready}
        [ -e "$data/pg_wal/$name" ] || continue
        if by_hand "$push" "pg_wal/$name"; then
            mv "$ready" "${ready%.ready}.done"
        else
            echo "$name is not archived: it is kept" >&2
            keep "$name"
        fi
    done
}

# WAL past the fork is cheap to keep, and comes first. Then its databases are read out, by a server that answers nobody
# but us, and archives nothing; customers write nothing. A dump counts once all of it can be read.
read_out() {
    far keeping
    for segment in "$data"/pg_wal/????????????????????????; do
        name=${segment##*/}
        past=$(begins "$name")
        [ $((past + 16777216)) -le "$forked" ] || [ "$past" -gt "$ended" ] || keep "$name"
    done
    far dumping
    mkdir -p "$stray.new"
    "$bin/pg_ctl" start -D "$data" -w -t 600 -s -l "$stray.new/log" -o "-c listen_addresses='' -c archive_mode=off \\
        -c max_logical_replication_workers=0 -c synchronous_standby_names='' \\
        -c unix_socket_directories='$socket'" < /dev/null
    open_all
    theirs > "$stray.new/names"
    while IFS= read -r name; do
        deputize "$name"
        "$bin/pg_dump" -h "$socket" -p "$port" -U "$deputy" -w -Fc -f "$stray.new/$name.dump" -d "$name" < /dev/null
        "$bin/pg_restore" --list "$stray.new/$name.dump" > /dev/null
        "$bin/pg_restore" -f /dev/null "$stray.new/$name.dump"
    done < "$stray.new/names"
    rm "$stray.new/names"
    stop 10
}
unread() {
    code=$?
    trap - EXIT
    "$bin/pg_ctl" stop -D "$data" -m immediate -s 2> /dev/null || true
    rm -f "$stray.new"/*.dump
    echo "@UNREAD@" >&2
    exit "$code"
}

# Whether anything was committed past the fork: only what was can have been acknowledged, or be read out. Sets
# `committed` to nothing only when all WAL from there to its end was read.
look_for_commits() {
    committed=1
    [ -n "$fork" ] && [ -n "$end" ] || return 0
    if [ "$ended" -le "$forked" ]; then
        committed=
    elif "$bin/pg_waldump" -p "$data/pg_wal" -t "$own" -r Transaction -s "$fork" -e "$end" > "$stray.list"; then
        grep -q COMMIT "$stray.list" || committed=
    fi
    rm -f "$stray.list"
}

# Ends well only when all that nobody else has is safe.
save() {
    [ ! -e "$stray" ] || return 0
    mkdir -p "${stray%/*}"
    rm -rf "$stray.new"
    ask_leader
    # The first timeline has no history, and nobody parted from what was before it.
    [ "$leads" -gt 1 ] || return 0
    replication "TIMELINE_HISTORY $leads" > "$data.history"
    trap unread EXIT
    own=$(timeline)
    find_fork
    if [ "$leads" != "$own" ]; then
        archive_rest
        end=$(ends)
        forked=0 ended=9223372036854775807
        [ -z "$fork" ] || forked=$(position "$fork")
        [ -z "$end" ] || ended=$(position "$end")
        look_for_commits
        [ -z "$committed" ] || read_out
    fi
    trap - EXIT
    [ -e "$stray.new" ] || return 0
    sync -f "$stray.new"
    mv -T "$stray.new" "$stray"
    sync "${stray%/*}"
}

# Until its first checkpoint as a leader the control file of its leader names the timeline before, and pg_rewind, which
# goes by that, would find nothing to rewind.
await_checkpoint() {
    far waiting
    ask_leader
    tries=600
    until [ "$(far_side 'SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()' || true)" = "$leads" ]; do
        [ "$tries" -gt 0 ] || { echo "the leader has made no checkpoint on timeline $leads" >&2; exit 1; }
        sleep 0.5
        tries=$((tries - 1))
        ask_leader
    done
}

# Answers no where it can't be rewound.
rewind() {
    far rewinding
    "$bin/pg_controldata" -D "$data" > /dev/null || return 1
    touch "$data/herdsite.rewinding" || return 1
    "$bin/pg_rewind" -D "$data" --source-server="$conninfo dbname=postgres connect_timeout=5" || return 1
}

copy() {
    far copying
    # One call that makes all of it durable, where it is known (17 and newer), and not one for each file.
    known=$("$bin/pg_basebackup" --help)
    case $known in *--sync-method*) durable=--sync-method=syncfs ;; *) durable= ;; esac
    set -- -w -d "$conninfo connect_timeout=5" -D "$data.new" -X stream -S "$slot" --checkpoint=fast --progress $durable
    # The first copy of all makes its slot itself, unless it was cut off once it had.
    if [ "$mode" != build ] || ! "$bin/pg_basebackup" "$@" -C; then
        "$bin/pg_basebackup" "$@"
    fi
    rm -f "$data.new/herdsite.rewinding" "$data.new/herdsite.fenced"
    place "$data.new"
    touch "$data.new/standby.signal"
    # It took long, and another order may have come meanwhile.
    lock
    heed
    unlock
    ! running || stop 5
    lock
    heed
    [ ! -e "$data" ] || mv -T "$data" "$data.gone"
    mv -T "$data.new" "$data"
    unlock
    rm -rf "$data.gone"
}

# Sets `streams` once it streams from its leader on the timeline that this writes; to nothing when what it replays has
# stood still for half a minute: it has gone a way of its own, or what it needs is nowhere.
follow() {
    streams='' at='' still=0
    while [ -z "$streams" ] && [ "$still" -lt 150 ]; do
        was=$at
        at=$(here postgres "SELECT coalesce(pg_catalog.max(status || receive_start_tli), 'none') || ' ' ||
            coalesce(pg_catalog.pg_last_wal_replay_lsn()::pg_catalog.text, '')
            FROM pg_catalog.pg_stat_wal_receiver" || true)
        case $at in "streaming$leads "*) streams=1 ;; esac
        [ "$at" = "$was" ] || still=0
        still=$((still + 1))
        [ -n "$streams" ] || sleep 0.2
    done
}

if [ "$mode" = rejoin ] || [ -n "$stray" ]; then
    ! running || stop 5
fi
if [ -n "$stray" ] && [ -e "$data/PG_VERSION" ] && [ ! -e "$data/standby.signal" ]; then
    # Once a rewind has begun there is nothing left to save, and all that was to be is.
    [ -e "$data/herdsite.rewinding" ] || save
fi
if [ "$mode" = build ] && [ -e "$data/standby.signal" ] && [ ! -e "$data/herdsite.rewinding" ]; then
    place "$data"
    running || uncontested
    start
    exit 0
fi
rewound=
if [ "$mode" = rejoin ] && [ -e "$data/PG_VERSION" ] && [ ! -e "$data/herdsite.rewinding" ]; then
    await_checkpoint
    ! rewind || rewound=1
fi
if [ -n "$rewound" ]; then
    lock
    heed
    # Should it have to be copied, they are needed again.
    cp -a "$data.files" "$data.again"
    place "$data"
    mv -T "$data.again" "$data.files"
    touch "$data/standby.signal"
    sync "$data/standby.signal" "$data"
    rm -f "$data/herdsite.rewinding" "$data/herdsite.fenced" "$data/recovery.signal"
    far replaying "" "$data"
    start
    follow
    [ -n "$streams" ] || { echo "the rewound data does not stream: a base backup is taken instead"; rewound=; }
fi
[ -n "$rewound" ] || copy
rm -rf "$data.files"
far replaying "" "$data"
[ "$mode" != build ] || running || uncontested
start
"""
).replace("@UNREAD@", UNREAD)

# Then psql's command line. On stdin: files, of which restore.sh (it reads restore.in) puts the base backup beside its
# place, await.sh ends well once all is archived that it is to have (if there is one), herdsite.recovery is how it
# recovers, herdsite.conf how it lives afterwards, and herdsite.goal says to which timeline and position it has to come
# to have all; then SQL. A recovery that finds no commit past its target is let run to the end: it has all that
# was committed before only if it comes to the goal. What ends before is taken away, and never leads.
RESTORE = (
    ORDERED
    + UNCONTESTED
    + SAYING
    + WAL
    + """
unlock
rm -rf "$data.files"
mkdir -p "$data.files"
files_into "$data.files"
shift 2

begin() {
    lock
    heed
    launch
    unlock
}
# One that lets nobody in yet does.
recovers() {
    recovery=$(echo 'SELECT pg_catalog.pg_is_in_recovery()' | "$@" 2> /dev/null) || return 0
    [ "$recovery" != f ]
}

# Whether it came to where it was to: it stopped at its target, or else it replayed all that there has to be.
judge() {
    ! grep -q 'recovery stopping \\(before\\|after\\)' "$data"/log/*.log || return 0
    read -r line goal < "$data/herdsite.goal"
    lineage
    at=$(position "$forked")
    least=$(position "$goal")
    [ "$parent" -ne "$line" ] || [ "$at" -lt "$least" ] || return 0
    stop 10
    lock
    heed
    mv -T "$data" "$data.gone"
    unlock
    rm -rf "$data.gone" "$data.files"
    echo "recovery ended at $forked on timeline $parent, and its goal was $goal on timeline $line: WAL is missing" >&2
    exit 1
}

if [ ! -e "$data/PG_VERSION" ]; then
    [ -e "$data.new/herdsite.restored" ] || {
        rm -rf "$data.new"
        sh "$data.files/restore.sh" < "$data.files/restore.in"
        touch "$data.new/herdsite.restored"
    }
    for name in postgresql.auto.conf standby.signal backup_label.old herdsite.fenced herdsite.restored; do
        rm -f "$data.new/$name"
    done
    cp "$data.files"/* "$data.new/"
    mv -f "$data.new/herdsite.recovery" "$data.new/herdsite.conf"
    rm -f "$data.new/restore.sh" "$data.new/restore.in"
    touch "$data.new/recovery.signal" "$data.new/herdsite.restoring"
    lock
    heed
    [ ! -e "$data" ] || rmdir "$data"
    mv -T "$data.new" "$data"
    unlock
fi
if [ -e "$data/herdsite.restoring" ]; then
    # The last of what it is to replay may be on its way to the archive still: copying did not wait for it.
    if [ -e "$data/await.sh" ]; then
        far waiting
        tries=600
        until (cd "$data" && sh ./await.sh) 2> "$data/await.log"; do
            [ "$tries" -gt 0 ] || { tail -n 2 "$data/await.log"; echo "the last WAL is not archived"; exit 1; }
            sleep 0.1
            tries=$((tries - 1))
        done
        rm -f "$data/await.sh" "$data/await.log" "$data/awaited"
    fi
    far replaying "" "$data"
    # Its port may be another one by now.
    running || { cp "$data.files/postgresql.conf" "$data/postgresql.conf"; vacate; uncontested; begin; }
    while recovers "$@"; do
        if ! running; then
            sleep 0.2
            if grep -q 'before configured recovery target was reached' "$data"/log/*.log &&
                grep -q '^recovery_target_time ' "$data/herdsite.conf"; then
                sed -i '/^recovery_target_time /d' "$data/herdsite.conf"
                begin
            else
                running || { why >&2; exit 1; }
            fi
        fi
        sleep 0.2
    done
    [ ! -e "$data/herdsite.goal" ] || judge
    "$@" > /dev/null
    mv -f "$data.files/herdsite.conf" "$data/herdsite.conf"
    rm -rf "$data/herdsite.ahead" "$data/herdsite.goal" "$data/herdsite.restoring"
    # What it needed to recover, its standbys would need as long as it has it.
    stop 60
fi
rm -rf "$data.files"
start
"""
)
