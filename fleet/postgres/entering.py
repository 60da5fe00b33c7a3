"""How what runs on a host enters databases over the socket. The superuser enters `postgres` only, where no customer can
put anything. A customer's database is entered as its owner's deputy: a role that may do there what the owner may,
and has no right anywhere else, so whatever the content makes it run, the owner could have run as well.

The session's user is the deputy: a superuser who only took another role could be made to take his own back.
The deputy reads past row security, since a dump that lacks rows is none, and has connections of its own. No password
ever lets it in: PostgreSQL's own account comes as it by peer.
"""

from hashlib import sha256

# What a session is told as it begins. A client's word counts for more than what its customer has set for the database
# or for a role. What only a superuser may set, no customer has set.
SETTINGS = {
    "search_path": "pg_catalog,pg_temp",
    "role": "none",
    "local_preload_libraries": "",
    "row_security": "off",
    "default_transaction_read_only": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "client_min_messages": "warning",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
}
NEWER = {17: {"transaction_timeout": "0"}}

# How many connections a deputy may have, on top of its customer's.
CONNECTIONS = 3


def options(major: int) -> str:
    """PGOPTIONS for PostgreSQL `major`."""
    settings = SETTINGS.copy()
    for since, more in NEWER.items():
        settings |= more if major >= since else {}
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def deputy_name(owner: str) -> str:
    """SQL for the name of a role's deputy. `owner` is SQL for that role's name."""
    return f"('herdsite_deputy_' || {_digest(owner)})"


def loader_name(database: str, deputy: bool = False) -> str:
    """SQL for the name of the role that fills a new content for a database (fleet/logical/load_scripts.py), or of that
    role's deputy. `database` is SQL for the database's name."""
    name = f"('herdsite_loader_' || {_digest(database)})"
    return deputy_name(name) if deputy else name


def loader(database: str) -> str:
    """That name itself."""
    return f"herdsite_loader_{sha256(database.encode()).hexdigest()[:24]}"


def _digest(text: str) -> str:
    return (
        "pg_catalog.left(pg_catalog.encode(pg_catalog.sha256("
        f"pg_catalog.convert_to(({text})::pg_catalog.text, 'UTF8')), 'hex'), 24)"
    )


_DEPUTY = f"""
(SELECT datname, datallowconn, datconnlimit, rolconnlimit, rolname AS owner, {deputy_name("rolname")} AS name
   FROM pg_catalog.pg_database JOIN pg_catalog.pg_roles ON pg_roles.oid = datdba
  WHERE datname = :'database' AND NOT rolsuper) AS deputy
"""

# Sees to it that the owner of the database :'database' has a deputy with its rights, whatever the customer took from it
# (up to 15 he may revoke his own membership), and prints its name. A standby has what its leader has.
DEPUTIZE = f"""\
SET log_min_error_statement = panic;
SET log_min_duration_statement = -1;
SET lock_timeout = '5s';
SET statement_timeout = '10s';
SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtext('herdsite_deputy'));
SELECT pg_catalog.format('CREATE ROLE %I', name) FROM {_DEPUTY}
 WHERE NOT pg_catalog.pg_is_in_recovery()
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) \\gexec
SELECT pg_catalog.format('ALTER ROLE %I LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS '
                         'CONNECTION LIMIT {CONNECTIONS} PASSWORD NULL VALID UNTIL ''-infinity''', name),
       pg_catalog.format('ALTER ROLE %I SET temp_file_limit = ''1GB''', name),
       pg_catalog.format('GRANT %I TO %I', owner, name),
       pg_catalog.format('GRANT CONNECT ON DATABASE %I TO %I', datname, name),
       CASE WHEN datconnlimit = rolconnlimit AND rolconnlimit > 0
            THEN pg_catalog.format('ALTER DATABASE %I CONNECTION LIMIT %s', datname, datconnlimit + {CONNECTIONS}) END,
       CASE WHEN newer >= 16 THEN pg_catalog.format('GRANT pg_use_reserved_connections TO %I', name) END,
       CASE WHEN newer >= 17 THEN pg_catalog.format('ALTER ROLE %I SET event_triggers = off', name) END
  FROM {_DEPUTY}, (SELECT pg_catalog.current_setting('server_version_num')::integer / 10000 AS newer) AS version
 WHERE NOT pg_catalog.pg_is_in_recovery() \\gexec
SELECT 'deputy=' || name FROM {_DEPUTY};
"""

# Says which setting of its owner's keeps sessions out of the database :'database', and how that is undone; nothing
# where it is none of these. The limit of its owner's role is herdsite's own, and leaves room for the deputy.
SHUT = f"""\
SELECT CASE
    WHEN NOT datallowconn THEN
        pg_catalog.format('The owner of %s has set ALLOW_CONNECTIONS false, so that herdsite can''t enter it. '
                          'To undo that: ALTER DATABASE %I ALLOW_CONNECTIONS true', datname, datname)
    WHEN datconnlimit >= 0 AND (rolconnlimit < 0 OR datconnlimit < rolconnlimit + {CONNECTIONS}) THEN
        pg_catalog.format('The owner of %s has set CONNECTION LIMIT %s, which leaves herdsite no connection. '
                          'To undo that: ALTER DATABASE %I CONNECTION LIMIT %s',
                          datname, datconnlimit, datname,
                          CASE WHEN rolconnlimit < 0 THEN -1 ELSE rolconnlimit + {CONNECTIONS} END)
    END
  FROM {_DEPUTY};
"""

# Opens every database of a customer's in a cluster that no customer can reach, and that is thrown away or copied anew:
# there a setting of its owner's protects nothing, and hides what has to be read.
OPEN_ALL = """\
SELECT pg_catalog.format('ALTER DATABASE %I ALLOW_CONNECTIONS true CONNECTION LIMIT -1', datname)
  FROM pg_catalog.pg_database JOIN pg_catalog.pg_roles ON pg_roles.oid = datdba
 WHERE NOT rolsuper AND (datconnlimit >= 0 OR NOT datallowconn) \\gexec
"""

# Finds $bin, $data, $socket, $port, and $options, which is PGOPTIONS.
ENTERING = f"""
settled() {{
    export PGOPTIONS="$options" PGCLIENTENCODING=UTF8
    unset PGDATABASE PGUSER PGSERVICE
}}
superuser() {{
    "$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$socket" -p "$port" -U postgres -d postgres "$@"
}}
# The customers' databases.
theirs() {{
    superuser -c "SELECT datname FROM pg_catalog.pg_database JOIN pg_catalog.pg_roles ON pg_roles.oid = datdba
                   WHERE datallowconn AND NOT rolsuper ORDER BY datname" < /dev/null
}}
# Open those that their owners have closed. Only where no customer can come in.
open_all() {{
    superuser <<'SQL'
{OPEN_ALL}
SQL
}}
# Which setting of its owner's keeps sessions out of the database $1; nothing where none does.
setting() {{
    superuser -v database="$1" <<'SQL'
{SHUT}
SQL
}}
# Why nobody comes into the database $1 now, whose answer to that was $2: the setting, or else the answer itself.
shut() {{
    why=
    case $2 in
    *'too many connections for database'* | *'not currently accepting connections'*) why=$(setting "$1") ;;
    esac
    [ -n "$why" ] || why=$(printf '%s\\n' "$2" | sed 's/^psql: //' | tail -n 1)
    printf '%s\\n' "$why"
}}
# Who acts for the owner of the database $1, as $deputy, and can come in from now on.
deputize() {{
    case $1 in postgres | template1) deputy=postgres && return ;; esac
    deputy=$(superuser -v database="$1" <<'SQL' | sed -n 's/^deputy=//p'
{DEPUTIZE}
SQL
    )
    [ -n "$deputy" ] || {{ echo "$1 has no owner in whose name herdsite could act" >&2; exit 1; }}
    changed='' account=$(id -un)
    line="herdsite \\"$account\\" \\"$deputy\\""
    grep -qxF "$line" "$data/pg_ident.conf" || {{ printf '%s\\n' "$line" >> "$data/pg_ident.conf"; changed=1; }}
    # A cluster that was made before there were deputies.
    ! grep -q '^local  *all  *all  *reject$' "$data/pg_hba.conf" ||
        {{ sed -i 's/^\\(local  *all  *all  *\\)reject$/\\1peer map=herdsite/' "$data/pg_hba.conf"; changed=1; }}
    if [ -n "$changed" ]; then
        read -r postmaster < "$data/postmaster.pid"
        kill -HUP "$postmaster"
    fi
    tries=50
    until said=$("$bin/psql" -X -q -h "$socket" -p "$port" -U "$deputy" -w -d "$1" -c '' 2>&1 < /dev/null); do
        tries=$((tries - 1)) said=$(shut "$1" "$said")
        case $said in *'ALLOW_CONNECTIONS false'* | *'CONNECTION LIMIT 0,'*) tries=0 ;; esac
        [ "$tries" -gt 0 ] || {{ printf '%s\\n' "$said" >&2; exit 1; }}
        sleep 0.1
    done
}}
"""
