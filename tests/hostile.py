"""A customer's database whose whole content tries to get further: functions, operators, types and views that stand
where PostgreSQL's own are looked for, and code of his own in every place from which PostgreSQL runs some: defaults,
checks, indexes, partitions, statistics, policies, triggers, event triggers and log-ins. `spoil` fills one, `harmless`
sees whether any of it ever ran with the power of a superuser.

All of it ends in `evil.strike`, which takes back what the session's user may, makes its owner a superuser, and leaves a
mark on the host by COPY TO PROGRAM, which works in a transaction that is read only too.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.clusters import Cluster

# What SQL of ours calls, and what is likely to be called.
SHADOWED = (
    *("pg_relation_filenode", "pg_relation_size", "pg_database_size", "pg_table_size", "pg_is_in_recovery"),
    *("pg_backend_pid", "pg_terminate_backend", "pg_get_userbyid", "pg_snapshot_xmax", "pg_current_snapshot"),
    *("pg_logical_emit_message", "pg_advisory_lock", "hashtext", "format", "to_regclass", "current_database"),
    *("current_setting", "set_config", "quote_ident", "quote_literal", "split_part", "substr", "strpos", "left"),
    *("clock_timestamp", "now", "age", "version", "encode", "sha256", "md5", "convert_to", "has_table_privilege"),
    *("pg_walfile_name", "pg_current_wal_lsn", "pg_switch_wal", "pg_ls_waldir", "pg_size_bytes", "pg_has_role"),
    *("array_to_string", "array_length", "pg_get_expr", "pg_get_indexdef", "pg_get_viewdef", "generate_series"),
)
OPERATORS = {
    ("=", "<>", "<", ">", "<=", ">="): ("oid", "name", "text", "int4", "int8", "timestamptz", '"char"', "bool"),
    ("~", "!~", "~~", "!~~", "~*"): ("text",),
}
CATALOGS = (
    *("pg_class", "pg_namespace", "pg_database", "pg_roles", "pg_stat_activity", "pg_stat_user_tables", "pg_extension"),
    *("pg_statio_user_tables", "pg_db_role_setting", "pg_available_extensions", "pg_settings", "pg_index", "pg_proc"),
)

STRIKE = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.strike() RETURNS void LANGUAGE plpgsql VOLATILE AS $f$
BEGIN
    BEGIN SET SESSION AUTHORIZATION DEFAULT; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN RESET ROLE; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN EXECUTE 'COPY (SELECT session_user, current_user, ''{name}'') TO PROGRAM ''cat >> {mark}''';
    EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN EXECUTE 'ALTER ROLE {owner} SUPERUSER CREATEROLE BYPASSRLS'; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN EXECUTE 'GRANT pg_read_all_data, pg_execute_server_program TO {owner}'; EXCEPTION WHEN OTHERS THEN NULL; END;
END $f$;
CREATE FUNCTION evil.bite() RETURNS boolean LANGUAGE plpgsql VOLATILE AS
    $f$ BEGIN PERFORM evil.strike(); RETURN true; END $f$;
CREATE FUNCTION evil.bite(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $f$ BEGIN PERFORM evil.strike(); RETURN $1; END $f$;
CREATE FUNCTION evil.bite(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
    $f$ BEGIN PERFORM evil.strike(); RETURN true; END $f$;
CREATE FUNCTION evil.on_row() RETURNS trigger LANGUAGE plpgsql AS
    $f$ BEGIN PERFORM evil.strike(); RETURN NEW; END $f$;
CREATE FUNCTION evil.on_event() RETURNS event_trigger LANGUAGE plpgsql AS
    $f$ BEGIN PERFORM evil.strike(); END $f$;
"""

# Every function of PostgreSQL by these names, again in two schemas: the same arguments, and for those of a regclass
# also an oid, which fits better.
SHADOW = """
DO $do$
DECLARE one record; given text; place text;
BEGIN
    FOR one IN SELECT p.proname, p.proretset, p.prorettype::regtype AS result,
                      pg_get_function_identity_arguments(p.oid) AS identity
                 FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
                  AND p.proname = ANY (ARRAY[NAMES]) AND p.proargmodes IS NULL
    LOOP
        FOREACH place IN ARRAY ARRAY['evil', 'public'] LOOP
            FOREACH given IN ARRAY ARRAY[one.identity, replace(one.identity, 'regclass', 'oid')] LOOP
                BEGIN
                    EXECUTE format('CREATE OR REPLACE FUNCTION %I.%I(%s) RETURNS %s LANGUAGE plpgsql AS '
                        '$f$ BEGIN PERFORM evil.strike(); %s END $f$', place, one.proname, given,
                        CASE WHEN one.proretset THEN 'SETOF ' ELSE '' END || one.result,
                        CASE WHEN one.proretset THEN 'RETURN;' ELSE 'RETURN NULL;' END);
                EXCEPTION WHEN OTHERS THEN NULL;
                END;
            END LOOP;
        END LOOP;
    END LOOP;
END $do$
"""

# What no upgrade takes (test_hostile_upgrade.py).
GENERATED = ", g int GENERATED ALWAYS AS (evil.bite(1)) STORED"
CONTENT = f"""
CREATE TABLE bait (a int PRIMARY KEY DEFAULT evil.bite(1), t text CHECK (evil.bite(t)){GENERATED});
INSERT INTO bait (a, t) SELECT n, 'row' || n FROM generate_series(1, 50) AS n;
CREATE INDEX bait_expression ON bait (evil.bite(a)) WHERE evil.bite(t);
CREATE STATISTICS bait_statistics ON evil.bite(a), t FROM bait;
CREATE TRIGGER bait_row BEFORE INSERT OR UPDATE ON bait FOR EACH ROW EXECUTE FUNCTION evil.on_row();
CREATE TABLE hidden (a int);
INSERT INTO hidden SELECT generate_series(1, 50);
CREATE POLICY hides ON hidden USING (evil.bite());
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE split (a int) PARTITION BY RANGE (evil.bite(a));
CREATE TABLE split_one PARTITION OF split FOR VALUES FROM (0) TO (1000);
INSERT INTO split SELECT generate_series(1, 20);
CREATE DOMAIN evil.bad AS int DEFAULT evil.bite(1) CHECK (evil.bite(VALUE) = VALUE);
CREATE TABLE typed (d evil.bad, r evil.bad[]);
INSERT INTO typed VALUES (5, '{{5}}');
CREATE VIEW looks AS SELECT evil.bite(1) AS a, evil.bite() AS b;
CREATE MATERIALIZED VIEW looked AS SELECT evil.bite(2) AS a;
CREATE TABLE ruled (a int);
CREATE RULE says AS ON INSERT TO ruled DO ALSO SELECT evil.bite();
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (evil.bite(VALUE));
CREATE DOMAIN evil.float8 AS pg_catalog.float8 CHECK (evil.bite());
CREATE DOMAIN evil.regclass AS pg_catalog.oid CHECK (evil.bite());
"""


@dataclass(frozen=True)
class Hostile:
    """A database of that content. `mark` is a file on the host that nobody but a superuser can have made."""

    cluster: Cluster
    name: str
    password: str
    mark: Path

    def session(self) -> psycopg.Connection:
        return self.cluster.connect(self.name, self.password, self.name)


def spoil(cluster: Cluster, name: str, password: str, events: bool = True, content: str = CONTENT) -> Hostile:
    """Fill the database `name`, which its owner of the same name logs into, with `content`. With `events` a superuser
    has made triggers for its owner that fire on every command, and from 17 on at every log-in."""
    mark = cluster.shell.home / f"struck-{secrets.token_hex(4)}"
    hostile = Hostile(cluster, name, password, mark)
    words = {"{mark}": str(mark), "{owner}": name, "{name}": name}
    text = STRIKE
    for word, value in words.items():
        text = text.replace(word, value)
    with hostile.session() as session:
        for one in (text, content, SHADOW.replace("NAMES", ", ".join(f"'{word}'" for word in SHADOWED)), *_operators()):
            session.execute(one)
        for schema in ("evil", "public"):
            for catalog in CATALOGS:
                session.execute(
                    f"CREATE VIEW {schema}.{catalog} AS SELECT * FROM pg_catalog.{catalog} WHERE evil.bite()"
                )
        for whose in (f"DATABASE {name}", f"ROLE {name}", f"ROLE {name} IN DATABASE {name}"):
            session.execute(f"ALTER {whose} SET search_path = evil, public, pg_catalog")
        session.execute(f"ALTER DATABASE {name} SET client_encoding = 'LATIN1'")
        session.execute(f"ALTER DATABASE {name} SET quote_all_identifiers = on")
        session.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    if events:
        text = "CREATE EVENT TRIGGER evil_start ON ddl_command_start EXECUTE FUNCTION evil.on_event();"
        text += "CREATE EVENT TRIGGER evil_end ON ddl_command_end EXECUTE FUNCTION evil.on_event();"
        text += "CREATE EVENT TRIGGER evil_drop ON sql_drop EXECUTE FUNCTION evil.on_event();"
        if cluster.subject.major >= 17:
            text += "CREATE EVENT TRIGGER evil_login ON login EXECUTE FUNCTION evil.on_event();"
        cluster.sql(f"{_OPERATOR} SET search_path = pg_catalog; {text}", name)
    harmless(hostile)
    return hostile


# So that an operator's own session makes nothing of it run.
_OPERATOR = "SET session_replication_role = replica; SET default_transaction_read_only = off;"


def _operators() -> Iterator[str]:
    kinds = sorted({kind for types in OPERATORS.values() for kind in types})
    for kind in kinds:
        yield (
            f"CREATE FUNCTION evil.op(pg_catalog.{kind}, pg_catalog.{kind}) RETURNS bool LANGUAGE plpgsql AS"
            " $f$ BEGIN PERFORM evil.strike(); RETURN true; END $f$"
        )
    for symbols, types in OPERATORS.items():
        for symbol in symbols:
            for kind in types:
                sides = f"LEFTARG = pg_catalog.{kind}, RIGHTARG = pg_catalog.{kind}"
                yield f"CREATE OPERATOR evil.{symbol} ({sides}, FUNCTION = evil.op)"


def harmless(hostile: Hostile) -> None:
    """Nothing of it has ever run as a superuser, and its owner can do no more than before."""
    struck = hostile.mark.read_text() if hostile.mark.exists() else ""
    assert not struck, f"the customer's code ran as a superuser: {struck}"
    powers = hostile.cluster.sql(
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication FROM pg_catalog.pg_roles"
        " WHERE (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)"
        f" AND rolname = '{hostile.name}'"
    )
    assert powers == ""
    member = f"SELECT roleid::regrole FROM pg_catalog.pg_auth_members WHERE member = '{hostile.name}'::regrole"
    if hostile.cluster.sql(f"SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = '{hostile.name}'"):
        assert hostile.cluster.sql(member) == ""
