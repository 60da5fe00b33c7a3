"""What runs on hosts to load a dump: a database of its own is filled, and takes the old one's name only when it is
complete. It can be cut off anywhere and run again.

A dump is a program: whoever made it decides what it does. What fills the new database is the deputy of a role that owns
nothing but that database, so whatever a dump says, the old one is out of its reach; psql obeys none of its own commands
in it (\\restrict). What comes of it is handed to the owner at the end, and the rights are granted then. The superuser
enters the new database once, while nothing is in it and nobody else can come in, for extensions from a list of ours.
"""

from fleet.archives.scripts import COMMON
from fleet.disks import DISK
from fleet.logical.leaving import AGAIN
from fleet.logical.reading import CLOSING, JUDGE, NAMING, PLAIN, UNPACKED
from fleet.postgres.entering import ENTERING, loader_name
from fleet.progress import SAYING


def _given(name: str, text: str) -> str:
    """A variable of the shell with that text."""
    quoted = text.replace("'", "'\\''")
    return f"{name}='{quoted}'\n"


# A customer may have made a template of his database, which could not be dropped.
_DROP = f"""
drop() {{
    superuser -v name="$1" <<'SQL'
SELECT pg_catalog.format('ALTER DATABASE %I IS_TEMPLATE false', datname) FROM pg_catalog.pg_database
 WHERE datname = :'name' AND datistemplate \\gexec
SELECT pg_catalog.format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_catalog.pg_database
 WHERE datname = :'name' \\gexec
SQL
}}
# The role that fills the new database of $1, and its deputy; both own nothing any more.
dismiss() {{
    superuser -v database="$1" <<'SQL'
SELECT pg_catalog.format('DROP ROLE %I', rolname) FROM pg_catalog.pg_roles
 WHERE rolname IN ({loader_name(":'database'")}, {loader_name(":'database'", deputy=True)}) \\gexec
SQL
}}
"""

# Functions that fill $fresh with what $file holds, as $kind says. `fill schema` leaves the rows out.
_FILL = """
make() {
    superuser -v fresh="$fresh" -v loader="$loader" > /dev/null <<'SQL'
SELECT pg_catalog.format('CREATE ROLE %I NOLOGIN', :'loader')
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'loader') \\gexec
SELECT pg_catalog.format('CREATE DATABASE %I TEMPLATE template0', :'fresh') \\gexec
SELECT pg_catalog.format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'fresh') \\gexec
SQL
    while IFS='	' read -r name schema; do
        # Nobody else has a right to come in, and nothing is there that anybody has put there.
        "$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$socket" -p "$port" -U postgres -d "$fresh" -v name="$name" \\
            -v schema="$schema" -v loader="$loader" > /dev/null 2> "$work/said" <<'SQL' ||
SELECT pg_catalog.format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', :'schema', :'loader')
 WHERE :'schema' NOT IN ('public', 'pg_catalog') \\gexec
SELECT pg_catalog.format('CREATE EXTENSION IF NOT EXISTS %I SCHEMA %I CASCADE', name, :'schema')
  FROM pg_catalog.pg_available_extensions WHERE name = :'name' \\gexec
SQL
            {
                cause=$(head -n 1 "$work/said")
                echo "$name could not be made: $cause"
            }
    done < "$work/extensions"
    superuser -v fresh="$fresh" -v loader="$loader" -v disk="$disk" > /dev/null <<'SQL'
SELECT pg_catalog.format('ALTER DATABASE %I OWNER TO %I', :'fresh', :'loader') \\gexec
SQL
    deputize "$fresh"
    superuser -v fresh="$fresh" -v deputy="$deputy" -v disk="$disk" > /dev/null <<'SQL'
SELECT pg_catalog.format('ALTER ROLE %I IN DATABASE %I SET temp_file_limit = %L', :'deputy', :'fresh', :'disk') \\gexec
SQL
}
# Its SQL, without rights and owners.
statements() {
    case $kind in
    sql) awk -v mode="$1" "$plain" < "$file" ;;
    *)
        if [ "$1" = schema ]; then set -- --schema-only; else set --; fi
        {
            "$bin/pg_restore" -f - "$@" -L "$work/content" --no-owner --no-acl --no-tablespaces "$file" < /dev/null ||
                : > "$work/broken"
        } | awk -v mode=all "$plain"
        ;;
    esac
}
# What is said of its rights and settings; and what could not be done before its content had its owner.
rights() {
    if [ "$kind" = archive ] && [ -s "$work/rights" ]; then
        "$bin/pg_restore" -f - -C --no-owner --no-tablespaces -L "$work/rights" "$file" < /dev/null |
            awk -v mode=all "$plain"
    fi
    cat "$work/again"
}
# Runs what comes on stdin in $fresh as the role $1 and prints what came of it, as JUDGE tells. Whatever it holds, psql
# takes no command of its own from it. What fails and matches $2, or $4, goes to the file `again`.
run() {
    rm -f "$work/pid"
    key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \\n')
    { printf '\\\\restrict %s\\nSET ROLE "%s";\\n' "$key" "$1"; cat; } | {
        sh -c 'echo $$ > "$1"; shift; exec "$@"' herdsite "$work/pid" "$bin/psql" -X -q -b -v VERBOSITY=verbose \\
            -h "$socket" -p "$port" -U "$deputy" -w -d "$fresh" 2>&1 > /dev/null || : > "$work/broken"
    } | awk -v rules="$work/rules" -v again="$2" -v retried="$work/again" -v stop="$3" -v also="${4:-}" "$judge"
}
fill() {
    rm -f "$work/broken"
    : > "$work/again"
    make
    stop=$work/pid
    [ "$1" = all ] || stop=
    folder=$(superuser -c "SELECT pg_catalog.current_setting('data_directory') || '/base/' || oid
                             FROM pg_catalog.pg_database WHERE datname = '$fresh'" < /dev/null)
    [ "$1" = schema ] || watch size "$folder"
    statements "$1" | run "$loader" "$again" "$stop" > "$work/judged"
    [ "$1" = schema ] || unwatch
    ! grep -q '^bad' "$work/judged" || return 0
    [ ! -e "$work/broken" ] || fail "it could not be read to its end"
    inherit
    set -- "$work/again" "$work/settled"
    rights | awk -v theirs="$theirs" -v owner="\\"$owner\\"" -v fresh="\\"$fresh\\"" -v set="$work/set" "$naming" > "$2"
    : > "$1"
    run "$owner" '' '' '^CREATE POLICY [^;]* AS RESTRICTIVE ' < "$2" >> "$work/judged"
    # Such a policy takes rows away from whoever may see them otherwise: one in its place takes away all.
    awk "$closing" < "$1" | run "$owner" '' '' '' | sed 's/^left/bad/' >> "$work/judged"
    [ ! -e "$work/broken" ] || fail "its rights could not be given to their end"
    by_hand
}
# Parameters that a superuser has set for the database that was dumped.
by_hand() {
    { grep -E '^(ALTER DATABASE|ALTER ROLE .* IN DATABASE) ' "$work/settled" || true; } | while IFS= read -r line; do
        name=$(printf '%s' "$line" | sed -nE 's/^ALTER .* SET "?([a-z_.]+)"? TO .*$/\\1/p')
        value=$(printf '%s' "$line" | sed -nE "s/^ALTER .* TO '([A-Za-z0-9 _.,:+-]*)';\\$/\\1/p")
        role=
        case $line in ALTER?ROLE*) role=$owner ;; esac
        [ -n "$name" ] && [ -n "$value" ] && grep -qxF -e "$name" "$work/parameters" || continue
        superuser -v fresh="$fresh" -v role="$role" -v name="$name" -v value="$value" > /dev/null <<'SQL'
SELECT pg_catalog.format('ALTER %s SET %I = %L',
                         CASE :'role' WHEN '' THEN pg_catalog.format('DATABASE %I', :'fresh')
                                      ELSE pg_catalog.format('ROLE %I IN DATABASE %I', :'role', :'fresh') END,
                         :'name', :'value') \\gexec
SQL
        sed -i "/parameter \\"$name\\"/d" "$work/judged"
    done
}
# All that the loader has made becomes its owner's.
inherit() {
    superuser -v fresh="$fresh" -v owner="$owner" > /dev/null <<'SQL'
SELECT pg_catalog.format('ALTER DATABASE %I OWNER TO %I', :'fresh', :'owner') \\gexec
SQL
    filled=$deputy
    deputize "$fresh"
    superuser -v loader="$loader" -v filled="$filled" -v deputy="$deputy" > /dev/null <<'SQL'
SELECT pg_catalog.format('GRANT %I, %I TO %I', :'loader', :'filled', :'deputy') \\gexec
SQL
    "$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$socket" -p "$port" -U "$deputy" -w -d "$fresh" > /dev/null <<SQL
REASSIGN OWNED BY "$loader", "$filled" TO "$owner";
DROP OWNED BY "$loader", "$filled";
SQL
}
"""

# HOME ID BIN DATA SOCKET PORT OPTIONS DATABASE OWNER, then FILE LIMIT EXACT RESOLVE SIZE DISK MODE LOADER. Stdin: the
# address to fetch the dump from (when there is no FILE), the extensions and parameters that a superuser may make, one a
# line with an empty line behind each list, and the rules (leaving.rules). MODE is "load", or "check" to end before
# anything is replaced. RESOLVE pins the address that was judged; SIZE is that of the database that was dumped, where it
# is known; DISK is how much it may take in temporary files.
LOAD = (
    COMMON
    + ENTERING
    + SAYING
    + DISK
    + _DROP
    + UNPACKED
    + _FILL
    + _given("plain", PLAIN)
    + _given("judge", JUDGE)
    + _given("naming", NAMING)
    + _given("closing", CLOSING)
    + _given("again", AGAIN)
    + """
home=$1 id=$2 bin=$3 data=$4 socket=$5 port=$6 options=$7 database=$8 owner=$9
shift 9
settled
file=$1 limit=$2 exact=$3 resolve=$4 size=$5 disk=$6 mode=$7 loader=$8
fresh=${database}_new_$id gone=${database}_old_$id
work=$home/.load-$id
IFS= read -r url
there() {
    known=$(superuser -c "SELECT 1 FROM pg_catalog.pg_database WHERE datname = '$1'" < /dev/null) || exit 1
    [ -n "$known" ]
}
away() {
    rm -rf "$work"
    drop "$fresh" || true
    dismiss "$database" || true
}
list() { while IFS= read -r line && [ -n "$line" ]; do echo "$line"; done; }

if there "$gone"; then
    drop "$gone"
    dismiss "$database"
    exit 0
fi
rm -rf "$work"
mkdir "$work"
trap away EXIT
list > "$work/safe"
list > "$work/parameters"
cat > "$work/rules"
if [ -z "$file" ]; then
    command -v curl > /dev/null || fail "curl is not on this host, and nothing else can fetch a backup"
    disk_of "$home"
    [ -z "$exact" ] || [ "$disk_free" -gt "$((exact / 1024))" ] ||
        fail "no room: the dump has $exact bytes, and $disk_free kB are free"
    file=$work/dump
    far fetching "$exact" "$file"
    {
        printf 'url = "%s"\\n' "$url" | curl -K - -gsSf --proto '=http,https' --connect-timeout 10 --speed-limit 1000 \\
            --speed-time 60 ${resolve:+--resolve "$resolve"} || touch "$work/failed"
    } | head -c "$((limit + 1))" > "$file"
    bytes=$(stat -c %s "$file")
    [ "$bytes" -le "$limit" ] || fail "it is larger than the $limit bytes that may come"
    [ ! -e "$work/failed" ] || fail "it could not be fetched"
    [ -z "$exact" ] || [ "$bytes" -eq "$exact" ] || fail "it has $bytes bytes, and the backup has $exact"
fi
far verifying
unpacked "$file" "$work" "$limit"
theirs=
if [ "$kind" = archive ]; then
    "$bin/pg_restore" -C --list "$file" > "$work/contents" < /dev/null
    "$bin/pg_restore" -f /dev/null "$file" < /dev/null
    # Whose most of it is: what was that role's is the owner's here.
    theirs=$(sed -n 's/^[0-9][0-9]*; .* \\([^ ][^ ]*\\)$/\\1/p' "$work/contents" | sort | uniq -c | sort -rn |
        awk 'NR == 1 { print $2 }')
    grep -vE '^[0-9]+; [0-9]+ [0-9]+ POLICY ' "$work/contents" > "$work/content"
    grep -E '^[0-9]+; [0-9]+ [0-9]+ (POLICY|ACL|DEFAULT ACL|DATABASE PROPERTIES|COMMENT - DATABASE) ' "$work/contents" |
        grep -v ' ACL - DATABASE ' > "$work/rights" || true
    grep -E '^[0-9]+; [0-9]+ [0-9]+ EXTENSION ' "$work/contents" > "$work/made" || true
    { [ ! -s "$work/made" ] || "$bin/pg_restore" -f - -L "$work/made" "$file" < /dev/null; } > "$work/made.sql"
else
    grep -a '^CREATE EXTENSION ' "$file" > "$work/made.sql" || true
fi
made='^CREATE EXTENSION (IF NOT EXISTS )?"?([a-z0-9_-]+)"?( WITH SCHEMA ("(.*)"|([^ "]+)))?;\\r?$'
sed -nE "s/$made/\\2\\t\\5\\6/p" "$work/made.sql" | while IFS='	' read -r name schema; do
    ! grep -qxF -e "$name" "$work/safe" || printf '%s\\t%s\\n' "$name" "${schema:-public}"
done > "$work/extensions"
# What is set for the old database stays, by whomever it was set.
superuser -v old="$database" -v owner="$owner" > "$work/set" <<'SQL'
SELECT CASE setrole WHEN 0 THEN 'database:' ELSE 'role:' END || pg_catalog.split_part(entry, '=', 1)
  FROM pg_catalog.pg_db_role_setting JOIN pg_catalog.pg_database ON pg_database.oid = setdatabase,
       pg_catalog.unnest(setconfig) AS entry
 WHERE datname = :'old' AND setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = :'owner'));
SELECT 'comment' FROM pg_catalog.pg_database
 WHERE datname = :'old' AND pg_catalog.shobj_description(oid, 'pg_database') IS NOT NULL;
SQL

drop "$fresh"
dismiss "$database"
printf '\\\\restrict %s\\n\\\\unrestrict %s\\n' a a |
    "$bin/psql" -X -q -h "$socket" -p "$port" -U postgres -d postgres > "$work/said" 2>&1
[ ! -s "$work/said" ] ||
    fail "psql on this host is older than PostgreSQL's update of August 2025, and would obey a dump: update it"
# Everything but the rows first: all that can't be had is found at once, and before anything takes long.
far rehearsing
fill schema
sed -n 's/^left\\t/will=/p' "$work/judged"
if grep '^bad' "$work/judged" > "$work/bad"; then
    sed -n 's/^bad\\t/obstacle=/p' "$work/bad"
    fail "it can't be loaded: $(cut -f 5 "$work/bad" | head -n 5 | paste -sd ';' -)"
fi
drop "$fresh"
dismiss "$database"
[ "$mode" = load ] || exit 0
far loading "$size"
fill all
if grep '^bad' "$work/judged" > "$work/bad"; then
    sed -n 's/^bad\\t/obstacle=/p' "$work/bad"
    fail "it could not be restored: $(cut -f 5 "$work/bad" | head -n 3 | paste -sd ';' -)"
fi
sed -n 's/^left\\t/left=/p' "$work/judged"
"$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$socket" -p "$port" -U "$deputy" -w -d "$fresh" \\
    -c "SET client_min_messages = error" -c ANALYZE < /dev/null
"""
    + """
# What is set for the old database goes over to the new one, by whomever it was set: parameters, who may come in, how
# many, and its comment. Lists keep the form in which they are stored, so they go by way of a setting and become no part
# of a statement.
superuser -v old="$database" -v new="$fresh" -v owner="$owner" > /dev/null <<'SQL'
SELECT CASE WHEN listed THEN pg_catalog.format('SELECT pg_catalog.set_config(%L, %L, false)', name, value) END,
       pg_catalog.format('ALTER %s SET %I ', whose, name)
         || CASE WHEN listed THEN 'FROM CURRENT' ELSE pg_catalog.format('= %L', value) END
  FROM (SELECT CASE setrole WHEN 0 THEN pg_catalog.format('DATABASE %I', :'new')
                            ELSE pg_catalog.format('ROLE %I IN DATABASE %I', :'owner', :'new') END AS whose,
               pg_catalog.split_part(entry, '=', 1) AS name,
               pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) AS value,
               pg_catalog.split_part(entry, '=', 1) IN ('search_path', 'local_preload_libraries',
                                                        'session_preload_libraries', 'temp_tablespaces') AS listed
          FROM pg_catalog.pg_db_role_setting JOIN pg_catalog.pg_database ON pg_database.oid = setdatabase,
               pg_catalog.unnest(setconfig) AS entry
         WHERE datname = :'old'
           AND setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = :'owner'))) AS settings \\gexec
SELECT pg_catalog.format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', :'new', :'owner') \\gexec
SELECT pg_catalog.format('GRANT %s ON DATABASE %I TO %s%s', privilege_type, :'new',
                         CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(rolname) END,
                         CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM pg_catalog.pg_database, pg_catalog.aclexplode(coalesce(datacl, pg_catalog.acldefault('d', datdba)))
       LEFT JOIN pg_catalog.pg_roles ON pg_roles.oid = grantee
 WHERE datname = :'old' AND (grantee = 0 OR rolname IS NOT NULL) \\gexec
SELECT pg_catalog.format('COMMENT ON DATABASE %I IS %L', :'new', pg_catalog.shobj_description(oid, 'pg_database'))
  FROM pg_catalog.pg_database
 WHERE datname = :'old' AND pg_catalog.shobj_description(oid, 'pg_database') IS NOT NULL \\gexec
SELECT pg_catalog.format('ALTER DATABASE %I CONNECTION LIMIT %s', :'new', datconnlimit) FROM pg_catalog.pg_database
 WHERE datname = :'old' \\gexec
SELECT pg_catalog.format('ALTER DATABASE %I IS_TEMPLATE true', :'new') FROM pg_catalog.pg_database
 WHERE datname = :'old' AND datistemplate \\gexec
SQL

# Clients that come back at once may stand in the way of the new name: they are thrown out again.
tries=20
until superuser > "$work/said" 2>&1 <<SQL
BEGIN;
SELECT pg_catalog.pg_terminate_backend(pid, 1000) FROM pg_catalog.pg_stat_activity
 WHERE datname IN ('$database', '$fresh');
ALTER DATABASE "$database" IS_TEMPLATE false;
ALTER DATABASE "$database" RENAME TO "$gone";
ALTER DATABASE "$fresh" RENAME TO "$database";
COMMIT;
SQL
do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "its clients would not let go of it: $(tail -n 1 "$work/said")"
done
drop "$gone"
"""
)

# HOME ID BIN SOCKET PORT OPTIONS DATABASE: what a restore that was given up leaves behind.
UNLOAD = (
    COMMON
    + ENTERING
    + _DROP
    + """
home=$1 id=$2 bin=$3 socket=$4 port=$5 options=$6 database=$7
settled
rm -rf "$home/.load-$id"
drop "${database}_new_$id"
drop "${database}_old_$id"
dismiss "$database"
"""
)
