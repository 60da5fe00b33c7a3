"""A customer's database with all that is legal and odd: names that end statements elsewhere, every kind of thing that
there is, values at the edge of their types, and settings by which a careless session of ours would read or write
something else. `fill` fills one, `bother` sets the settings, `seen` is a digest of all its rows."""

from fleet.postgres import commands, entering
from fleet.transports.base import checked
from tests.clusters import Cluster

SECRET = "odd-secret"

NAMES = r"""
CREATE SCHEMA "Odd "" One";
CREATE SCHEMA "select";
CREATE SCHEMA "größe 大";
CREATE TABLE "Odd "" One"."it's \ %s :x" ("a ""b"" é" text, "select" int,
    "$1" int GENERATED ALWAYS AS ("select" * 2) STORED);
INSERT INTO "Odd "" One"."it's \ %s :x" VALUES (E'tab\tand\nline \\ ''q'' \u20ac \U0001F418', 21),
    (E'\r\n\\.', NULL), ('', 0);
CREATE TABLE public."two
lines; --" (n int);
INSERT INTO public."two
lines; --" VALUES (1), (2);
CREATE TABLE "select"."from" ("where" int, "group" text COLLATE "C");
INSERT INTO "select"."from" VALUES (1, '\restrict x'), (2, '\connect away'), (3, 'COPY t FROM stdin;'), (4, NULL);
CREATE TABLE "größe 大"."ß" (n int PRIMARY KEY, t text COLLATE "POSIX");
INSERT INTO "größe 大"."ß" VALUES (1, 'ÄÖ'), (2, '日本語');
CREATE TABLE public."a_name_of_exactly_sixty_three_bytes____________________________" (n int);
COMMENT ON TABLE public."two
lines; --" IS E'\\! touch x\n\\.\n-- PostgreSQL database dump complete\n';
COMMENT ON SCHEMA public IS 'mine';
"""

ENUM = """
CREATE TYPE mood AS ENUM ('sad', 'o''k', 'happy 😀');
ALTER TYPE mood ADD VALUE 'first' BEFORE 'sad';
"""

TYPES = r"""
CREATE TYPE pair AS (x int, "Y y" text);
CREATE DOMAIN natural_number AS int CHECK (VALUE > 0) DEFAULT 1;
CREATE TYPE span AS RANGE (subtype = float8);
CREATE TABLE typed (
    m mood DEFAULT 'sad', p pair, d natural_number, s span, many mood[], pairs pair[], n numeric, f float8, r real,
    at timestamptz, i interval, j jsonb, raw bytea, mr int4multirange, b bit(5), ip inet, v tsvector, day date
);
INSERT INTO typed VALUES ('first', ROW(1, 'a,"b'), 5, '[1.5,2.5)', '{first,"happy 😀"}', ARRAY[ROW(1, NULL)::pair],
    'NaN', '-Infinity', 0.1, 'infinity', '-1 mon +2 days', '{"a": "\u0041 é"}', '\x00ff5c', '{[1,5),[7,9)}', B'10101',
    '::1/64', to_tsvector('simple', 'größe elephants'), '-infinity');
INSERT INTO typed (at, n, f, i, day) VALUES ('4713-01-01 00:00:00 BC', 1e-30, 0.1::float8 + 0.2::float8,
    '178000000 years', '2026-02-03');
"""

SHAPES = """
CREATE TABLE part (n bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE part_one PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY HASH (n);
CREATE TABLE part_one_a PARTITION OF part_one FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_one_b PARTITION OF part_one FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE part_rest PARTITION OF part DEFAULT;
CREATE INDEX ON part (n);
INSERT INTO part SELECT n, timestamptz '2025-12-30 00:00+00' + n * interval '1 hour' FROM generate_series(1, 100) AS n;
CREATE TABLE parent (a int);
CREATE TABLE child (b int) INHERITS (parent);
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (2, 3);
CREATE TABLE hidden (owner text, v text);
INSERT INTO hidden VALUES ('me', '1'), ('you', '2');
CREATE POLICY p ON hidden USING (owner = current_setting('app.user', true)) WITH CHECK (true);
CREATE POLICY q ON hidden AS RESTRICTIVE FOR SELECT TO CURRENT_USER USING (v <> '2');
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS
    $f$ BEGIN NEW.a := coalesce(NEW.a, 0) + 1; RETURN NEW; END $f$;
CREATE TABLE kicked (a int);
CREATE TRIGGER on_ BEFORE INSERT ON kicked FOR EACH ROW EXECUTE FUNCTION bump();
CREATE TRIGGER off BEFORE INSERT ON kicked FOR EACH ROW EXECUTE FUNCTION bump();
ALTER TABLE kicked DISABLE TRIGGER off;
INSERT INTO kicked VALUES (1), (7);
CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE OPERATOR <+> (LEFTARG = int, RIGHTARG = int, FUNCTION = plus);
CREATE AGGREGATE total(int) (SFUNC = plus, STYPE = int, INITCOND = '0');
CREATE FUNCTION secure() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION secure() FROM PUBLIC;
CREATE PROCEDURE step(INOUT a int) LANGUAGE plpgsql AS $f$ BEGIN a := a + 1; COMMIT; END $f$;
CREATE FUNCTION atomic(i int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT i + 1; END;
CREATE VIEW v WITH (security_barrier) AS SELECT * FROM kicked WHERE a > 0 WITH CHECK OPTION;
CREATE RULE r AS ON DELETE TO v DO INSTEAD NOTHING;
CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM part;
CREATE RECURSIVE VIEW rv (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM rv WHERE n < 5;
CREATE TABLE a1 (n int PRIMARY KEY, b int);
CREATE TABLE b1 (n int PRIMARY KEY, a int REFERENCES a1 DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE a1 ADD FOREIGN KEY (b) REFERENCES b1 DEFERRABLE INITIALLY DEFERRED;
BEGIN; INSERT INTO a1 VALUES (1, 1); INSERT INTO b1 VALUES (1, 1); COMMIT;
CREATE TABLE unproven (a int);
INSERT INTO unproven VALUES (-1);
ALTER TABLE unproven ADD CONSTRAINT above CHECK (a > 0) NOT VALID;
CREATE TABLE apart (r int4range, EXCLUDE USING gist (r WITH &&));
INSERT INTO apart VALUES ('[1,5)'), ('[5,9)');
CREATE UNLOGGED TABLE forgotten (a int);
INSERT INTO forgotten SELECT generate_series(1, 20);
CREATE TABLE toasted (a text);
ALTER TABLE toasted ALTER a SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT repeat('x', 300000) FROM generate_series(1, 2);
CREATE TABLE narrowed (a int, b int DEFAULT 7);
ALTER TABLE narrowed DROP COLUMN a;
INSERT INTO narrowed DEFAULT VALUES;
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
CREATE SEQUENCE "Odd Seq" AS smallint INCREMENT -3 MINVALUE -300 MAXVALUE 300 START 0 CYCLE;
SELECT nextval('"Odd Seq"'), nextval('"Odd Seq"');
CREATE TABLE numbered (n int GENERATED BY DEFAULT AS IDENTITY (START 100 INCREMENT 7) PRIMARY KEY, t text);
INSERT INTO numbered (t) SELECT 'row ' || n FROM generate_series(1, 30) AS n;
CREATE STATISTICS st (ndistinct, mcv) ON n, at FROM part;
CREATE TEXT SEARCH CONFIGURATION public.de (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION de ALTER MAPPING FOR word WITH german_stem;
CREATE COLLATION of_mine (provider = libc, locale = 'C.UTF-8');
CREATE TABLE folded (a text COLLATE of_mine UNIQUE);
INSERT INTO folded VALUES ('Abc');
CREATE PUBLICATION some_of_it FOR TABLE a1, b1;
CREATE INDEX ON typed ((j ->> 'a')) WHERE d IS NOT NULL;
CREATE INDEX ON typed USING gin (v);
CREATE INDEX ON part_rest USING brin (at);
CREATE INDEX ON kicked USING hash (a);
SELECT lo_from_bytea(4242, decode(repeat('00ff', 5000), 'hex'));
GRANT SELECT ON typed TO PUBLIC;
GRANT USAGE ON SCHEMA "select" TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
"""

EXTENSIONS = """
CREATE SCHEMA tools;
CREATE EXTENSION hstore SCHEMA tools;
CREATE EXTENSION citext;
CREATE TABLE extended (h tools.hstore, c citext UNIQUE);
INSERT INTO extended VALUES ('a=>1', 'Abc'), ('b=>NULL', 'def');
COMMENT ON EXTENSION citext IS 'of mine';
"""

# By which a session that takes them as they are reads, writes or says something else, or nothing.
SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "1",
    "lock_timeout": "1",
    "idle_in_transaction_session_timeout": "1",
    "client_encoding": "LATIN1",
    "search_path": '"Odd "" One", "select", pg_catalog',
    "row_security": "on",
    "extra_float_digits": "-15",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "bytea_output": "escape",
    "TimeZone": "Pacific/Chatham",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "client_min_messages": "error",
    "enable_seqscan": "off",
    "default_transaction_isolation": "serializable",
    "check_function_bodies": "on",
    "xmloption": "document",
}


def fill(cluster: Cluster, name: str, password: str, trusted: bool = True) -> None:
    """Fill the database `name`, which its owner of the same name logs into. `trusted`: with extensions as well."""
    with cluster.connect(name, password, name) as session:
        session.execute("SET client_min_messages = error")
        for text in (NAMES, ENUM, TYPES, SHAPES, EXTENSIONS if trusted else ""):
            # Each by itself: before PostgreSQL 17 a new value of an enum is of use only once it is committed.
            session.execute(text)


def bother(cluster: Cluster, name: str) -> None:
    """Set what its owner may set for it and for itself."""
    for setting, value in SETTINGS.items():
        for whose in (f"DATABASE {name}", f"ROLE {name}", f"ROLE {name} IN DATABASE {name}"):
            shown = value if setting == "search_path" else f"'{value}'"
            cluster.sql(f"SET ROLE {name}; ALTER {whose} SET {setting} = {shown}")
    cluster.sql(f"SET ROLE {name}; ALTER DATABASE {name} IS_TEMPLATE true")


def operator(cluster: Cluster, text: str, name: str) -> str:
    """As Cluster.sql, by a session that sets first what the database's settings would spoil."""
    argv = commands.psql(cluster.subject)
    argv[-1] = name
    options = f"{entering.options(cluster.subject.major)} -c timezone=UTC -c enable_seqscan=on"
    given = ["env", f"PGOPTIONS={options}", "PGCLIENTENCODING=UTF8", *argv]
    return checked(given, cluster.shell.run(given, text.encode(), timeout=20.0)).out.strip()


def seen(cluster: Cluster, name: str) -> dict[str, str]:
    """Of each table in it count and digest of its rows, of a large object a digest, and where a sequence stands."""
    tables = (
        "FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'm') "
        "AND nspname !~ '^(pg_|information_schema)' ORDER BY nspname, relname"
    )
    names = operator(cluster, f"SELECT format('%I.%I', nspname, replace(relname, E'\\n', ' ')) {tables}", name)
    text = "'SELECT count(*), md5(string_agg(t::text, ''|'' ORDER BY t::text COLLATE \"C\")) FROM ONLY %I.%I AS t'"
    digests = operator(cluster, f"SELECT format({text}, nspname, relname) {tables} \\gexec", name)
    found = dict(zip(names.splitlines(), digests.splitlines(), strict=True))
    found["large object"] = operator(cluster, "SELECT md5(lo_get(4242))", name)
    found["sequence"] = operator(cluster, 'SELECT last_value, is_called FROM public."Odd Seq"', name)
    return found
