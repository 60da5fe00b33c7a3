"""Who may do what, as SQL text for psql: the monitoring role, the lock-down of the shared databases, and a customer's
database with its owner. Every text can be run again and converges on the same end.

Passwords arrive as SCRAM verifiers (scram.py). A customer's database is closed to all until only its owner may
connect, so no neighbour slips in between two statements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.postgres.config import MONITOR, MONITOR_CONNECTIONS, REPLICA
from fleet.postgres.entering import CONNECTIONS, deputy_name, loader_name
from fleet.postgres.quote import ident, literal

# For every session of the superuser: what it says stays out of the log, and it gives up rather than queue in front of
# customers.
_QUIET = """\
SET client_min_messages = warning;
SET log_min_error_statement = panic;
SET log_min_duration_statement = -1;
"""
PATIENCE = "SET lock_timeout = '5s';\nSET statement_timeout = '10s';\n"
PREAMBLE = _QUIET + PATIENCE


@dataclass(frozen=True)
class Limits:
    """What one customer's database may take: connections, and temporary files (MB) at one time."""

    connections: int
    temp_mb: int


def foundation(major: int, verifier: str, replica: str | None) -> str:
    """What a new cluster needs: the monitoring role (sees everything, may change nothing), the replication role
    (streams, and reads files for pg_rewind), and databases `postgres` and `template1` that no customer can enter.
    `verifier` and `replica` are the two roles' SCRAM verifiers; without the second nobody can replicate."""
    reserved = f"GRANT pg_use_reserved_connections TO {MONITOR};\n" if major >= 16 else ""
    return f"""\
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_creat(integer), pg_catalog.lo_create(pg_catalog.oid),
    pg_catalog.lo_from_bytea(pg_catalog.oid, pg_catalog.bytea) FROM PUBLIC;
{_role_unless_there(MONITOR)}
ALTER ROLE {MONITOR} {_POWERLESS} NOREPLICATION CONNECTION LIMIT {MONITOR_CONNECTIONS} PASSWORD {literal(verifier)};
ALTER ROLE {MONITOR} SET default_transaction_read_only = on;
GRANT pg_monitor TO {MONITOR};
{reserved}GRANT CONNECT ON DATABASE postgres TO {MONITOR};
{_role_unless_there(REPLICA)}
ALTER ROLE {REPLICA} {_POWERLESS} REPLICATION PASSWORD {literal(replica) if replica else "NULL"};
GRANT CONNECT ON DATABASE postgres TO {REPLICA};
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(pg_catalog.text, boolean, boolean),
    pg_catalog.pg_stat_file(pg_catalog.text, boolean), pg_catalog.pg_read_binary_file(pg_catalog.text),
    pg_catalog.pg_read_binary_file(pg_catalog.text, bigint, bigint, boolean) TO {REPLICA};
"""


def slot(name: str) -> str:
    """The replication slot `name`, with its WAL kept from now on; does nothing when there is one that still holds."""
    return f"""\
SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots
 WHERE slot_name = {literal(name)} AND wal_status = 'lost' AND NOT active;
SELECT pg_catalog.pg_create_physical_replication_slot({literal(name)}, true)
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = {literal(name)});
"""


def drop_slots(keep: Sequence[str]) -> str:
    """Take away the slots of all who are not in `keep` and do not read now: WAL kept for them would fill the disk."""
    kept = ", ".join(literal(name) for name in keep) or "NULL"
    return f"""\
SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots
 WHERE slot_type = 'physical' AND NOT active AND (slot_name IN ({kept})) IS NOT TRUE;
"""


def create_resource(database: str, owner: str, verifier: str, limits: Limits) -> str:
    """A database and the role that owns it; ends well whether they are there, half there or not."""
    name = ident(database)
    create = f"CREATE DATABASE {name} OWNER {ident(owner)} TEMPLATE template0 ALLOW_CONNECTIONS false"
    return f"""\
SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtext({literal(database)}));
{_role_unless_there(owner)}
ALTER ROLE {ident(owner)} {_POWERLESS} NOREPLICATION PASSWORD {literal(verifier)};
SELECT {literal(create)}
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {literal(database)}) \\gexec
ALTER DATABASE {name} OWNER TO {ident(owner)};
REVOKE ALL ON DATABASE {name} FROM PUBLIC;
{set_limits(database, owner, limits)}ALTER DATABASE {name} ALLOW_CONNECTIONS true;
"""


def drop_resource(database: str, owner: str) -> str:
    """Throw everybody out, then take the database away with its owner and whatever else that one owns, or that a load
    was to fill, which one that was cut off may have left; does nothing where they are gone."""
    load, deputy = loader_name(literal(database)), loader_name(literal(database), deputy=True)
    return f"""\
SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtext({literal(database)}));
SELECT pg_catalog.format('ALTER DATABASE %I IS_TEMPLATE false', datname) FROM pg_catalog.pg_database
 WHERE datname = {literal(database)} AND datistemplate \\gexec
DROP DATABASE IF EXISTS {ident(database)} WITH (FORCE);
SELECT pg_catalog.format('ALTER DATABASE %I IS_TEMPLATE false', datname),
       pg_catalog.format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_catalog.pg_database
 WHERE pg_catalog.pg_get_userbyid(datdba) IN ({literal(owner)}, {load}) \\gexec
SELECT pg_catalog.format('DROP ROLE %I', rolname) FROM pg_catalog.pg_roles
 WHERE rolname IN ({deputy_name(literal(owner))}, {load}, {deputy}) \\gexec
{_drop_role(owner)}"""


# What is left of roles whose neighbours granted them something.
GONE = "herdsite_gone_"


def _drop_role(name: str) -> str:
    """Take a role away. A neighbour may have granted it something, or named it in a policy, in a database that the
    superuser does not enter: then it keeps its place, powerless and by another name, until that database goes."""
    depends = """EXISTS (SELECT FROM pg_catalog.pg_shdepend
                 WHERE refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND refobjid = pg_roles.oid)"""
    return f"""\
SELECT pg_catalog.format('DROP ROLE %I', rolname) FROM pg_catalog.pg_roles
 WHERE (rolname = {literal(name)} OR rolname ~ '^{GONE}') AND NOT {depends} \\gexec
SELECT pg_catalog.format('ALTER ROLE %I NOLOGIN PASSWORD NULL', rolname),
       pg_catalog.format('ALTER ROLE %I RENAME TO %I', rolname, '{GONE}' || oid) FROM pg_catalog.pg_roles
 WHERE rolname = {literal(name)} \\gexec
"""


def set_password(role: str, verifier: str) -> str:
    """Give the role another password; who is connected stays."""
    return f"ALTER ROLE {ident(role)} PASSWORD {literal(verifier)};\n"


def set_limits(database: str, owner: str, limits: Limits) -> str:
    """The limit on the role is the one that holds: a database's own limit its owner could lift. The database has
    room for the owner's deputy besides. A database's limit below its owner's is the customer's own, and stays."""
    alter = literal(f"ALTER DATABASE {ident(database)} CONNECTION LIMIT {limits.connections + CONNECTIONS:d}")
    return f"""\
SELECT {alter} FROM pg_catalog.pg_database JOIN pg_catalog.pg_roles ON pg_roles.oid = datdba
 WHERE datname = {literal(database)} AND (datconnlimit < 0 OR datconnlimit >= rolconnlimit) \\gexec
ALTER ROLE {ident(owner)} CONNECTION LIMIT {limits.connections:d};
ALTER ROLE {ident(owner)} SET temp_file_limit = '{limits.temp_mb:d}MB';
"""


# INHERIT, since on PostgreSQL 15 a role without it would not own the public schema of its own database.
_POWERLESS = "LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"


def _role_unless_there(name: str) -> str:
    create = literal(f"CREATE ROLE {ident(name)}")
    return f"SELECT {create} WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal(name)}) \\gexec"
