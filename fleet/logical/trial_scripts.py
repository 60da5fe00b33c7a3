"""What runs on a host to load a logical backup on trial: a cluster of its own is made, filled, looked through, and
taken away."""

from fleet.postgres.entering import ENTERING
from fleet.postgres.scripts import COMMON
from fleet.progress import SAYING

# BIN DATA SOCKET PORT OPTIONS DATABASE. On stdin: files, of which make.sql makes the database with its owner, load.sh
# fills it (it reads load.in), and rows.sql counts.
TRY = (
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
! running || stop 5
rm -rf "$root"
mkdir -p "$data.files"
trap away EXIT
files_into "$data.files"
began=$(date +%s)
"$bin/initdb" -D "$data" --username=postgres --auth=peer --encoding=UTF8 --locale=C.UTF-8 --no-sync \\
    < /dev/null > /dev/null
cp "$data.files/postgresql.conf" "$data.files/pg_hba.conf" "$data/"
account=$(id -un)
printf 'herdsite "%s" postgres\\n' "$account" > "$data/pg_ident.conf"
mkdir -p "$data/log"
"$bin/pg_ctl" start -D "$data" -w -t 60 -s -l "$data/log/startup.log" < /dev/null || { why >&2; exit 1; }
superuser < "$data.files/make.sql" > /dev/null
sh "$data.files/load.sh" < "$data.files/load.in"
now=$(date +%s)
echo "restored_s=$((now - began))"
far counting
deputize "$database"
"$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$socket" -p "$port" -U "$deputy" -w -d "$database" \\
    < "$data.files/rows.sql" > "$data.rows"
sed 's/^/rows=/' "$data.rows"
stop 30
bytes=$(du -sb "$data" | cut -f1)
echo "bytes=$bytes"
"""
)
