"""What runs on hosts to get into an archive what its leader did not bring there: from that one itself when it runs no
more, or from whoever else has it. POSIX sh, as in scripts.py.
"""

from fleet.postgres.scripts import ORDERED
from fleet.postgres.wal_scripts import ENDS, WAL

# Where it leaves word of what came of it, in the data directory.
SAID = "herdsite.rest/said"

# Of the leader that is fenced: all WAL that its archiver had not come to, in order, and as NAME.partial what there is
# of the segment that it was at, which is no segment of the archive's until it is full. What is behind its end is there
# for later use only. It says how many files it archived, which it could not, and where its WAL ends ("" where that
# can't be read: then nobody knows what is missing).
REST = (
    ORDERED
    + WAL
    + ENDS
    + f"""
unlock
rest=$data/{SAID.partition("/")[0]} said=$data/{SAID}
"""
    + """
if running || ! fenced; then
    echo "the instance is not fenced: it archives by itself" >&2
    exit 1
fi
rm -rf "$rest"
mkdir "$rest"
[ -e "$data/global/pg_control" ] || {
    printf 'archived=0\\nleft=\\nend=\\n' > "$said"
    exit 0
}
push=$("$bin/postgres" -C archive_command -D "$data" 2> /dev/null) || push=
patience=600
end=$(ends)
line=$(timeline)
line=$(printf %08X "$line")
ended=0
[ -z "$end" ] || ended=$(position "$end")
marks=$data/pg_wal/archive_status archived=0 left='' last=''

# Archive the file $1, a path in the data directory; noted where PostgreSQL would note it.
bring() {
    file=${1##*/}
    if by_hand "$push" "$1"; then
        archived=$((archived + 1))
        [ ! -e "$marks/$file.ready" ] || mv "$marks/$file.ready" "$marks/$file.done"
    else
        left="$left${left:+,}$file"
    fi
}

for mark in "$marks"/*.history.ready "$marks"/*.backup.ready; do
    file=${mark##*/}
    file=pg_wal/${file%.ready}
    [ ! -e "$data/$file" ] || bring "$file"
done
for segment in "$data"/pg_wal/????????????????????????; do
    name=${segment##*/}
    [ ! -e "$marks/$name.done" ] || continue
    if [ ! -e "$marks/$name.ready" ]; then
        first=$(begins "$name")
        [ "${name%????????????????}" = "$line" ] && [ "$first" -lt "$ended" ] || continue
        [ $((first + 16777216)) -le "$ended" ] || { last=$name; continue; }
    fi
    bring "pg_wal/$name"
done
if [ -n "$last" ]; then
    ln "$data/pg_wal/$last" "$rest/$last.partial"
    bring "${rest##*/}/$last.partial"
fi
printf 'archived=%s\\nleft=%s\\nend=%s\\n' "$archived" "$left" "$end" > "$said.new"
sync "$said.new"
mv "$said.new" "$said"
"""
)

# HOME SOCKET PORT PUSH SEGMENT…. On stdin: the files that PUSH, an archive_command, needs. A member has a segment whole
# once it has come past the segment's end itself: what lies in a file alone says nothing, since files are made long
# before they are full. What a former leader alone had is kept with its stray writes.
FILL = (
    ORDERED
    + WAL
    + ENDS
    + """
home=$3 socket=$4 port=$5 push=$6
shift 6
rm -rf "$data.files"
mkdir -p "$data.files"
files_into "$data.files"
place "$data"
unlock
if running; then
    at=$("$bin/psql" -X -At -h "$socket" -p "$port" -U postgres -d postgres -c 'SELECT CASE
        WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
        ELSE pg_catalog.pg_current_wal_lsn() END')
else
    at=$(ends)
fi
[ -n "$at" ] || exit 0
at=$(position "$at")
for name; do
    end=$(begins "$name")
    end=$((end + 16777216))
    for file in "$data/pg_wal/$name" "$home"/strays/*/wal/"$name"; do
        [ -e "$file" ] || continue
        case $file in "$data"/*) [ "$end" -le "$at" ] || continue ;; esac
        if by_hand "$push" "$file"; then
            echo "got=$name"
            break
        fi
    done
done
"""
)
