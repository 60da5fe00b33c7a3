"""What runs on hosts for logical backups: POSIX sh, PostgreSQL's own programs, and curl where something comes from or
goes to another machine. A dump is written beside its place, read back whole, and then gets its name; a restore fills a
database of its own, which takes the old one's name only when it is complete. Both can be cut off anywhere and run
again.
"""

from fleet.archives.scripts import COMMON
from fleet.disks import DISK
from fleet.postgres.entering import ENTERING
from fleet.progress import SAYING

# ROOT NAME BIN DATA SOCKET PORT OPTIONS DATABASE. To a directory that the hosts see. Reading the dump back finds what
# no listing of its contents does: data that ends too early.
TO_DISK = (
    COMMON
    + ENTERING
    + SAYING
    + """
root=$1 name=$2 bin=$3 data=$4 socket=$5 port=$6 options=$7 database=$8
settled
[ -d "${root%/*}" ] || fail "there is no place for backups: ${root%/*} is not on this host"
mkdir -p "$root"
began=$(date +%s)
if [ ! -e "$root/$name" ]; then
    rm -f "$root/.$name".*.part
    find "$root" -maxdepth 1 -name '.*.part' -mmin +2880 -delete
    part=$(mktemp "$root/.$name.XXXXXX.part")
    trap 'rm -f "$part"' EXIT
    deputize "$database"
    far dumping "" "$part"
    "$bin/pg_dump" -h "$socket" -p "$port" -U "$deputy" -w --lock-wait-timeout=600s -Fc -f "$part" -d "$database"
    far verifying
    "$bin/pg_restore" --list "$part" > /dev/null
    "$bin/pg_restore" -f /dev/null "$part"
    sync "$part"
    mv -T "$part" "$root/$name"
fi
sync "$root"
echo "began=$began"
echo "ended=$(stat -c %Y "$root/$name")"
echo "bytes=$(stat -c %s "$root/$name")"
"""
)

# ROOT NAME: what lies there in the end.
ON_DISK = """
[ ! -e "$1/$2" ] || stat -c %s "$1/$2"
"""

# HOME NAME BIN DATA SOCKET PORT OPTIONS DATABASE PART. Stdin: one address for each part (of PART bytes), where it may
# be put. The stream is read back by pg_restore as it passes. The parts become an object when a worker says so, and not
# before.
TO_S3 = (
    COMMON
    + ENTERING
    + SAYING
    + """
home=$1 name=$2 bin=$3 data=$4 socket=$5 port=$6 options=$7 database=$8 size=$9
settled
command -v curl > /dev/null || fail "curl is not on this host, and nothing else can send a backup to S3"
work=$home/.$name
export work bin
rm -rf "$work"
mkdir "$work"
trap 'rm -rf "$work"' EXIT
cat > "$work/addresses"
echo 0 > "$work/sent"
mkfifo "$work/copy"
# What is done with each part. (split shows its filter when that fails: a name says enough.)
send='
    set -eu
    cat > "$work/part"
    number=$((1$FILE - 100000 + 1))
    address=$(sed -n "${number}p" "$work/addresses")
    [ -n "$address" ] || { echo "the backup is larger than was expected" >&2; exit 1; }
    printf "url = \\"%s\\"\\n" "$address" |
        curl -K - -gsSf --retry 5 --connect-timeout 10 --speed-limit 1000 --speed-time 60 -o /dev/null \\
            -T "$work/part" 2> "$work/said" || { head -n 1 "$work/said" >&2; exit 1; }
    read -r sent < "$work/sent"
    sent=$((sent + $(stat -c %s "$work/part")))
    echo "$sent" > "$work/sent"
    echo "$number" > "$work/number"
    echo "sent=$sent"
'
export send
began=$(date +%s)
deputize "$database"
far dumping
"$bin/pg_restore" -f /dev/null < "$work/copy" &
reader=$!
{
    "$bin/pg_dump" -h "$socket" -p "$port" -U "$deputy" -w --lock-wait-timeout=600s -Fc -d "$database" ||
        touch "$work/failed"
} | tee "$work/copy" | split -b "$size" -d -a 5 --filter='sh -c "$send"' - ''
wait "$reader" || fail "what pg_dump wrote can't be read"
[ ! -e "$work/failed" ] || fail "pg_dump did not end well"
echo "began=$began"
echo "ended=$(date +%s)"
echo "bytes=$(cat "$work/sent")"
echo "parts=$(cat "$work/number")"
"""
)

# HOME ROOT NAME: what a dump that was given up leaves behind. ROOT is "" where hosts see no storage.
UNDUMP = (
    COMMON
    + """
rm -rf "$1/.$3"
[ -z "$2" ] || rm -f "$2/.$3".*.part
"""
)

# A customer may have made a template of his database, which could not be dropped.
_DROP = """
drop() {
    superuser -v name="$1" <<'SQL'
SELECT pg_catalog.format('ALTER DATABASE %I IS_TEMPLATE false', datname) FROM pg_catalog.pg_database
 WHERE datname = :'name' AND datistemplate \\gexec
DROP DATABASE IF EXISTS :"name" WITH (FORCE);
SQL
}
"""

# HOME ID BIN SOCKET PORT OPTIONS ADDRESS DATABASE OWNER FILE LIMIT EXACT RESOLVE SIZE. Stdin: the owner's password, the
# address to fetch the dump from (when there is no FILE), and SQL that makes the database DATABASE_new_ID.
#
# A dump is a program: whoever made it decides what it does. So it runs with the owner's power and never with the
# superuser's, and not through psql, which would run commands on the host. RESOLVE pins the address that was judged;
# SIZE is that of the database that was dumped, where it is known.
LOAD = (
    COMMON
    + ENTERING
    + SAYING
    + DISK
    + _DROP
    + """
home=$1 id=$2 bin=$3 socket=$4 port=$5 options=$6 address=$7 database=$8 owner=$9
shift 9
settled
file=$1 limit=$2 exact=$3 resolve=$4 size=$5
fresh=${database}_new_$id gone=${database}_old_$id
work=$home/.load-$id
IFS= read -r password
IFS= read -r url
there() { [ -n "$(superuser -c "SELECT 1 FROM pg_catalog.pg_database WHERE datname = '$1'" < /dev/null)" ]; }

if there "$gone"; then
    drop "$gone"
    exit 0
fi
rm -rf "$work"
mkdir "$work"
trap 'rm -rf "$work"; drop "$fresh" || true' EXIT
if [ -z "$file" ]; then
    command -v curl > /dev/null || fail "curl is not on this host, and nothing else can fetch a backup"
    disk_of "$home"
    [ -z "$exact" ] || [ "$disk_free" -gt "$((exact / 1024))" ] ||
        fail "no room: the dump has $exact bytes, and $disk_free kB are free"
    file=$work/dump
    far fetching "$exact" "$file"
    {
        printf 'url = "%s"\\n' "$url" | curl -K - -gsSf --proto '=http,https' --connect-timeout 10 --speed-limit 1000 \\
            --speed-time 60 ${resolve:+--resolve "$resolve"} || touch "$work/failed"
    } | head -c "$((limit + 1))" > "$file"
    bytes=$(stat -c %s "$file")
    [ "$bytes" -le "$limit" ] || fail "it is larger than the $limit bytes that may come"
    [ ! -e "$work/failed" ] || fail "it could not be fetched"
    [ -z "$exact" ] || [ "$bytes" -eq "$exact" ] || fail "it has $bytes bytes, and the backup has $exact"
fi
far verifying
"$bin/pg_restore" --list "$file" > /dev/null < /dev/null
"$bin/pg_restore" -f /dev/null "$file" < /dev/null

drop "$fresh"
superuser
export PGPASSWORD="$password" PGHOST="$address" PGPORT="$port" PGUSER="$owner"
far loading "$size"
watch size "$(superuser -c "SELECT pg_catalog.current_setting('data_directory') || '/base/' || oid
                       FROM pg_catalog.pg_database WHERE datname = '$fresh'" < /dev/null)"
"$bin/pg_restore" -w -d "$fresh" --exit-on-error --no-owner --no-acl --role="$owner" "$file" \\
    < /dev/null 2> "$work/said" || fail "it could not be restored: $(sed -n 's/.*error: //p' "$work/said" | head -n 1)"
unwatch
"$bin/psql" -X -q -w -v ON_ERROR_STOP=1 -d "$fresh" -c ANALYZE < /dev/null
# What is set for the old database goes over to the new one, by whomever it was set. Lists keep the form in which they
# are stored, so they go by way of a setting and become no part of a statement.
superuser -v old="$database" -v new="$fresh" -v owner="$owner" > /dev/null <<'SQL'
SELECT CASE WHEN listed THEN pg_catalog.format('SELECT pg_catalog.set_config(%L, %L, false)', name, value) END,
       pg_catalog.format('ALTER %s SET %I ', whose, name)
         || CASE WHEN listed THEN 'FROM CURRENT' ELSE pg_catalog.format('= %L', value) END
  FROM (SELECT CASE setrole WHEN 0 THEN pg_catalog.format('DATABASE %I', :'new')
                            ELSE pg_catalog.format('ROLE %I IN DATABASE %I', :'owner', :'new') END AS whose,
               pg_catalog.split_part(entry, '=', 1) AS name,
               pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) AS value,
               pg_catalog.split_part(entry, '=', 1) IN ('search_path', 'local_preload_libraries',
                                                        'session_preload_libraries', 'temp_tablespaces') AS listed
          FROM pg_catalog.pg_db_role_setting JOIN pg_catalog.pg_database ON pg_database.oid = setdatabase,
               pg_catalog.unnest(setconfig) AS entry
         WHERE datname = :'old'
           AND setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = :'owner'))) AS settings \\gexec
SQL

# Clients that come back at once may stand in the way of the new name: they are thrown out again.
tries=20
until superuser > "$work/said" 2>&1 <<SQL
BEGIN;
SELECT pg_catalog.pg_terminate_backend(pid, 1000) FROM pg_catalog.pg_stat_activity
 WHERE datname IN ('$database', '$fresh');
ALTER DATABASE "$database" IS_TEMPLATE false;
ALTER DATABASE "$database" RENAME TO "$gone";
ALTER DATABASE "$fresh" RENAME TO "$database";
COMMIT;
SQL
do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "its clients would not let go of it: $(tail -n 1 "$work/said")"
done
drop "$gone"
"""
)

# HOME ID BIN SOCKET PORT OPTIONS DATABASE: what a restore that was given up leaves behind.
UNLOAD = (
    COMMON
    + ENTERING
    + _DROP
    + """
home=$1 id=$2 bin=$3 socket=$4 port=$5 options=$6 database=$7
settled
rm -rf "$home/.load-$id"
drop "${database}_new_$id"
drop "${database}_old_$id"
"""
)
