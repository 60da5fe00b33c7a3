"""Shell functions about WAL that several scripts on a host share: positions, where a cluster's WAL ends, where
histories parted, and archiving by hand. POSIX sh; they expect `bin` and `data`, and end the script by `set -e` when a
command in them fails, so they may not be called in a condition.
"""

# A history file's last line names the timeline before and where it ended. Positions are compared as numbers.
WAL = r"""
# The position $1, X/Y, as a number.
position() {
    echo "$(((0x${1%/*} << 32) + 0x${1#*/}))"
}

# Where the segment named $1 begins, as a number.
begins() {
    high=${1#????????}
    echo "$(((0x${high%????????} << 32) + 0x${high#????????} * 16777216))"
}

# The cluster's timeline by its control file.
timeline() {
    "$bin/pg_controldata" -D "$data" > "$data/herdsite.control"
    sed -n "s/^Latest checkpoint's TimeLineID: *//p" "$data/herdsite.control"
    rm "$data/herdsite.control"
}

# Sets `parent` and `forked`: the timeline before the one that is written here, and where that one ended. Both are
# empty where there is none before.
lineage() {
    parent='' forked=''
    for history in "$data"/pg_wal/*.history; do
        [ ! -e "$history" ] || newest=$history
    done
    [ -n "${newest:-}" ] || return 0
    last=$(grep '^[0-9]' "$newest" | tail -n 1)
    parent=$(printf '%s\n' "$last" | cut -f 1)
    forked=$(printf '%s\n' "$last" | cut -f 2)
}

# Have the archive_command $1 archive the file $2, a path in the data directory, under its name. Nobody waits longer
# for one file than a minute. Answers no where that failed.
by_hand() {
    [ -n "$1" ] && [ "$1" != "(disabled)" ] || return 1
    words=$(printf '%s\n' "$1" | sed "s|%%|\\x01|g; s|%p|$2|g; s|%f|${2##*/}|g; s|\\x01|%|g") || return 1
    (cd "$data" && exec timeout 60 sh -c "$words") < /dev/null
}
"""

# Where the WAL of one that did not stop cleanly ends: read from its last checkpoint to what is no record any more. That
# may take a while, so nobody waits for it who is in a hurry. It prints nothing where that can't be read.
ENDS = r"""
ends() {
    control=$("$bin/pg_controldata" -D "$data")
    from=$(printf '%s\n' "$control" | sed -n "s/^Latest checkpoint location: *//p")
    line=$(printf '%s\n' "$control" | sed -n "s/^Latest checkpoint's TimeLineID: *//p")
    timeout "${patience:-15}" "$bin/pg_waldump" -q -p "$data/pg_wal" -t "$line" -s "$from" 2>&1 > /dev/null |
        sed -n 's/.*\(at\|LSN\) \([0-9A-F]*\/[0-9A-F]*\).*/\2/p'
}
"""

# A standby marks what it is sent as archived, although only its leader's archiver knows. `unmark` takes the marks away
# (one command, before it leads: customers wait): a leader removes no segment that bears none. `owed` then has it
# archive all that its ancestors wrote up to where it left them; for what an archive has already that does nothing.
OWED = r"""
unmark() {
    rm -f "$data"/pg_wal/archive_status/????????????????????????.done
}

owed() {
    (
        cd "$data/pg_wal"
        history=$(find . -name '*.history' | sort | tail -n 1)
        find . -maxdepth 1 -type f -printf '%f\n' | awk -v history="$history" '
            function hex(text,    value, place) {
                for (value = place = 0; place++ < length(text);)
                    value = value * 16 + index(digits, substr(text, place, 1)) - 1
                return value
            }
            BEGIN {
                digits = "0123456789ABCDEF"
                while (history && (getline line < history) > 0)
                    if (split(line, word, "\t") >= 2 && line ~ /^[0-9]/) {
                        split(word[2], part, "/")
                        until[word[1] + 0] = hex(part[1]) * 256 + int(hex(part[2]) / 16777216)
                    }
            }
            length($1) == 24 && $1 !~ /[^0-9A-F]/ && hex(substr($1, 1, 8)) in until &&
                hex(substr($1, 9, 8)) * 256 + hex(substr($1, 17, 8)) < until[hex(substr($1, 1, 8))]' |
            sort > ../herdsite.owed
        while IFS= read -r name; do
            [ -e "archive_status/$name.ready" ] || [ -e "archive_status/$name.done" ] ||
                printf '%s\n' "archive_status/$name.ready"
        done < ../herdsite.owed | xargs -r touch
        rm ../herdsite.owed
    )
}
"""

# An archive that hangs holds up what replays. Where restore_command knows how to answer no when it is told to, it is:
# PostgreSQL itself would take one that a signal ended for the end of all recovery.
PROMOTING = r"""
# It writes to the timeline that it was on before, or would: it never came to lead. What can't be asked is an error.
cut_off() {
    before=$(cat "$mark") || exit 1
    if running; then
        writes=$("$bin/psql" -X -At -h "$4" -p "$5" -U postgres -d postgres \
            -c "SELECT ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()),
                                               8))::bit(32)::int") ||
            exit 1
    else
        writes=$("$bin/pg_controldata" -D "$data" | sed -n "s/^Latest checkpoint's TimeLineID: *//p") || exit 1
    fi
    [ "$writes" = "$before" ]
}
# The process that replays.
startup() {
    for child in $(cat "/proc/$pid/task/$pid/children"); do
        title=
        { IFS= read -r title; } 2> /dev/null < "/proc/$child/cmdline" || :
        case $title in *startup*) echo "$child" ;; esac
    done
}

answer_no() {
    for child in $1; do
        words=$(tr '\0' ' ' 2> /dev/null < "/proc/$child/cmdline") || words=
        case $words in
            "sh -c "*) answer_no "$(cat "/proc/$child/task/$child/children" 2> /dev/null || true)" ;;
            *-fetch.sh\ *) kill -TERM "$child" 2> /dev/null || true ;;
        esac
    done
}
"""
