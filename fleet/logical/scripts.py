"""What runs on hosts for logical backups: POSIX sh, PostgreSQL's own programs, and curl where something comes from or
goes to another machine. A dump is written beside its place, read back whole, and then gets its name. It can be cut off
anywhere and run again. What loads one is in load_scripts.py.
"""

from fleet.archives.scripts import COMMON
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
stat -c 'ended=%Y' "$root/$name"
stat -c 'bytes=%s' "$root/$name"
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
date +ended=%s
sed 's/^/bytes=/' "$work/sent"
sed 's/^/parts=/' "$work/number"
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
