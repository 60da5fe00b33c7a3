"""What runs on a host to make a cluster of another's data: by streaming a copy, by rewinding what is there, or from
what an archive holds. POSIX sh, as in scripts.py; each can be cut off after any line and run again.
"""

from fleet.postgres.entering import ENTERING
from fleet.postgres.scripts import ORDERED
from fleet.progress import SAYING

# CONNINFO SLOT MODE STRAY SOCKET PORT OPTIONS. What stands in its place is replaced only by something complete; a
# rewind that was cut off has spoilt what it was at, so it leaves a mark, and the next attempt copies.
STANDBY = (
    ORDERED
    + ENTERING
    + SAYING
    + """
unlock
conninfo=$3 slot=$4 mode=$5 stray=$6 socket=$7 port=$8 options=$9
settled
rm -rf "$data.files" "$data.new" "$data.gone"
mkdir -p "$data.files"
files_into "$data.files"
export PGPASSFILE="$data.files/herdsite.pgpass"

# A leader that was may hold writes that nobody else has: they are read out before they are undone. It answers nobody
# but us meanwhile, and its customers write nothing.
dump() {
    [ ! -e "$stray" ] || return 0
    rm -rf "$stray.new"
    mkdir -p "$stray.new"
    rm -f "$data/herdsite.fenced" "$data/standby.signal"
    "$bin/pg_ctl" start -D "$data" -w -t 600 -s -l "$stray.new/log" -o "-c listen_addresses='' -c archive_mode=off \
        -c max_logical_replication_workers=0 -c synchronous_standby_names='' \\
        -c unix_socket_directories='$socket'" < /dev/null
    theirs > "$stray.new/theirs"
    while IFS= read -r name; do
        deputize "$name"
        "$bin/pg_dump" -h "$socket" -p "$port" -U "$deputy" -w -Fc -f "$stray.new/$name.dump" -d "$name" < /dev/null
    done < "$stray.new/theirs"
    rm "$stray.new/theirs"
    stop 10
    fence 0
    mv -T "$stray.new" "$stray"
}

rewind() {
    far rewinding
    "$bin/pg_controldata" -D "$data" > /dev/null || return 1
    touch "$data/herdsite.rewinding"
    "$bin/pg_rewind" -D "$data" --source-server="$conninfo dbname=postgres connect_timeout=5" || return 1
}

copy() {
    far copying
    # One call that makes all of it durable, where it is known (17 and newer), and not one for each file.
    case $("$bin/pg_basebackup" --help) in *--sync-method*) durable=--sync-method=syncfs ;; *) durable= ;; esac
    set -- -w -d "$conninfo connect_timeout=5" -D "$data.new" -X stream -S "$slot" --checkpoint=fast --progress $durable
    # The first copy of all makes its slot itself, unless it was cut off once it had.
    [ "$mode" = build ] && "$bin/pg_basebackup" "$@" -C || "$bin/pg_basebackup" "$@"
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

if [ "$mode" = rejoin ] && [ -e "$data/PG_VERSION" ]; then
    ! running || stop 5
    [ -z "$stray" ] || dump || echo "its stray writes could not be read out" >&2
fi
if [ "$mode" = build ] && [ -e "$data/standby.signal" ] && [ ! -e "$data/herdsite.rewinding" ]; then
    place "$data"
elif [ "$mode" = rejoin ] && [ -e "$data/PG_VERSION" ] && [ ! -e "$data/herdsite.rewinding" ] && rewind; then
    lock
    heed
    place "$data"
    touch "$data/standby.signal"
    sync "$data/standby.signal" "$data"
    rm -f "$data/herdsite.rewinding" "$data/herdsite.fenced" "$data/recovery.signal"
else
    copy
fi
far replaying "" "$data"
start
"""
)

# Then psql's command line. On stdin: files, of which restore.sh (it reads restore.in) puts the base backup beside its
# place, await.sh ends well once all is archived that it is to have (if there is one), herdsite.recovery is how it
# recovers and herdsite.conf how it lives afterwards; then SQL. A recovery that finds
# no commit past its target has all that was committed before it, so it is let run to the end.
RESTORE = (
    ORDERED
    + SAYING
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
recovers() { [ "$(echo 'SELECT pg_catalog.pg_is_in_recovery()' | "$@" 2> /dev/null)" != f ]; }

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
            [ "$tries" -gt 0 ] || { tail -n 2 "$data/await.log"; echo "what was written last is not archived"; exit 1; }
            sleep 0.1
            tries=$((tries - 1))
        done
        rm -f "$data/await.sh" "$data/await.log" "$data/awaited"
    fi
    far replaying "" "$data"
    running || { vacate; begin; }
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
    "$@" > /dev/null
    mv -f "$data.files/herdsite.conf" "$data/herdsite.conf"
    rm -rf "$data/herdsite.ahead" "$data/herdsite.restoring"
    # What it needed to recover, its standbys would need as long as it has it.
    stop 60
fi
rm -rf "$data.files"
start
"""
)
