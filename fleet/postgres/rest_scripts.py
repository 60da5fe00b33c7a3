"""What runs on a host to get into the archive what a leader that runs no more had not archived. POSIX sh, as in
scripts.py.
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
