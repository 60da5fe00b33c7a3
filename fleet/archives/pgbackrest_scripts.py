"""What runs on hosts for the `pgbackrest` archive: POSIX sh around pgBackRest 2.45, with one stanza a line. Besides
what the tool keeps itself there is archive/LINE/writer, which says who may write here; our labels are annotations.

Settings come on stdin as NAME=VALUE for the environment, so that no file holds their secrets; for what PostgreSQL
calls they are in pgbackrest.conf in the data directory.
"""

from fleet.archives.scripts import COMMON, NAMES, PATIENT, ROOM, SECRETS, SEGMENTS, SETTLE
from fleet.progress import SAYING

# Where the tool keeps its locks. Whoever works on a stanza on this host shares them: a host has one account for
# PostgreSQL, with a home of its own also where several hosts share a machine.
_FOLDERS = """
PGBACKREST_LOCK_PATH=$HOME/.herdsite-pgbackrest
PGBACKREST_SPOOL_PATH=$PGBACKREST_LOCK_PATH/spool
export PGBACKREST_LOCK_PATH PGBACKREST_SPOOL_PATH
"""

# `backrest` is the tool for the stanza `line`. `backups` lists the base backups, oldest first: SET LABEL FIRST SIZE,
# where SET is the tool's own name for it. One with damaged pages does not count.
_ENTER = (
    COMMON
    + _FOLDERS
    + r"""
while IFS= read -r entry; do export "$entry"; done
line=$1

backrest() {
    pgbackrest --no-config --stanza="$line" "$@"
}

backups() {
    info=$(backrest --output=json info) || return 1
    shape='{"annotation":{"herdsite":"\([^"]*\)"},"archive":{"start":"\([0-9A-F]*\)".*"error":false,'
    shape="$shape"'.*"size":\([0-9]*\)},"label":"\([^"]*\)".*'
    printf '%s\n' "$info" | sed 's/{"annotation":\|{"archive":{/\n&/g' | sed -n "s/^$shape/\4 \1 \2 \3/p"
}

writer() {
    backrest --ignore-missing repo-get "archive/$line/writer" || [ $? -eq 1 ]
}

found() {
    backups | grep "^[^ ]* $1 "
}
"""
)

# LINE WRITER TIMELINE PATH NAME ANCESTOR…: PostgreSQL's archive_command. The tool refuses other content and other
# systems. What an ancestor's place has, which its own leader archived, need not be here as well.
PUSH = (
    COMMON
    + _FOLDERS
    + """
line=$1 writer=$2 timeline=$3 path=$4 name=$5

refuse() {
    fail "archive: $name is refused by $line: $*"
}

owner=$(pgbackrest --config="$PWD/pgbackrest.conf" --stanza="$line" --ignore-missing repo-get "archive/$line/writer") ||
    refuse "there is no such place, or it can't be reached"
[ "$owner" = "$writer" ] || refuse "the writer of this place is $owner, and not $writer"
"""
    + NAMES
    + """
shift 5
if [ -n "$segment" ] && [ "$written" -lt "$timeline" ]; then
    there=$PWD/herdsite.there
    for ancestor; do
        pgbackrest --config="$PWD/pgbackrest.conf" --stanza="$ancestor" --pg1-path="$PWD" archive-get "$name" \\
            "$there" > /dev/null 2>&1 || continue
        ! cmp -s "$there" "$path" || { rm -f "$there"; exit 0; }
    done
    rm -f "$there"
fi
exec pgbackrest --config="$PWD/pgbackrest.conf" --stanza="$line" --pg1-path="$PWD" archive-push "$path"
"""
)

# NAME PATH LINE…: PostgreSQL's restore_command, which ends as that of the directory does: 1 for "not there", above 125
# for what can't be read, unless a standby asks.
FETCH = (
    COMMON
    + _FOLDERS
    + """
name=$1 path=$2
"""
    + PATIENT
    + """
shift 2
# Ends here, unless no line has the file $1.
get() {
    wanted=$1
    shift
    for line; do
        code=0
        pgbackrest --config="$PWD/pgbackrest.conf" --stanza="$line" --pg1-path="$PWD" archive-get "$wanted" \\
            "$path.part" || code=$?
        if [ "$code" -eq 0 ]; then
            mv "$path.part" "$path" || exit 200
            exit 0
        elif [ "$code" -ne 1 ]; then
            echo "archive: $wanted can't be restored from $line" >&2
            [ -e recovery.signal ] || exit 1
            exit 200
        fi
    done
}
get "$name" "$@"
# What there is of the last segment of a leader that was lost in it was archived by hand: a recovery reads on to where
# that ends.
[ ! -e recovery.signal ] || [ "${#name}" -ne 24 ] || get "$name.partial" "$@"
exit 1
"""
)

# LINE WRITER SYSTEM BIN DATA.
PREPARE = (
    _ENTER
    + """
writer=$2 system=$3 bin=$4 data=$5
[ -e "$data/global/pg_control" ] || fail "there is no cluster in $data"
here=$("$bin/pg_controldata" "$data" | sed -n 's/^Database system identifier: *//p')
[ -z "$system" ] || [ "$system" = "$here" ] || fail "$line is the place of the system $system, and not of $here"
owner=$(writer)
[ -z "$owner" ] || [ "$owner" = "$writer" ] || fail "the writer of $line is $owner, and not $writer"
backrest --pg1-path="$data" --no-online stanza-create || fail "$line is no place for the system $here"
[ -n "$owner" ] || echo "$writer" | backrest repo-put "archive/$line/writer"
owner=$(writer)
[ "$owner" = "$writer" ] || fail "the writer of $line is $owner, and not $writer"
"""
)

# LINE TIMELINE LABEL BIN DATA SOCKET PORT. The socket may be an abstract one, which only libpq's own variable can name.
# pgBackRest itself waits for the WAL that the backup needs, and clears what a killed one left. How much of it is done
# stands in its lock, in hundredths of a per cent.
BACKUP = (
    _ENTER
    + SAYING
    + """
timeline=$2 label=$3 bin=$4 data=$5 socket=$6 port=$7
! found "$label" > /dev/null || exit 0
now=$("$bin/pg_controldata" "$data" | sed -n "s/^Latest checkpoint's TimeLineID: *//p")
[ "$now" -eq "$timeline" ] || fail "the instance is on timeline $now, and $line is the place of timeline $timeline"
export PGHOST="$socket" PGDATABASE=postgres
bytes=$(du -sb --exclude=pg_wal --exclude=log "$data" | cut -f 1)
copied() {
    share=$(sed -n 's/.*"pctCplt":\\([0-9]*\\).*/\\1/p' "$PGBACKREST_LOCK_PATH/$line-backup.lock")
    echo $((bytes * ${share:-0} / 10000))
}
far copying "$bytes"
watch copied
backrest --pg1-path="$data" --pg1-port="$port" --pg1-user=postgres --type=full --start-fast --no-resume \\
    --no-expire-auto """
    + " ".join(f"--exclude={name}" for name in SECRETS)
    + """ --annotation="herdsite=$label" backup
unwatch
found "$label" > /dev/null || fail "there are damaged pages in $data"
"""
)

# LINE LABEL INTO.
RESTORE = (
    _ENTER
    + SAYING
    + """
label=$2 into=$3
backup=$(found "$label") || fail "there is no base backup $label in $line"
read -r set label first bytes <<BACKUP
$backup
BACKUP
"""
    + ROOM
    + """
mkdir "$into.new"
far copying "$bytes"
watch size "$into.new"
backrest --pg1-path="$into.new" --set="$set" --type=none restore
unwatch
"""
    + SETTLE
)

# Sets `listing` to all files of the line's WAL, sorted: PATH BYTES TIME. `segments` lists the segments among them,
# `history` is the name of the timeline's history file if that is missing, and `forked` says where its WAL must begin.
_LISTING = (
    _ENTER
    + r"""
timeline=$2
tli=$(printf %08X "$timeline")
shape='^{*"\([^"]*\)":{"type":"file","size":\([0-9]*\),"time":\([0-9]*\)}.*'
listing=$(backrest --recurse --output=json repo-ls "archive/$line" | sed 's/},"/}\n"/g' | sed -n "s/$shape/\1 \2 \3/p")
printf '%s\n' "$listing" | grep -q '^writer ' || fail "there is no place $line"

segments() {
    printf '%s\n' "$listing" | sed -n 's|^[^ ]*/\([0-9A-F]\{24\}\)-[^ ]*|\1.gz|p'
}

history=
[ "$timeline" -eq 1 ] || printf '%s\n' "$listing" | grep -q "/$tli.history " || history=$tli.history

forked() {
    [ "$timeline" -gt 1 ] && [ -z "$history" ] || return 0
    path=$(printf '%s\n' "$listing" | sed -n "s|^\([^ ]*/$tli.history\) .*|\1|p" | tail -n 1)
    parent=$(backrest repo-get "archive/$line/$path" | grep '^[0-9]' | tail -n 1)
    set -- $parent
    [ $# -lt 2 ] || printf '%s%08X%08X' "$tli" $((0x${2%/*})) $((0x${2#*/} / 16777216))
}
"""
)

# LINE TIMELINE [UNTIL OTHER…]. The backups are told as the tool tells them.
LOOK = (
    _LISTING
    + """
from=$(backups | sed -n '1s/^[^ ]* [^ ]* \\([^ ]*\\) .*/\\1/p')
[ -n "$from" ] || from=$(forked)
now=$(date +%s)
until=${3:-}
shift $(($# < 3 ? $# : 3))
whole() {
    segments
    for other; do
        listing=$(backrest --recurse --output=json repo-ls "archive/$other" | sed 's/},"/}\\n"/g' |
            sed -n "s/$shape/\\1 0 \\3/p") || return 1
        segments
    done
}
whole "$@" | sort -u -k 1,1 | awk -v tli="$tli" -v from="$from" -v saved=0 -v history="$history" -v now="$now" \\
    -v until="$until" '"""
    + SEGMENTS
    + """'
info=$(backrest --output=json info)
printf 'archive_info=%s\\n' "$info"
"""
)

# LINE TIMELINE LABEL. The name of a segment ends with the SHA-1 of what it holds. The tool checks the files of backups;
# it tells their state, and ends with 0 whatever that is.
VERIFY = (
    _LISTING
    + """
label=$3
backup=$(found "$label") || fail "there is no base backup $label in $line"
read -r set label first bytes <<BACKUP
$backup
BACKUP
code=0
missing=$(segments | awk -v tli="$tli" -v from="$first" -v only=1 '"""
    + SEGMENTS
    + """')
[ -z "$missing" ] || { echo "missing in $line: $missing" >&2; code=1; }
for path in $(printf '%s\\n' "$listing" | sed -n 's|^\\([^ ]*/[0-9A-F]\\{24\\}-[^ ]*\\.gz\\) .*|\\1|p'); do
    name=${path##*/}
    place=${name%%-*} sum=${name#*-}
    expr "${place#????????}" '<' "${first#????????}" > /dev/null && continue
    found=$(backrest repo-get "archive/$line/$path" | gzip -dc 2>/dev/null | sha1sum)
    found=${found%% *}
    [ "$found" = "${sum%%.*}" ] || { echo "damaged in $line: $place" >&2; code=1; }
done
[ "$code" -eq 0 ] || exit 1
report=$(backrest --output=text --verbose verify)
case $report in
    *"backup: $set, status: valid"*) ;;
    *) fail "$label in $line is damaged: $report" ;;
esac
"""
)

# LINE KEEP HOLD…. The tool keeps no WAL from before its oldest backup, so for a held segment the last backup before it
# is held; if there is none, all WAL stays.
EXPIRE = (
    _ENTER
    + """
keep=$2
shift 2
listed=$(backups)
printf '%s\\n' "$listed" | grep -q "^[^ ]* $keep " || fail "there is no base backup $keep in $line"
held=" $keep " all=
for hold; do
    if [ "${#hold}" -eq 24 ]; then
        before='substr($3, 9) <= at { last = $2 } END { print last }'
        label=$(printf '%s\\n' "$listed" | awk -v at="${hold#????????}" "$before")
        [ -n "$label" ] || all=1
        hold=$label
    else
        printf '%s\\n' "$listed" | grep -q "^[^ ]* $hold " || fail "there is no base backup $hold in $line"
    fi
    held="$held$hold "
done
left=$(printf '%s\\n' "$listed" | awk -v keep="$keep" '$2 == keep { stays = 1 } stays { n++ } END { print n }')
printf '%s\\n' "$listed" | awk -v keep="$keep" '$2 == keep { exit } { print $1, $2 }' | {
    while read -r set label; do
        case $held in
            *" $label "*) left=$((left + 1)) ;;
            *) backrest --repo1-retention-full=9999999 --set="$set" expire ;;
        esac
    done
    [ -n "$all" ] || backrest --repo1-retention-full="$left" --repo1-retention-archive="$left" expire
}
"""
)

# LINE. The tool deletes only a stanza that was stopped.
DROP = (
    _ENTER
    + """
wal=$(backrest repo-ls "archive/$line")
kept=$(backrest repo-ls "backup/$line")
[ -n "$wal$kept" ] || exit 0
backrest stop
backrest --pg1-path=/nonexistent --force stanza-delete
"""
)
