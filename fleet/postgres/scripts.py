"""What runs on a host to build, start, stop or destroy a cluster: POSIX sh, sent along with each command, so nothing of
ours is installed there. Each can be cut off after any line and run again.

Positional arguments: BIN DATA, then what the script itself names.
"""

_COMMON = """
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
# until then might still acknowledge a write, and keep a new postmaster from starting. One that won't is killed. A
# postmaster.pid that nobody stands behind goes too, or PostgreSQL would not start when another process of ours
# bears that number by now.
vacate() {
    tries=0
    while left=$(lodgers) && [ -n "$left" ] && [ "$tries" -lt 80 ]; do
        ! running || return 0
        [ "$tries" -lt 40 ] || kill -9 $left 2>/dev/null || true
        sleep 0.05
        tries=$((tries + 1))
    done
    rm -f "$data/postmaster.pid"
}

# Why it did not start: what it said before its log collector ran, or else the log.
why() {
    said=$data/log/startup.log
    ! grep -q 'logging collector' "$said" || said=$(ls -t "$data"/log/postgresql-*.log | head -n 1)
    tail -n 20 "$said" | grep -E 'FATAL|PANIC|could not|not supported' | sed 's/^[^]]*] *//' | tail -n 3
}

start() {
    running || vacate
    if ! running; then
        mkdir -p "$data/log"
        : > "$data/log/startup.log"
        "$bin/pg_ctl" start -D "$data" -w -t 600 -s -l "$data/log/startup.log" < /dev/null || { why >&2; exit 1; }
    fi
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
        echo "the postmaster would not stop" >&2
        exit 1
    fi
    vacate
}
"""

# Then psql's command line. On stdin: files, each headed by a line "=== NAME", then a line "===", then SQL. The cluster
# is made beside its place and moved there when it is complete, so what stands in its place is never half-made and never
# removed. PEM and configuration hold no line that begins with "===".
BUILD = (
    _COMMON
    + """
files_into() {
    while IFS= read -r line && [ "$line" != "===" ]; do
        case $line in
            "=== "*) exec 4> "$1/${line#=== }" ;;
            *) printf '%s\\n' "$line" >&4 ;;
        esac
    done
    exec 4>&-
}

new=$data.new
rm -rf "$new"
mkdir -p "$new"
if [ ! -e "$data/PG_VERSION" ]; then
    [ ! -e "$data" ] || rmdir "$data"
    "$bin/initdb" -D "$new" --username=postgres --auth-local=peer --auth-host=scram-sha-256 \\
        --encoding=UTF8 --locale=C.UTF-8 --data-checksums < /dev/null > /dev/null
    files_into "$new"
    printf 'herdsite "%s" postgres\\n' "$(id -un)" > "$new/pg_ident.conf"
    mv -T "$new" "$data"
else
    files_into "$new"
    rm -rf "$new"
fi
start
shift 2
exec "$@" > /dev/null
"""
)

START = _COMMON + "start\n"

# PATIENCE: seconds that clients get to end, before they are cut off.
STOP = _COMMON + 'stop "$3"\n'

RESTART = _COMMON + 'stop "$3"\nstart\n'

# The directory gives up its name first: half a cluster must never look like a cluster.
DESTROY = (
    _COMMON
    + """
# What is being destroyed need not end well.
(stop 5) || {
    ! running || kill -9 "$pid"
    while running; do sleep 0.1; done
    vacate
}
rm -rf "$data.new" "$data.gone"
[ ! -e "$data" ] || mv -T "$data" "$data.gone"
rm -rf "$data.gone"
"""
)
