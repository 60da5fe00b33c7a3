"""What runs on hosts for the `directory` archive: POSIX sh and coreutils. ROOT/LINE holds

    writer, system     who may write here, and which PostgreSQL system it is
    wal/NAME.gz        what PostgreSQL archived, each under its own name
    backups/LABEL/     data/ and, once the backup is complete and checked, the line `kept` that says what it is

Whatever is being written has a name that starts with a dot, or no `kept`, and is moved to its own when it is on the
disk; so what has a name is whole, whatever was killed when.
"""

from fleet.archives.scripts import COMMON, NAMES, PATIENT, ROOM, SECRETS, SEGMENTS, SETTLE
from fleet.progress import SAYING

_WITHOUT = " ".join(f"-i {name}" for name in SECRETS)

_CLAIM = (
    COMMON
    + """
# Put the one line $1 into the file $2 unless there is one; afterwards it holds what the first to come said.
claim() {
    if [ ! -e "$2" ]; then
        new=$(mktemp "$2.XXXXXX")
        echo "$1" > "$new"
        sync "$new"
        ln "$new" "$2" 2>/dev/null || [ -e "$2" ] || fail "could not make $2"
        rm -f "$new"
        sync "${2%/*}"
    fi
    read -r claimed < "$2"
}
"""
)

# ROOT LINE WRITER TIMELINE PATH NAME ANCESTOR…: PostgreSQL's archive_command; the working directory is the data
# directory. What an ancestor's place has, which its own leader archived, need not be here as well. Ends
# with 0 only if the file is in the archive and on its disk; after anything else PostgreSQL keeps it and tries again.
# The system that wrote a segment is named in its header, 24 bytes from the start, in the machine's own byte order.
PUSH = (
    _CLAIM
    + """
root=$1 line=$2 writer=$3 timeline=$4 path=$5 name=$6
place=$root/$line
folder=$place/wal
stored=$folder/$name.gz

refuse() {
    fail "archive: $name is refused by $line: $*"
}

{ read -r owner < "$place/writer"; } 2>/dev/null || refuse "there is no such place in $root"
[ "$owner" = "$writer" ] || refuse "the writer of this place is $owner, and not $writer"

"""
    + NAMES
    + """
if [ -n "$segment" ]; then
    system=$(od -An -tu8 -j24 -N8 "$path" | tr -d ' ')
    claim "$system" "$place/system"
    [ "$claimed" = "$system" ] || refuse "this WAL is of the system $system, and the place is $claimed's"
    size=$(stat -c %s "$path")
    [ "$size" -eq 16777216 ] || refuse "this file does not have 16 MB"
fi

shift 6
if [ "$written" -lt "$timeline" ]; then
    for ancestor; do
        there=$root/$ancestor/wal/$name.gz
        [ ! -e "$there" ] || ! gzip -dc "$there" 2> /dev/null | cmp -s - "$path" || exit 0
    done
fi
if [ -e "$stored" ] && gzip -dc "$stored" | cmp -s - "$path"; then
    sync "$folder"
    exit 0
fi
# What was a segment's beginning only may have got longer since.
[ ! -e "$stored" ] || [ "${name%.partial}" != "$name" ] || refuse "a file of this name with other contents is there"
# Whoever left these behind was killed.
rm -f "$folder/.$name".*
new=$(mktemp "$folder/.$name.XXXXXX")
trap 'rm -f "$new"' EXIT
gzip -1 -c < "$path" > "$new"
sync "$new"
if [ "${name%.partial}" != "$name" ]; then mv -f "$new" "$stored"; else ln "$new" "$stored"; fi
sync "$folder"
"""
)

# ROOT NAME PATH LINE…: PostgreSQL's restore_command. It ends with 1 when no line has the file: recovery ends, a standby
# asks again later. Above 125 PostgreSQL gives up instead: what can't be read must not look like the end of the WAL. A
# standby may wait in both cases; its leader may still have the file.
#
# A recovery asks for one segment after the other, and replays nothing while it waits: so the next one is unpacked while
# it replays.
FETCH = (
    COMMON
    + """
root=$1 name=$2 path=$3 ahead=herdsite.ahead
"""
    + PATIENT
    + """
shift 3

give_up() {
    echo "archive: $name: $*" >&2
    [ -e recovery.signal ] || exit 1
    exit 200
}

# Sets `stored` to where the file $1 is, in one of the lines that follow.
find_in() {
    wanted=$1
    shift
    for line; do
        [ -e "$root/$line/writer" ] || give_up "there is no place $line in $root"
        stored=$root/$line/wal/$wanted.gz
        [ ! -e "$stored" ] || return 0
    done
    return 1
}

# The same for the last segment of a leader that was lost in it: what there is of that was archived by hand, and a
# recovery reads on to where it ends.
begun() {
    [ -e recovery.signal ] && [ "${#name}" -eq 24 ] || return 1
    find_in "$name.partial" "$@"
}

unpack_next() {
    high=${name#????????}
    number=$(((0x${high%????????} << 8) + 0x${high#????????} + 1))
    next=$(printf '%.8s%08X%08X' "$name" $((number >> 8)) $((number & 255))) || return 0
    find_in "$next" "$@" || return 0
    rm -rf "$ahead" || return 0
    mkdir "$ahead" || return 0
    : > "$ahead/.$next"
    { gzip -dc "$stored" > "$ahead/.$next" && mv "$ahead/.$next" "$ahead/$next" || rm -f "$ahead/.$next"; } &
}

# One that is being unpacked is waited for; whoever was at it may have been killed.
tries=500
while [ -e "$ahead/.$name" ] && [ "$tries" -gt 0 ]; do
    sleep 0.01
    tries=$((tries - 1))
done
if [ -e "$ahead/$name" ]; then
    mv "$ahead/$name" "$path" || give_up "it can't be put in its place"
else
    find_in "$name" "$@" || begun "$@" || exit 1
    gzip -dc "$stored" > "$path.part" || give_up "$stored can't be restored"
    mv "$path.part" "$path" || give_up "it can't be put in its place"
fi
# Whatever becomes of the next one, this one is there.
[ ! -e recovery.signal ] || [ "${#name}" -ne 24 ] || (unpack_next "$@") < /dev/null > /dev/null 2>&1 || true
"""
)

# ROOT LINE WRITER SYSTEM BIN DATA: without a SYSTEM, it is that of the cluster in DATA, if there is one.
PREPARE = (
    _CLAIM
    + """
root=$1 line=$2 writer=$3 system=$4 bin=$5 data=$6
place=$root/$line
[ -d "$root" ] || fail "there is no archive at $root"
if [ -z "$system" ] && [ -e "$data/global/pg_control" ]; then
    system=$("$bin/pg_controldata" "$data" | sed -n 's/^Database system identifier: *//p')
fi
mkdir -p "$place/wal" "$place/backups"
claim "$writer" "$place/writer"
[ "$claimed" = "$writer" ] || fail "the writer of $line is $claimed, and not $writer"
if [ -n "$system" ]; then
    claim "$system" "$place/system"
    [ "$claimed" = "$system" ] || fail "$line is the place of the system $claimed, and not of $system"
fi
sync "$place" "$root"
"""
)

# ROOT LINE TIMELINE LABEL BIN SOCKET PORT. `kept` is LABEL BEGAN ENDED FIRST LAST BYTES STOP: two times, two segments,
# the size, and an LSN; the last segment is the one that holds the byte before it.
BACKUP = (
    _CLAIM
    + SAYING
    + """
root=$1 line=$2 timeline=$3 label=$4 bin=$5 socket=$6 port=$7
place=$root/$line
into=$place/backups/$label
[ -d "$place/backups" ] || fail "there is no place $line in $root"
[ ! -e "$into/kept" ] || exit 0
rm -rf "$into"
mkdir "$into"
began=$(date +%s.%N)
far copying
"$bin/pg_basebackup" -h "$socket" -p "$port" -U postgres -w -D "$into/data" -l "$label" -c fast -X stream --progress
ended=$(date +%s.%N)
system=$("$bin/pg_controldata" "$into/data" | sed -n 's/^Database system identifier: *//p')
claim "$system" "$place/system"
[ "$claimed" = "$system" ] || fail "$line is the place of the system $claimed, and not of $system"
far verifying
(cd "$into/data" && rm -f """
    + " ".join(SECRETS)
    + """)
"$bin/pg_verifybackup" -q """
    + _WITHOUT
    + """ "$into/data"
first=$(sed -n 's/^START WAL LOCATION: .*(file \\([0-9A-F]*\\))$/\\1/p' "$into/data/backup_label")
range='.*"Timeline": \\([0-9]*\\),.*"End-LSN": "\\([0-9A-F/]*\\)".*'
range=$(sed -n "s|$range|\\1 \\2|p" "$into/data/backup_manifest" | tail -n 1)
set -- $range
[ "$1" -eq "$timeline" ] || fail "the instance is on timeline $1, and $line is the place of timeline $timeline"
number=$((((0x${2%/*} << 32) + 0x${2#*/} - 1) / 16777216))
last=$(printf '%08X%08X%08X' "$1" $((number / 256)) $((number % 256)))
bytes=$(du -sb "$into/data" | cut -f1)
echo "$label $began $ended $first $last $bytes $2" > "$into/kept.new"
sync "$into/kept.new"
mv "$into/kept.new" "$into/kept"
sync "$into" "$place/backups"
"""
)

# ROOT LINE LABEL.
FORGET = (
    COMMON
    + """
[ -e "$1/$2/backups/$3/kept" ] || rm -rf "$1/$2/backups/$3"
"""
)

# ROOT LINE LABEL INTO.
RESTORE = (
    COMMON
    + SAYING
    + """
root=$1 line=$2 label=$3 into=$4
from=$root/$line/backups/$label
{ read -r label began ended first last bytes stop < "$from/kept"; } 2>/dev/null ||
    fail "there is no base backup $label in $line"
"""
    + ROOM
    + """
far copying "$bytes"
watch size "$into.new"
cp -a --reflink=auto "$from/data" "$into.new"
unwatch
"""
    + SETTLE
)

# `forked` says where the timeline's WAL must begin, which its history file knows; `stored` lists the WAL that is there.
_LISTING = (
    COMMON
    + """
root=$1 line=$2 timeline=$3
place=$root/$line
[ -e "$place/writer" ] || fail "there is no place $line in $root"
tli=$(printf %08X "$timeline")

forked() {
    [ "$timeline" -gt 1 ] && [ -e "$place/wal/$tli.history.gz" ] || return 0
    history=$(gzip -dc "$place/wal/$tli.history.gz" | grep '^[0-9]' | tail -n 1)
    set -- $history
    [ $# -lt 2 ] || printf '%s%08X%08X' "$tli" $((0x${2%/*})) $((0x${2#*/} / 16777216))
}

stored() {
    find "$place/wal" -name '[0-9A-F]*.gz' -printf '%f %s %T@\\n' | sort
}
"""
)

# ROOT LINE TIMELINE [UNTIL OTHER…]. The WAL must begin at the oldest base backup, or else where the timeline does.
# Segments of a timeline without its history file are a gap too, and so is what can't be read: a look reads what came or
# changed since the look before, the oldest first, and not more than its time allows.
LOOK = (
    _LISTING
    + """
damaged=
unread() { find "$place/wal" -name '[0-9A-F]*.gz' -newer "$place/read" -printf '%T@ %f\\n' | sort -n | head -n 16; }
[ -e "$place/read" ] || touch -d @0 "$place/read"
for name in $(cat "$place/damaged" 2>/dev/null) $(unread | cut -d ' ' -f 2); do
    [ -e "$place/wal/$name" ] || continue
    gzip -t "$place/wal/$name" 2>/dev/null || damaged="$damaged $name"
    [ ! "$place/wal/$name" -nt "$place/read" ] || touch -r "$place/wal/$name" "$place/read"
done
[ -z "$damaged" ] && rm -f "$place/damaged" || echo "$damaged" > "$place/damaged"
until=${4:-}
shift $(($# < 4 ? $# : 4))
whole() {
    stored | awk -v damaged="$damaged " '!index(damaged, " " $1 " ")'
    for other; do
        [ ! -d "$root/$other/wal" ] || find "$root/$other/wal" -name "$tli*.gz" -printf '%f 0 %T@\\n'
    done
}

kept=$(cat "$place"/backups/*/kept 2>/dev/null | sort -k 2n) || true
from='' saved=0 backups=''
while read -r label began ended first last bytes stop; do
    [ -n "$label" ] || continue
    from=${from:-$first}
    saved=$((saved + bytes))
    backups=$backups${backups:+,}$label:$began:$ended:$first:$last:$bytes:$stop
done <<KEPT
$kept
KEPT
history=
[ "$timeline" -eq 1 ] || [ -e "$place/wal/$tli.history.gz" ] || history=$tli.history
[ -n "$from" ] || from=$(forked)
now=$(date +%s)
whole "$@" | sort -u -k 1,1 | awk -v tli="$tli" -v from="$from" -v saved="$saved" -v history="$history" -v now="$now" \\
    -v until="$until" '"""
    + SEGMENTS
    + """'
echo "archive_backups=$backups"
"""
)

# ROOT LINE TIMELINE LABEL BIN.
VERIFY = (
    _LISTING
    + """
label=$4 bin=$5
kept=$place/backups/$label
{ read -r label began ended first last bytes stop < "$kept/kept"; } 2>/dev/null ||
    fail "there is no base backup $label in $line"
"$bin/pg_verifybackup" -q """
    + _WITHOUT
    + """ "$kept/data"
needed() { stored | awk -v first="${first#????????}" 'length($1) != 27 || substr($1, 9, 16) >= first { print $1 }'; }
missing=$(stored | awk -v tli="$tli" -v from="$first" -v only=1 '"""
    + SEGMENTS
    + """')
[ -z "$missing" ] || echo "missing in $line: $missing" >&2
cd "$place/wal"
needed | xargs -r gzip -t
[ -z "$missing" ]
"""
)

# ROOT LINE KEEP HOLD…: labels and segments. A backup gives up its `kept` first: what is half removed is not listed.
# What is left of a backup that never came to be goes too, when it is older than KEEP. History files stay: they are
# what tells timelines apart.
EXPIRE = (
    COMMON
    + """
root=$1 line=$2 keep=$3
shift 3
place=$root/$line
cd "$place/backups"
{ read -r label since ended floor rest < "$keep/kept"; } 2>/dev/null || fail "there is no base backup $keep in $line"
floor=${floor#????????}
held=" $keep "
for hold; do
    if [ -e "$hold/kept" ]; then
        read -r label began ended first rest < "$hold/kept"
        held="$held$hold "
    else
        [ "${#hold}" -eq 24 ] || fail "there is no base backup $hold in $line"
        first=$hold
    fi
    floor=$(printf '%s\\n' "$floor" "${first#????????}" | sort | head -n 1)
done
for backup in *; do
    [ -d "$backup" ] || continue
    case $held in *" $backup "*) continue ;; esac
    if [ -e "$backup/kept" ]; then
        read -r label began rest < "$backup/kept"
        [ "$began" != "$since" ] && printf '%s\\n' "$began" "$since" | sort -nc 2>/dev/null || continue
        rm "$backup/kept"
        sync "$backup"
    else
        [ "$backup" -ot "$keep/kept" ] || continue
    fi
    rm -rf "$backup"
done
cd "$place/wal"
find . -name '[0-9A-F]*.gz' -printf '%f\\n' | sort |
    awk -v floor="$floor" '!/history/ && substr($1, 9, 16) < floor { print $1 }' | xargs -r rm -f
"""
)

# ROOT LINE. The name goes first: half a line must not look like one.
DROP = (
    COMMON
    + """
root=$1 line=$2
rm -rf "$root/.$line.gone"
[ ! -e "$root/$line" ] || mv -T "$root/$line" "$root/.$line.gone"
rm -rf "$root/.$line.gone"
"""
)
