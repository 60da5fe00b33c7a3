"""What a load keeps and what it leaves out, on real PostgreSQL: rights, settings, comments and what a superuser made
come back; what nobody here may make is left out, and told at once, before and after."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from logical_world import World, built, on_disk, serving

from fleet import jobs
from fleet.logical import leaving
from fleet.models import Intent, Resource
from fleet.transports.base import checked
from tests.clusters import Cluster
from tests.localshell import ended

pytestmark = pytest.mark.django_db

RIGHTS = """
CREATE SCHEMA side;
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION side.g() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 2';
CREATE TABLE t (n int, "C d" text);
CREATE TABLE frozen (n int);
CREATE SEQUENCE side.s;
CREATE TYPE mood AS ENUM ('good', 'bad');
REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION side.g() FROM PUBLIC;
REVOKE USAGE ON TYPE mood FROM PUBLIC;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON frozen FROM CURRENT_USER;
GRANT SELECT ON t TO PUBLIC;
GRANT UPDATE ("C d") ON t TO PUBLIC;
GRANT USAGE ON SCHEMA side TO PUBLIC;
GRANT USAGE ON SEQUENCE side.s TO PUBLIC;
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA side REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE POLICY mine ON t FOR SELECT TO CURRENT_USER USING (n > 0);
CREATE POLICY less ON t AS RESTRICTIVE USING (n < 100);
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE t IS 'it''s "quoted" \\ and größe';
COMMENT ON SCHEMA public IS 'mine';
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with built() as cluster:
        yield cluster


@pytest.fixture
def world(cluster: Cluster, settings, tmp_path: Path) -> World:
    return on_disk(cluster, settings, tmp_path.name)


def load(world: World, resource: Resource, params: dict[str, object]) -> tuple[jobs.Look, Intent]:
    intent = world.intent(resource, dict(params))
    return ended(world.cluster.shell, world.start_load(resource, intent)), intent


def test_rights_come_back_as_they_were(world: World) -> None:
    shop, other = world.resource("shop"), world.resource("other")
    world.fill("shop", RIGHTS)
    before, backup = world.schema("shop"), world.taken(shop)
    world.fill("shop", "GRANT EXECUTE ON FUNCTION f() TO PUBLIC; REVOKE SELECT ON t FROM PUBLIC")
    world.fill("shop", "DROP POLICY less ON t; COMMENT ON TABLE t IS NULL")
    look, intent = load(world, shop, {"backup": backup.name})
    assert look.job == jobs.DONE, look.why
    assert world.told(intent) == []
    assert world.schema("shop") == before
    look, intent = load(world, other, {"backup": backup.name, "across_customers": True})
    assert look.job == jobs.DONE, look.why
    assert world.told(intent) == []
    assert world.schema("other") == before
    owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname IN ('t', 'frozen', 's')"
    assert world.sees("other", owners) == [[("other",)]]


def test_the_right_to_come_in_stays_what_it_was(world: World) -> None:
    shop = world.resource("shop")
    world.fill("shop", "REVOKE TEMPORARY ON DATABASE shop FROM CURRENT_USER")
    world.fill("shop", "ALTER DATABASE shop CONNECTION LIMIT 3; COMMENT ON DATABASE shop IS 'my shop'")
    backup = world.taken(shop)
    held = (
        "SELECT ARRAY(SELECT unnest(datacl)::text ORDER BY 1), datconnlimit, datistemplate,"
        " shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'shop'"
    )
    world.fill("shop", "ALTER DATABASE shop IS_TEMPLATE true")
    before = world.cluster.sql(held)
    look, _intent = load(world, shop, {"backup": backup.name})
    assert look.job == jobs.DONE, look.why
    assert world.cluster.sql(held) == before
    assert world.databases() == []
    world.cluster.drop("shop")
    assert world.cluster.sql("SELECT count(*) FROM pg_database WHERE datname ~ 'shop'") == "0"


def test_settings_come_along_and_those_of_the_database_itself_stay(world: World) -> None:
    shop, other = world.resource("shop"), world.resource("other")
    world.fill("shop", "ALTER DATABASE shop SET \"DateStyle\" = 'SQL, DMY'; ALTER DATABASE shop SET work_mem = '5MB'")
    world.fill("shop", 'ALTER ROLE shop IN DATABASE shop SET search_path = "Odd, one", public')
    world.cluster.sql("ALTER DATABASE shop SET log_min_duration_statement = 100; ALTER DATABASE shop SET jit = off")
    world.cluster.sql("ALTER DATABASE shop SET zero_damaged_pages = on")
    backup = world.taken(shop)
    world.fill("other", "ALTER DATABASE other SET work_mem = '9MB'")
    look, intent = load(world, other, {"backup": backup.name, "across_customers": True})
    assert look.job == jobs.DONE, look.why
    database = "(SELECT oid FROM pg_database WHERE datname = 'other')"
    held = f"SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setdatabase = {database}"
    assert sorted(world.cluster.sql(held).splitlines()) == [
        "DateStyle=SQL, DMY",
        "jit=off",
        "log_min_duration_statement=100",
        'search_path="Odd, one", public',
        "work_mem=9MB",
    ]
    assert len(world.told(intent)) == 1
    assert "zero_damaged_pages" in world.told(intent)[0]


def test_what_an_operator_made_for_a_customer_comes_back(world: World) -> None:
    shop, other = world.resource("shop"), world.resource("other")
    world.fill("shop")
    world.fill("shop", "CREATE SCHEMA tools; CREATE EXTENSION hstore SCHEMA tools")
    world.cluster.sql(
        "CREATE EXTENSION pg_buffercache; CREATE EXTENSION earthdistance CASCADE;"
        "CREATE EXTENSION pg_stat_statements SCHEMA tools",
        "shop",
    )
    world.fill("shop", "CREATE TABLE places (n int, at public.earth, more tools.hstore)")
    backup, before = world.taken(shop), world.schema("shop")
    for target in (shop, other):
        look, intent = load(world, target, {"backup": backup.name, "across_customers": True})
        assert look.job == jobs.DONE, look.why
        assert all(told.startswith("comment on an extension") for told in world.told(intent))
        assert world.schema(target.dbname) == before
        assert world.sees(target.dbname) == world.sees("shop")


OUTSIDE = """
CREATE SCHEMA extensions;
CREATE EXTENSION pg_stat_statements SCHEMA extensions;
CREATE EXTENSION postgres_fdw;
COMMENT ON EXTENSION plpgsql IS 'made anew';
CREATE TABLE t (n int PRIMARY KEY, v text) TABLESPACE elsewhere;
INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 300) AS n;
CREATE TABLE guarded (n int);
INSERT INTO guarded SELECT generate_series(1, 10);
GRANT SELECT ON guarded TO PUBLIC;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON guarded USING (true);
CREATE POLICY fewer ON guarded AS RESTRICTIVE FOR SELECT TO app, authenticated USING (n = 1);
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON t TO authenticated USING (true);
GRANT SELECT ON t TO authenticated;
REVOKE SELECT ON t FROM app;
ALTER TABLE t OWNER TO app;
CREATE FUNCTION open() RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION open() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION open() TO authenticated;
ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO authenticated;
CREATE FUNCTION on_drop() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER dropped ON sql_drop EXECUTE FUNCTION on_drop();
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION part_of_it FOR TABLE t;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'far.example');
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'u', password 'not-to-be-told');
CREATE FOREIGN TABLE afar (n int) SERVER far;
CREATE VIEW far_rows AS SELECT n FROM afar;
CREATE FUNCTION native(int) RETURNS int LANGUAGE internal STRICT AS 'int4abs';
CREATE SUBSCRIPTION sub CONNECTION 'host=far.example password=not-to-be-told' PUBLICATION p
    WITH (connect = false, slot_name = NONE, enabled = false);
"""
LEFT_OUT = (
    "event trigger: dropped",
    "extension: postgres_fdw",
    "comment on an extension",
    "foreign server: CREATE SERVER far",
    "user mapping: CREATE USER MAPPING",
    "foreign table: CREATE FOREIGN TABLE public.afar",
    "publication: everything",
    "policy: CREATE POLICY p ON public.t",
    "policy: CREATE POLICY fewer ON public.guarded",
    "subscription: sub",
    'role "authenticated" does not exist',
    "function: CREATE FUNCTION public.native",
    "view: CREATE VIEW public.far_rows",
)


def elsewhere(world: World, form: tuple[str, ...], to: Path) -> None:
    """A dump of a database that a superuser made elsewhere, with roles that are not here."""
    sql, subject = world.cluster.sql, world.cluster.subject
    space = Path(subject.home, "elsewhere")
    checked(["mkdir"], world.cluster.shell.run(["mkdir", "-p", str(space)]))
    sql("CREATE ROLE app; CREATE ROLE authenticated; CREATE DATABASE away OWNER app")
    sql(f"CREATE TABLESPACE elsewhere LOCATION '{space}'")
    sql(OUTSIDE, "away")
    argv = [f"{subject.bin}/pg_dump", "-h", subject.socket, "-p", str(subject.port), "-U", "postgres", *form, "away"]
    put = ["sh", "-c", '"$@" > dumped', "herdsite", *argv]
    checked(put, world.cluster.shell.run(put, timeout=60))
    to.write_bytes(Path(subject.home, "dumped").read_bytes())
    sql("ALTER SUBSCRIPTION sub SET (slot_name = NONE); DROP SUBSCRIPTION sub", "away")
    sql("DROP DATABASE away")
    sql("DROP TABLESPACE elsewhere")
    sql("DROP ROLE app, authenticated")


@pytest.mark.parametrize("form", [("-Fc",), ("-Fp",), ("-Fp", "-C", "--clean", "--if-exists")], ids=" ".join)
def test_all_that_is_left_out_is_told_at_once_before_and_after(world: World, tmp_path: Path, form) -> None:
    shop = world.resource("shop")
    world.fill("shop", "CREATE TABLE old (n int)")
    elsewhere(world, form, tmp_path / "dump")
    with serving(tmp_path) as address:
        params = {"url": f"{address}/dump"}
        look, intent = load(world, shop, params | {"check": True})
        assert look.job == jobs.DONE, look.why
        will = world.told(intent, leaving.WILL)
        assert world.sees("shop", "SELECT to_regclass('old')") == [[("old",)]], "it was only tried"
        look, intent = load(world, shop, params)
    assert look.job == jobs.DONE, look.why
    left = world.told(intent)
    for words in LEFT_OUT:
        assert any(words in told for told in will), (words, will)
        assert any(words in told for told in left), (words, left)
    assert "not-to-be-told" not in " ".join(left + will)
    assert sorted(left) == sorted(will)
    assert world.sees("shop", "SELECT count(*), max(v) FROM t;\nSELECT count(*) FROM guarded") == [
        [(300, "row 99")],
        [(10,)],
    ]
    assert world.databases() == []
    assert world.cluster.sql("SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'", "shop") == "1"
    # What row security hides stays hidden; what was closed to others stays closed.
    cluster = world.cluster
    cluster.sql("CREATE ROLE stranger LOGIN PASSWORD 'stranger-secret'; GRANT CONNECT ON DATABASE shop TO stranger")
    try:
        with cluster.connect("stranger", "stranger-secret", "shop") as session:
            assert session.execute("SELECT count(*) FROM guarded").fetchone() == (0,)
            allowed = "SELECT has_table_privilege('t', 'SELECT'), has_function_privilege('open()', 'EXECUTE')"
            assert session.execute(allowed).fetchone() == (False, False)
        secure = "SELECT bool_and(relrowsecurity) FROM pg_class WHERE relname IN ('t', 'guarded')"
        assert cluster.sql(secure, "shop") == "t"
    finally:
        cluster.sql("DROP OWNED BY stranger", "shop")
        cluster.sql("DROP OWNED BY stranger; DROP ROLE stranger")


def test_what_must_not_be_left_out_is_told_at_once_and_nothing_is_loaded(world: World, tmp_path: Path) -> None:
    """A table that needs a type of an extension that can't be had; two of them, so that both are told."""
    shop, sql, subject = world.resource("shop"), world.cluster.sql, world.cluster.subject
    world.fill("shop")
    before = world.sees("shop")[:2]
    sql("CREATE DATABASE away")
    sql(
        "CREATE TYPE shell; CREATE FUNCTION i(cstring) RETURNS shell LANGUAGE internal STRICT IMMUTABLE AS 'int4in'",
        "away",
    )
    sql("CREATE FUNCTION o(shell) RETURNS cstring LANGUAGE internal STRICT IMMUTABLE AS 'int4out'", "away")
    sql(
        "CREATE TYPE shell (INPUT = i, OUTPUT = o, LIKE = int4);CREATE TABLE one (v shell); CREATE TABLE two (v shell)",
        "away",
    )
    argv = [
        f"{subject.bin}/pg_dump",
        "-h",
        subject.socket,
        "-p",
        str(subject.port),
        "-U",
        "postgres",
        "-Fc",
        "-f",
        "dumped",
    ]
    checked(argv, world.cluster.shell.run([*argv, "away"], timeout=60))
    sql("DROP DATABASE away")
    (tmp_path / "dump").write_bytes(Path(subject.home, "dumped").read_bytes())
    with serving(tmp_path) as address:
        look, intent = load(world, shop, {"url": f"{address}/dump"})
    assert look.job == jobs.FAILED
    told = " ".join(world.told(intent, leaving.OBSTACLE))
    assert "CREATE TABLE public.one" in told and "CREATE TABLE public.two" in told
    assert world.sees("shop")[:2] == before
    assert world.databases() == []
