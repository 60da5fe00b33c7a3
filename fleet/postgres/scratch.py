"""A cluster that nobody needs: restored from an archive to a scratch place, started where nobody finds it, looked
through, and taken away. It has no listener, archives nothing, and its only socket is named after its drill."""

from collections.abc import Mapping

from fleet.archives.base import Wiring
from fleet.postgres.commands import Script, restoring, sections
from fleet.postgres.config import lines
from fleet.postgres.scripts import COMMON
from fleet.progress import SAYING
from fleet.subject import Subject

# Recovery without a hot standby asks for none of the leader's settings; what is thrown away needs no flushing.
SETTINGS = {
    "listen_addresses": "",
    "archive_mode": "off",
    "hot_standby": "off",
    "shared_preload_libraries": "",
    "shared_buffers": "32MB",
    "fsync": "off",
    "autovacuum": "off",
    "recovery_target_action": "promote",
}

# SOCKET PORT DATABASE. On stdin: files, of which restore.sh (it reads restore.in) puts the base backup in its place and
# rows.sql counts.
_DRILL = (
    COMMON
    + SAYING
    + """
socket=$3 port=$4 database=$5
root=${data%/*}
away() {
    (stop 5) || true
    rm -rf "$root"
}
ask() { "$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$socket" -p "$port" -U postgres -d "$1"; }

! running || stop 5
rm -rf "$root"
mkdir -p "$data.files"
trap away EXIT
files_into "$data.files"
began=$(date +%s)
sh "$data.files/restore.sh" < "$data.files/restore.in"
cp "$data.files"/* "$data/"
printf 'herdsite "%s" postgres\\n' "$(id -un)" > "$data/pg_ident.conf"
touch "$data/recovery.signal"
mkdir -p "$data/log"
far replaying "" "$data"
"$bin/pg_ctl" start -D "$data" -W -s -l "$data/log/startup.log" < /dev/null
until [ "$(echo 'SELECT pg_is_in_recovery()' | ask postgres 2> /dev/null)" = f ]; do
    running || { sleep 0.5; running || { why >&2; exit 1; }; }
    sleep 0.1
done
echo "restored_s=$(($(date +%s) - began))"
echo "newest=$(echo 'SELECT extract(epoch FROM pg_last_xact_replay_timestamp())' | ask postgres)"
far checking
[ ! -x "$bin/pg_amcheck" ] ||
    "$bin/pg_amcheck" -h "$socket" -p "$port" -U postgres --all --install-missing > "$data.amcheck" 2>&1 ||
    { tail -n 3 "$data.amcheck" >&2; exit 1; }
ask "$database" < "$data.files/rows.sql" | sed 's/^/rows=/'
stop 30
"$bin/pg_checksums" --check -D "$data" > "$data.checksums" 2>&1 || { tail -n 3 "$data.checksums" >&2; exit 1; }
echo "bytes=$(du -sb "$data" | cut -f1)"
"""
)

_AWAY = COMMON + '(stop 5) || true\nrm -rf "${data%/*}"\n'

# Of the biggest tables: name, file, rows inserted and deleted so far, rows. What would take long to count is left out.
ROWS = """
SET statement_timeout = '2s';
SELECT format('SELECT json_build_array(%L, %s, %s, count(*)) FROM ONLY %s', c.oid::regclass,
              pg_relation_filenode(c.oid), coalesce(s.n_tup_ins + s.n_tup_del, 0), c.oid::regclass)
FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
AND pg_relation_size(c.oid) < 400 * 1024 * 1024
ORDER BY pg_relation_size(c.oid) DESC, c.oid LIMIT 5 \\gexec
"""


def drill(subject: Subject, backup: Script, fetching: Wiring, timeline_id: int, database: str, rows: str) -> Script:
    """Restore into the data directory of `subject` what `backup` puts there and `fetching` leads on from, check all of
    it and take it away. Prints restored_s, newest (epoch, s), rows=… for each line that the SQL `rows` says in
    `database`, and bytes; ends badly, with the reason, when anything is damaged."""
    place = {"port": str(subject.port), "unix_socket_directories": subject.socket}
    conf = {**SETTINGS, **place, **fetching.settings, "recovery_target_timeline": str(timeline_id)}
    files = restoring(backup) | {"postgresql.conf": lines(conf), "rows.sql": rows}
    args = (subject.bin, subject.data, subject.socket, str(subject.port), database)
    return Script(_DRILL, args, sections(files | dict(fetching.files)).encode())


def away(subject: Subject) -> Script:
    """Take away what a drill that was killed left."""
    return Script(_AWAY, (subject.bin, subject.data))


def counting(names: Mapping[str, object]) -> str:
    """SQL that says the same as ROWS of those of these tables that are there."""
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in names) or "NULL"
    return f"""
SELECT format('SELECT json_build_array(%L, %s, %s, count(*)) FROM ONLY %s', name,
              pg_relation_filenode(c.oid), coalesce(s.n_tup_ins + s.n_tup_del, 0), c.oid::regclass)
FROM unnest(ARRAY[{listed}]::text[]) name JOIN pg_class c ON c.oid = to_regclass(name)
LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid \\gexec
"""


def changing(names: Mapping[str, object]) -> str:
    """SQL that says name, file, and rows inserted and deleted so far, without counting."""
    return counting(names).replace("count(*)", "0").replace("FROM ONLY %s'", "WHERE %L IS NOT NULL'")
