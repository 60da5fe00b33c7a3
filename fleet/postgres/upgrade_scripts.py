"""What runs on a host to bring a cluster to another major version of PostgreSQL: POSIX sh around pg_upgrade."""

from fleet.postgres.entering import ENTERING
from fleet.postgres.scripts import ORDERED

# Then OLD MAJOR SOCKET PORT OPTIONS RUNS: the programs of the version that it has, the version that it is to have,
# where its socket is, PGOPTIONS for both, and SQL for what pg_upgrade would run of its customer's
# (queries/upgrade_runs.sql): then it is refused, and nothing has run. On stdin: the files that it is born with in the
# new version.
#
# It was a standby of a leader that has been stopped cleanly, and has all that this had. To pg_upgrade it has to have
# been stopped as a leader: so it is started once as one that nobody can reach, which changes nothing in it. Its data is
# linked and not copied, and of no use to the old version from then on; what can be gone back to is the former leader's.
#
# It ends stopped: only what is on record as a leader runs as one. The mark says that what lies beside its place is
# complete.
UPGRADE = (
    ORDERED
    + """
unlock
new=$bin old=$3 major=$4 socket=$5 port=$6 fresh=$data.new work=$data.upgrade
there() {
    { read -r has < "$data/PG_VERSION"; } 2> /dev/null || return 1
    [ "$has" = "$major" ]
}

# pg_upgrade enters every database as the superuser. It finds none of a database's or a role's settings there, and no
# event trigger.
export PGOPTIONS="$7" PGCLIENTENCODING=UTF8
quiet() {
    version=$("$1/postgres" -V | sed 's/^[^0-9]*\\([0-9]*\\).*/\\1/')
    [ "$version" -lt 17 ] || echo '-c event_triggers=off'
}

# The databases of which pg_upgrade would run something, and of what. SQL that reads catalogs alone runs nothing.
catalogs() {
    PGOPTIONS="$PGOPTIONS $before" \\
        "$old/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$socket" -p "$port" -U postgres -w -d "$@"
}
harmless() {
    catalogs postgres -c 'SELECT datname FROM pg_catalog.pg_database WHERE datallowconn ORDER BY datname' \\
        < /dev/null > "$work/databases"
    while IFS= read -r name; do
        catalogs "$name" -c "$1" < /dev/null > "$work/runs"
        [ -s "$work/runs" ] || continue
        objects=$(head -n 5 "$work/runs" | sed '$! s/$/,/' | tr '\\n' ' ' | cut -c 1-200)
        echo "pg_upgrade would run functions of the customer in $name as the superuser: $objects"
    done < "$work/databases" > "$work/harm"
}

# The error in the log that it points to, or else what it said last, without the command lines and the names of files
# that say it again at length.
refused() {
    log=$(sed -n 's/^Consult the last few lines of "\\(.*\\)" for$/\\1/p' "$work/said" | tail -n 1)
    if [ -r "$log" ] && grep -a -e 'FATAL: ' -e 'ERROR: ' "$log" > "$work/errors"; then
        tail -n 3 "$work/errors" | cut -c 1-120 >&2
        exit 1
    fi
    grep -i -e fatal -e error -e 'could not' -e must -e not -e your "$work/said" | grep -v -e ' -c ' -e '^Failure' |
        sed 's/^connection to .* failed: //' | tail -n 3 | cut -c 1-120 >&2
    exit 1
}

if ! there && [ ! -e "$fresh/herdsite.upgraded" ]; then
    rm -rf "$fresh" "$work" "$data.files"
    mkdir -p "$work" "$data.files"
    files_into "$data.files"
    bin=$old
    stop 60
    rm -f "$data/standby.signal"
    "$bin/pg_ctl" start -D "$data" -w -t 600 -s -l "$work/log" -o "-c listen_addresses='' -c archive_mode=off \\
        -c synchronous_standby_names='' -c unix_socket_directories='$socket'" < /dev/null
    before=$(quiet "$old")
    harmless "$8"
    stop 60
    if [ -s "$work/harm" ]; then
        cat "$work/harm" >&2
        exit 1
    fi
    bin=$new
    "$bin/initdb" -D "$fresh" --username=postgres --auth-local=peer --auth-host=scram-sha-256 \\
        --encoding=UTF8 --locale=C.UTF-8 --data-checksums < /dev/null > /dev/null
    cp "$data/pg_ident.conf" "$fresh/"
    cp "$data.files"/* "$fresh/"
    rm -rf "$data.files"
    cd "$work"
    after=$(quiet "$bin")
    # Statistics are gathered anew by each owner. Carried over they would be read by the superuser, with the checks of
    # the domains that are in them.
    statistics=''
    [ "$major" -lt 18 ] || statistics=--no-statistics
    "$bin/pg_upgrade" -b "$old" -B "$bin" -d "$data" -D "$fresh" -U postgres -s "$socket" -p "$port" -P "$port" \\
        -o "$before" -O "$after" --link ${statistics:+"$statistics"} < /dev/null > "$work/said" 2>&1 || refused
    touch "$fresh/herdsite.upgraded"
    sync "$fresh/herdsite.upgraded" "$fresh"
fi
if ! there; then
    lock
    heed
    [ ! -e "$data" ] || mv -T "$data" "$data.gone"
    mv -T "$fresh" "$data"
    unlock
fi
rm -rf "$data.gone"
"""
)

# Begin as a leader: with these files beside its data, from stdin.
LEAD = (
    ORDERED
    + """
rm -rf "$data.files"
mkdir -p "$data.files"
files_into "$data.files"
place "$data"
rm -f "$data/herdsite.upgraded"
start
ended
control=$("$bin/pg_controldata" -D "$data")
printf '%s\\n' "$control" | sed -n -e "s/^Latest checkpoint's TimeLineID: */timeline_id=/p" \\
    -e 's/^Database system identifier: */system_identifier=/p'
"""
)

# Then SOCKET PORT OPTIONS. What pg_upgrade leaves to be done while it serves: extensions in their new versions, and
# statistics, the coarse ones first. It is done for each database's owner with his rights: an expression of an index
# that is analyzed, and the script of an extension that is updated, may call what he made. An extension that an
# operator made for a customer is left to the operator. A database that its owner has closed keeps none of the others
# waiting, and is said in the end.
AFTERWARDS = (
    ORDERED
    + ENTERING
    + """
unlock
work=$data.upgrade socket=$3 port=$4 options=$5
settled
rm -rf "$work"
mkdir -p "$work"
renew() {
    "$bin/psql" -X -q -At -h "$socket" -p "$port" -U "$1" -w -d "$2" <<'SQL'
SELECT pg_catalog.format('ALTER EXTENSION %I UPDATE', name)
  FROM pg_catalog.pg_available_extensions JOIN pg_catalog.pg_extension ON extname = name
 WHERE installed_version <> default_version AND pg_catalog.pg_has_role(extowner, 'USAGE') \\gexec
SQL
    "$bin/vacuumdb" -h "$socket" -p "$port" -U "$1" -w -d "$2" --analyze-in-stages > /dev/null < /dev/null
}
theirs > "$work/theirs"
while IFS= read -r name; do
    why=$(setting "$name")
    case $why in *'CONNECTION LIMIT 0,'*) printf '%s\\n' "$why" >> "$work/closed" && continue ;; esac
    deputize "$name"
    renew "$deputy" "$name"
done < "$work/theirs"
renew postgres postgres
renew postgres template1
[ ! -e "$work/closed" ] || { tail -n 3 "$work/closed" >&2; rm -rf "$work"; exit 1; }
rm -rf "$work"
"""
)
