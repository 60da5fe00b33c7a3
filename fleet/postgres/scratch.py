"""A cluster that nobody needs: restored from an archive to a scratch place, started where nobody finds it, looked
through, and taken away. It has no listener, archives nothing, and its only socket is named after its drill."""

from collections.abc import Mapping

from fleet.archives.base import Wiring
from fleet.postgres.commands import Script, enter, restoring, sections
from fleet.postgres.config import hba, lines
from fleet.postgres.entering import ENTERING
from fleet.postgres.quote import literal
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
    "max_logical_replication_workers": "0",
    "recovery_target_action": "promote",
}

# Those that only recovery reads.
RECOVERING = ("hot_standby", "recovery_target_action")

# SOCKET PORT OPTIONS DATABASE. On stdin: files, of which restore.sh (it reads restore.in) puts the base backup in its
# place and rows.sql counts.
#
# Its content is looked through by its owner's deputy. What checks it comes into each database while nothing runs that
# is its customer's: a server for one user knows no event triggers and no settings of a database or role.
_DRILL = (
    COMMON
    + ENTERING
    + SAYING
    + """
socket=$3 port=$4 options=$5 database=$6
settled
root=${data%/*}
away() {
    (stop 5) || true
    rm -rf "$root"
}
begin() { "$bin/pg_ctl" start -D "$data" "$@" -s -l "$data/log/startup.log" < /dev/null; }
check() {
    "$bin/pg_amcheck" -h "$socket" -p "$port" -U "$1" -w "$2" > "$data.amcheck" 2>&1 < /dev/null ||
        { tail -n 3 "$data.amcheck" >&2; exit 1; }
}

! running || stop 5
rm -rf "$root"
mkdir -p "$data.files"
trap away EXIT
files_into "$data.files"
began=$(date +%s)
sh "$data.files/restore.sh" < "$data.files/restore.in"
cp "$data.files"/* "$data/"
account=$(id -un)
printf 'herdsite "%s" postgres\\n' "$account" > "$data/pg_ident.conf"
touch "$data/recovery.signal"
mkdir -p "$data/log"
far replaying "" "$data"
begin -W
until leads=$(superuser -c 'SELECT pg_catalog.pg_is_in_recovery()' 2> /dev/null < /dev/null) && [ "$leads" = f ]; do
    running || { sleep 0.5; running || { why >&2; exit 1; }; }
    sleep 0.1
done
now=$(date +%s)
echo "restored_s=$((now - began))"
newest=$(superuser -c 'SELECT extract(epoch FROM pg_catalog.pg_last_xact_replay_timestamp())' < /dev/null)
echo "newest=$newest"
far checking
open_all
if [ -x "$bin/pg_amcheck" ]; then
    theirs > "$data.theirs"
    stop 30
    schema=herdsite_$(od -An -N8 -tx1 /dev/urandom | tr -d ' ')
    { cat "$data.theirs"; echo postgres; echo template1; } | while IFS= read -r name; do
        "$bin/postgres" --single -D "$data" -c exit_on_error=on "$name" > "$data.amcheck" 2>&1 <<SQL ||
DROP EXTENSION IF EXISTS amcheck CASCADE;
CREATE SCHEMA $schema;
CREATE EXTENSION amcheck SCHEMA $schema;
GRANT USAGE ON SCHEMA $schema TO PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA $schema TO PUBLIC;
SQL
            { grep -E 'FATAL|ERROR' "$data.amcheck" | tail -n 3 >&2; exit 1; }
    done
    begin -w -t 600
    while IFS= read -r name; do
        deputize "$name"
        check "$deputy" "$name"
    done < "$data.theirs"
    check postgres postgres
    check postgres template1
fi
deputize "$database"
"$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$socket" -p "$port" -U "$deputy" -w -d "$database" \\
    < "$data.files/rows.sql" > "$data.rows"
sed 's/^/rows=/' "$data.rows"
stop 30
"$bin/pg_checksums" --check -D "$data" > "$data.checksums" 2>&1 || { tail -n 3 "$data.checksums" >&2; exit 1; }
bytes=$(du -sb "$data" | cut -f1)
echo "bytes=$bytes"
"""
)

_AWAY = COMMON + '(stop 5) || true\nrm -rf "${data%/*}"\n'

# Of the biggest tables: name, file, rows inserted and deleted so far, rows. What would take long to count is left out.
_NAME = """CASE WHEN n.nspname = 'public' THEN pg_catalog.quote_ident(c.relname)
                ELSE pg_catalog.format('%I.%I', n.nspname, c.relname) END"""
_TABLES = f"""
(SELECT c.oid, n.nspname, c.relname, {_NAME} AS name, pg_catalog.pg_relation_size(c.oid) AS bytes,
        pg_catalog.pg_relation_filenode(c.oid)::bigint AS file, coalesce(s.n_tup_ins + s.n_tup_del, 0) AS changes
   FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
   LEFT JOIN pg_catalog.pg_stat_user_tables AS s ON s.relid = c.oid
  WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^(pg_|information_schema)'
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')) AS t
"""
_COUNT = """
SELECT pg_catalog.format('SELECT pg_catalog.json_build_array(%L, %s, %s, pg_catalog.count(*)) FROM ONLY %I.%I',
                         name, file, changes, nspname, relname)
"""
_CHANGES = "SELECT pg_catalog.json_build_array(name, file, changes, 0)\n"
_READ_ONLY = "SET statement_timeout = '2s';\nSET default_transaction_read_only = on;\n"
_PATIENT = "SET default_transaction_read_only = on;\nSET statement_timeout = '10min';\n"
ROWS = f"""{_READ_ONLY}{_COUNT}FROM {_TABLES}
WHERE bytes < 400 * 1024 * 1024 ORDER BY bytes DESC, oid LIMIT 5 \\gexec
"""


def drill(subject: Subject, backup: Script, fetching: Wiring, timeline_id: int, database: str, rows: str) -> Script:
    """Restore into the data directory of `subject` what `backup` puts there and `fetching` leads on from, check all of
    it and take it away. Prints restored_s, newest (epoch, s), rows=… for each line that the SQL `rows` says in
    `database`, and bytes; ends badly, with the reason, when anything is damaged."""
    place = {"port": str(subject.port), "unix_socket_directories": subject.socket}
    conf = {**SETTINGS, **place, **fetching.settings, "recovery_target_timeline": str(timeline_id)}
    files = restoring(backup) | {"postgresql.conf": lines(conf), "pg_hba.conf": hba(), "rows.sql": rows}
    args = (subject.bin, subject.data, *enter(subject), database)
    return Script(_DRILL, args, sections(files | dict(fetching.files)).encode())


def away(subject: Subject) -> Script:
    """Take away what a drill that was killed left."""
    return Script(_AWAY, (subject.bin, subject.data))


def counting(names: Mapping[str, object]) -> str:
    """SQL that says the same as ROWS of those of these tables that are there."""
    return f"{_PATIENT}{_COUNT}FROM {_TABLES} WHERE name IN ({_listed(names)}) \\gexec\n"


def changing(names: Mapping[str, object]) -> str:
    """SQL that says name, file, and rows inserted and deleted so far, without counting."""
    return f"{_READ_ONLY}{_CHANGES}FROM {_TABLES} WHERE name IN ({_listed(names)});\n"


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(literal(name) for name in names) or "NULL"
