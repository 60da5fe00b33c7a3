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

# PostgreSQL won't start over a postmaster.pid whose number some process of ours bears by chance. It may go when no
# process at all is left on the data directory: as long as one is, the file is what keeps a second server out.
forget_stale_pid() {
    for cwd in /proc/[0-9]*/cwd; do
        [ "$cwd" -ef "$data" ] && return 0
    done
    rm -f "$data/postmaster.pid"
}

# Why it did not start: what it said before its log collector ran, or else in the log.
why() {
    newest=$(ls -t "$data"/log/postgresql-*.log 2>/dev/null | head -n 1)
    tail -q -n 10 "$data/log/startup.log" ${newest:+"$newest"} |
        grep -E 'FATAL|PANIC|could not|not supported' | sed 's/^[^]]*] *//' | tail -n 3
}

start() {
    mkdir -p "$data/log"
    if running; then
        while running && ! sed -n 8p "$data/postmaster.pid" | grep -q ready; do sleep 0.1; done
        running && return 0
    fi
    forget_stale_pid
    : > "$data/log/startup.log"
    "$bin/pg_ctl" start -D "$data" -w -t 600 -s -l "$data/log/startup.log" < /dev/null ||
        { why >&2; exit 1; }
}

stop() {
    ! running ||
        "$bin/pg_ctl" stop -D "$data" -m fast -t "$1" -s ||
        "$bin/pg_ctl" stop -D "$data" -m immediate -t 20 -s ||
        ! running
}
"""

# SOCKET PORT. On stdin: files, each headed by a line "=== NAME", then a line "===", then SQL. The cluster is made
# beside its place and moved there when it is complete, so what stands in its place is never half-made and never
# removed. PEM and configuration hold no line that begins with "=== ".
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
exec "$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$3" -p "$4" -U postgres -d postgres > /dev/null
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
stop 5
rm -rf "$data.new" "$data.gone"
[ ! -e "$data" ] || mv -T "$data" "$data.gone"
rm -rf "$data.gone"
"""
)
