"""What runs on a host to bring a cluster to another major version of PostgreSQL: POSIX sh around pg_upgrade."""

from fleet.postgres.scripts import ORDERED

# Then OLD MAJOR SOCKET: the programs of the version that it has, the version that it is to have, and the folder of its
# socket. On stdin: the files that it is born with in the new version.
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
new=$bin old=$3 major=$4 socket=$5 fresh=$data.new work=$data.upgrade
there() { [ "$(cat "$data/PG_VERSION" 2> /dev/null)" = "$major" ]; }

# What it said last, without the command lines and the names of files that say it again at length.
refused() {
    grep -i -e fatal -e error -e 'could not' -e must -e not -e your "$work/said" | grep -v -e ' -c ' -e '^Failure' |
        sed 's/^connection to .* failed: //' | tail -n 3 | cut -c 1-120 >&2
    exit 1
}

if ! there && [ ! -e "$fresh/herdsite.upgraded" ]; then
    rm -rf "$fresh" "$work" "$data.files"
    mkdir -p "$work" "$data.files"
    files_into "$data.files"
    port=$(sed -n "s/^port = '\\([0-9]*\\)'.*/\\1/p" "$data.files/postgresql.conf")
    bin=$old
    stop 60
    rm -f "$data/standby.signal"
    "$bin/pg_ctl" start -D "$data" -w -t 600 -s -l "$work/log" -o "-c listen_addresses='' -c archive_mode=off \\
        -c synchronous_standby_names='' -c unix_socket_directories='$socket'" < /dev/null
    stop 60
    bin=$new
    "$bin/initdb" -D "$fresh" --username=postgres --auth-local=peer --auth-host=scram-sha-256 \\
        --encoding=UTF8 --locale=C.UTF-8 --data-checksums < /dev/null > /dev/null
    cp "$data/pg_ident.conf" "$fresh/"
    cp "$data.files"/* "$fresh/"
    rm -rf "$data.files"
    cd "$work"
    "$bin/pg_upgrade" -b "$old" -B "$bin" -d "$data" -D "$fresh" -U postgres -s "$socket" -p "$port" -P "$port" \\
        --link < /dev/null > "$work/said" 2>&1 || refused
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
echo "timeline_id=$("$bin/pg_controldata" -D "$data" | sed -n "s/^Latest checkpoint's TimeLineID: *//p")"
echo "system_identifier=$("$bin/pg_controldata" -D "$data" | sed -n 's/^Database system identifier: *//p')"
"""
)

# Then psql's command line. What pg_upgrade leaves to be done while it serves: extensions in their new versions, and
# statistics, the coarse ones first.
AFTERWARDS = (
    ORDERED
    + """
unlock
work=$data.upgrade socket=$3 port=$4
shift 4
[ ! -e "$work/update_extensions.sql" ] || "$@" -f "$work/update_extensions.sql" > /dev/null
"$bin/vacuumdb" -h "$socket" -p "$port" -U postgres -w --all --analyze-in-stages > /dev/null
rm -rf "$work"
"""
)
