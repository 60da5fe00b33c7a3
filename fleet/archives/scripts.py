"""What the archives' scripts have in common: POSIX sh and awk that run on hosts."""

from fleet.disks import DISK
from fleet.postgres.config import CERTIFICATE
from fleet.postgres.replication import PASSFILE

COMMON = """
set -eu
export LC_ALL=C
umask 077

fail() {
    echo "$*" >&2
    exit 1
}
"""

# What opens doors is no part of a base backup: whoever reads an archive must not get in anywhere by it. Whatever is
# restored gets its own.
SECRETS = (CERTIFICATE, "server.key", PASSFILE, "pgbackrest.conf")

# Ends here if what is to be restored as `into` (the base backup `label` of `line`, of `bytes`) is there already, and
# fails if something else is or if there is no room. What was restored says so in its file `restored`.
ROOM = (
    DISK
    + """
if [ -e "$into" ] && ! rmdir "$into" 2>/dev/null; then
    { read -r source < "$into/restored"; } 2>/dev/null || source=
    [ "$source" = "$line/$label" ] || fail "there is something else in $into"
    exit 0
fi
rm -rf "$into.new"
mkdir -p "${into%/*}"
disk_of "${into%/*}"
needed=$((bytes / 1024 + bytes / 10240 + 32768))
[ "$disk_free" -ge "$needed" ] || fail "no room for $label: $needed kB are needed, and $disk_free kB are free"
"""
)

# The files in `$into.new` get their place. They hold neither a configuration nor a signal file, so that they can't
# start, and reach an archive, by themselves. All are on the disk before: PostgreSQL takes what it finds there for
# good. (To flush the file system whole takes a sixth of the time that its files need one by one.)
SETTLE = """
cd "$into.new"
rm -rf postgresql.conf herdsite.conf pgbackrest.conf standby.signal recovery.signal postmaster.pid log
: > postgresql.auto.conf
echo "$line/$label" > restored
cd ..
sync -f "$into.new"
mv -T "$into.new" "$into"
sync "${into%/*}"
"""

# Refuses by `refuse` what is no WAL, or of a timeline later than `timeline`. `$name` is the file's.
NAMES = """
hex8='[0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F]'
case $name in
    $hex8.history | $hex8$hex8$hex8.$hex8.backup) segment= ;;
    $hex8$hex8$hex8 | $hex8$hex8$hex8.partial) segment=1 ;;
    *) refuse "not a name of WAL" ;;
esac
written=$((0x${name%"${name#????????}"}))
[ "$written" -le "$timeline" ] || refuse "this WAL is of timeline $written, and the place is of timeline $timeline"
"""

# What is between FROM ("" for the first that there is) and the last segment of the timeline TLI, or the segment UNTIL
# if there is to be one: the first lines of a look, or, with `only`, what is missing. archive_missing_since says when
# the segment before each gap came. It reads lines "NAME.gz BYTES TIME" sorted by name. mawk knows no hexadecimal, and
# prints whole numbers as %d up to 2^31 only.
SEGMENTS = r"""
function hex(text,    value, place) {
    for (value = place = 0; place++ < length(text);) value = value * 16 + index(digits, substr(text, place, 1)) - 1
    return value
}
function number(name) { return hex(substr(name, 9, 8)) * 256 + hex(substr(name, 17, 8)) }
function named(value) { return sprintf("%s%08X%08X", tli, int(value / 256), value % 256) }
function gap(first, last) {
    since = since (missing ? "," : "") before
    missing = missing (missing ? "," : "") named(first) "-" named(last)
}
BEGIN { digits = "0123456789ABCDEF"; if (from) wanted = number(from) }
{ bytes += $2 }
substr($1, 1, 8) == tli && length($1) == 27 {
    count++; last = substr($1, 1, 24); at = $3
    found = number(last)
    if (wanted == "") wanted = found
    if (found > wanted) gap(wanted, found - 1)
    if (found >= wanted) wanted = found + 1
    before = $3
}
END {
    if (until && wanted != "" && number(until) >= wanted) gap(wanted, number(until))
    if (only) { print missing; exit }
    age = now - at
    if (count && history) { since = "," since; missing = history (missing ? "," : "") missing }
    print "archive_last=" last
    print "archive_last_age_s=" (count ? sprintf("%.1f", age > 0 ? age : 0) : "")
    print "archive_segments=" count + 0
    printf "archive_bytes=%.0f\n", bytes + saved
    print "archive_missing=" missing
    if (missing) print "archive_missing_since=" since
}
"""

# The beginning of a restore_command: `name` is wanted at `path`. A standby asks again later, so an archive that hangs
# holds it up for five seconds only, and its promotion not even that long: TERM has it answer no. What asks goes on
# behind it and puts what it gets aside, never into a place where another file is wanted by then. As long as it hangs
# nobody else asks, and nobody waits.
PATIENT = r"""
if [ -n "${HERDSITE_INTO:-}" ]; then
    path=$HERDSITE_INTO
elif [ ! -e recovery.signal ]; then
    trap 'exit 1' TERM
    aside=herdsite.fetched
    # When process $1 began, in ticks since the boot.
    began() {
        { read -r stat < "/proc/$1/stat"; } 2> /dev/null || return 0
        set -- ${stat##*) }
        echo "${20}"
    }
    { read -r pid since < "$aside/by"; } 2> /dev/null || pid=none since=none
    now=$(began "$pid")
    tries=0
    if [ "$now" != "$since" ] && [ ! -e "$aside/$name" ]; then
        rm -rf "$aside"
        mkdir "$aside"
        { HERDSITE_INTO=$aside/$name sh "$0" "$@" || true; : > "$aside/over"; } > "$aside/said" 2>&1 < /dev/null &
        now=$(began "$!")
        echo "$! ${now:-over}" > "$aside/by"
        tries=250
    fi
    while [ ! -e "$aside/$name" ] && [ ! -e "$aside/over" ] && [ "$tries" -gt 0 ]; do
        sleep 0.02
        tries=$((tries - 1))
    done
    [ ! -e "$aside/said" ] || cat "$aside/said" >&2
    [ -e "$aside/$name" ] || exit 1
    mv "$aside/$name" "$path" || exit 1
    exit 0
fi
"""
