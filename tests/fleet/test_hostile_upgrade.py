"""No right of ours runs a customer's code while a cluster gets another major version: pg_upgrade restores every schema
as the superuser, and what it would run meanwhile is found before, named, and refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.jobs import DONE, FAILED, Look
from fleet.postgres import commands, control
from fleet.postgres.statements import statement
from tests.clusters import MAJORS, PROGRAMS, SIZING, Cluster, serving
from tests.hostile import CONTENT, GENERATED, STRIKE, harmless, spoil
from tests.localshell import ended
from tests.sessions import NotingShell, check

EVE = "eve-secret"
PAIRS = list(zip(MAJORS, MAJORS[1:], strict=False))
BAD = "CREATE DOMAIN evil.bad AS int CHECK (evil.bite(VALUE) = VALUE)"

# What PostgreSQL runs as it restores a schema, each in a schema of its own that stands for `evil`.
PLAIN = {
    "generated": "CREATE TABLE t (a int, g int GENERATED ALWAYS AS (evil.bite(1)) STORED)",
    "nested": "CREATE TABLE t (a int, g int GENERATED ALWAYS AS (a + evil.bite(1 + 1)) STORED)",
    "nulled": "CREATE TABLE t (a text, g boolean GENERATED ALWAYS AS (evil.bite(a || NULL)) STORED)",
    "inlined": """CREATE FUNCTION evil.over(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + evil.bite(1)';
        CREATE TABLE t (a int, g int GENERATED ALWAYS AS (evil.over(a)) STORED)""",
    "quoted": """CREATE FUNCTION evil."b""q"(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
            'BEGIN PERFORM evil.strike(); RETURN 1; END';
        CREATE FUNCTION evil.over(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + evil."b""q"(1)';
        CREATE TABLE t (a int, g int GENERATED ALWAYS AS (evil.over(a)) STORED)""",
    "escaped": r"""CREATE FUNCTION evil.over(int) RETURNS int LANGUAGE sql IMMUTABLE AS
            'SELECT $1 + evil.U&"\0062ite"(1)';
        CREATE TABLE t (a int, g int GENERATED ALWAYS AS (evil.over(a)) STORED)""",
    "emptied": """CREATE FUNCTION evil.none(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT NULL::int';
        CREATE TABLE t (a int, g int GENERATED ALWAYS AS (evil.bite(evil.none(a))) STORED)""",
    "omitted": """CREATE FUNCTION evil.more(int, int DEFAULT evil.bite(1)) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
            'BEGIN RETURN 1; END';
        CREATE TABLE t (a int, g int GENERATED ALWAYS AS (evil.more(a)) STORED)""",
    "owned": """CREATE EXTENSION citext SCHEMA public;
        ALTER EXTENSION citext ADD FUNCTION evil.bite(int);
        CREATE TABLE t (a int, g int GENERATED ALWAYS AS (evil.bite(1)) STORED)""",
    "parted": "CREATE TABLE t (a int) PARTITION BY RANGE ((a + evil.bite(1)))",
    "attached": """CREATE TABLE t (a int) PARTITION BY RANGE (a);
        CREATE TABLE one PARTITION OF t (CHECK (evil.bite(1) = 1)) FOR VALUES FROM (0) TO (9)""",
    "inherited": "CREATE TABLE t (a int CHECK (a > evil.bite(1))); CREATE TABLE one (b int) INHERITS (t)",
    "looped": """CREATE TABLE t (a int);
        CREATE FUNCTION evil.row(t) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT evil.bite(1) = 1';
        ALTER TABLE t ADD CHECK (evil.row(t))""",
    "indexed": """CREATE TABLE t (a int PRIMARY KEY); CREATE INDEX ON t ((a + evil.bite(1)));
        CREATE TABLE one (a int REFERENCES t)""",
    "filtered": """CREATE TABLE t (a int PRIMARY KEY); CREATE INDEX ON t (a) WHERE a > evil.bite(1);
        CREATE TABLE one (a int REFERENCES t)""",
    "split": """CREATE TABLE t (a int) PARTITION BY RANGE (a);
        CREATE TABLE one PARTITION OF t FOR VALUES FROM (0) TO (9); CREATE INDEX ON t ((a + evil.bite(1)))""",
    "measured": """CREATE TABLE t (a int PRIMARY KEY); CREATE STATISTICS s ON (a + evil.bite(1)), a FROM t;
        CREATE TABLE one (a int REFERENCES t)""",
}
TYPED = {
    "casted": """CREATE TYPE evil.c AS (a int);
        CREATE FUNCTION evil.cast(evil.c) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
            'BEGIN PERFORM evil.strike(); RETURN 1; END';
        CREATE CAST (evil.c AS int) WITH FUNCTION evil.cast(evil.c) AS IMPLICIT;
        CREATE TABLE t (a int, g int GENERATED ALWAYS AS (ROW(1)::evil.c::int) STORED)""",
    "operated": """CREATE FUNCTION evil.add(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
            'BEGIN PERFORM evil.strike(); RETURN 1; END';
        CREATE OPERATOR evil.## (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.add);
        CREATE TABLE t (a int, g int GENERATED ALWAYS AS (a + (1 OPERATOR(evil.##) 2)) STORED)""",
    "domained": """CREATE DOMAIN evil.domained AS int; CREATE TABLE t (d evil.domained);
        CREATE FUNCTION evil.of(evil.domained) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT evil.bite(1) = 1';
        ALTER DOMAIN evil.domained ADD CHECK (evil.of(VALUE))""",
    "viewed": f"{BAD}; CREATE VIEW v AS SELECT '{{5}}'::evil.bad[] AS x",
    "ruled": f"{BAD}; CREATE TABLE t (a int); CREATE RULE r AS ON INSERT TO t DO ALSO SELECT '{{5}}'::evil.bad[]",
    "defaulted": f"{BAD}; CREATE TABLE t (a evil.bad[] DEFAULT '{{5}}')",
    "given": f"""{BAD}; CREATE FUNCTION evil.z(evil.bad[] DEFAULT '{{5}}') RETURNS int LANGUAGE sql AS 'SELECT 1'""",
    "atomic": f"""{BAD}; CREATE FUNCTION evil.z() RETURNS evil.bad[] LANGUAGE sql RETURN '{{5}}'::evil.bad[]""",
    "policied": f"{BAD}; CREATE TABLE t (a int); CREATE POLICY p ON t USING ('{{5}}'::evil.bad[] IS NOT NULL)",
    "triggered": f"""{BAD}; CREATE TABLE t (a int); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW
        WHEN ('{{5}}'::evil.bad[] IS NOT NULL) EXECUTE FUNCTION evil.on_row()""",
    "ranged": f"""{BAD}; CREATE TYPE evil.span AS RANGE (SUBTYPE = evil.bad, MULTIRANGE_TYPE_NAME = evil.spans);
        CREATE VIEW v AS SELECT '[1,2]'::evil.span AS x, '{{[1,2]}}'::evil.spans AS y""",
    "bounded": f"""{BAD}; CREATE TYPE evil.pair AS (d evil.bad); CREATE TABLE t (p evil.pair) PARTITION BY LIST (p);
        CREATE TABLE one PARTITION OF t FOR VALUES IN ('(5)')""",
    "queried": """CREATE DOMAIN evil.bad AS int CHECK
            (ts_rewrite('a', 'SELECT ''a''::tsquery, ''b''::tsquery WHERE evil.bite()') IS NOT NULL);
        CREATE VIEW v AS SELECT '{5}'::evil.bad[] AS x""",
    "indirect": f"""{BAD}; CREATE DOMAIN evil.worse AS text CHECK (VALUE::evil.bad[] IS NOT NULL);
        CREATE VIEW v AS SELECT '{{"{{5}}"}}'::evil.worse[] AS x""",
    "aggregated": f"""{BAD}; CREATE FUNCTION evil.add(evil.bad, int) RETURNS evil.bad LANGUAGE sql AS 'SELECT $1';
        CREATE AGGREGATE evil.sum(int) (SFUNC = evil.add, STYPE = evil.bad, INITCOND = '5')""",
    "missing": """CREATE DOMAIN evil.bad AS int; CREATE TABLE t (a int); INSERT INTO t VALUES (1);
        ALTER TABLE t ADD COLUMN d evil.bad DEFAULT 5;
        ALTER DOMAIN evil.bad ADD CHECK (evil.bite(VALUE) = VALUE)""",
}


def held(cluster: Cluster, database: str, cases: dict[str, str]) -> Path:
    """A database with all of these. Returns where they leave marks."""
    mark = cluster.shell.home / f"struck-{database}"
    cluster.create(database, EVE)
    with cluster.connect(database, EVE, database) as session:
        for name, text in cases.items():
            strike = STRIKE.replace("{mark}", str(mark)).replace("{owner}", database).replace("{name}", name)
            session.execute(f"CREATE SCHEMA {name}; SET search_path = {name}, public")
            session.execute((strike.partition(";")[2] + text).replace("evil.", f"{name}."))
    assert not mark.exists()
    return mark


def upgraded(cluster: Cluster, major: int, job: str) -> tuple[Cluster, Look]:
    new = replace(cluster.subject, major=major, bin=str(PROGRAMS[major]))
    control.upgrade(cluster.shell, new, job, cluster.subject.bin, SIZING, tls=False)
    return Cluster(cluster.shell, new), ended(cluster.shell, job)


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    shell = NotingShell()
    with serving(request.param, shell=shell) as made:
        yield made
        # An upgrade of the others is refused before pg_upgrade is come to.
        if request.param == PAIRS[-1][0]:
            check(shell, request)


@pytest.mark.parametrize(("cluster", "major"), PAIRS, indirect=["cluster"])
def test_what_would_run_is_found_and_nothing_of_it_runs(cluster: Cluster, major: int, monkeypatch) -> None:
    """And each would: without the refusal it does."""
    old = cluster.subject.major
    marks = []
    for database, cases in (("plain", PLAIN), ("typed", TYPED)):
        marks.append(held(cluster, database, cases))
        named = cluster.sql(statement("upgrade_runs", old), database).splitlines()
        missed = [name for name in cases if not any(f"{name}." in line or f" {name}_" in line for line in named)]
        assert not missed, named
    _new, look = upgraded(cluster, major, "refused")
    assert look.job == FAILED and "pg_upgrade would run functions of the customer in typed" in look.why
    assert not any(mark.exists() for mark in marks)
    if major == PAIRS[-1][1]:
        monkeypatch.setattr(commands, "statement", lambda *_which: "SELECT WHERE false")
        upgraded(cluster, major, "bare")
        struck = {line.split("\t")[2] for mark in marks for line in mark.read_text().splitlines()}
        assert struck == PLAIN.keys() | TYPED.keys()


# What is built like the above, and runs nothing.
HONEST = """
CREATE EXTENSION citext;
CREATE DOMAIN email AS text CHECK (VALUE ~ '@');
CREATE DOMAIN past AS timestamptz CHECK (VALUE <= now());
CREATE FUNCTION slug(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT lower($1)$$;
CREATE FUNCTION tidy(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN trim($1); END$$;
CREATE FUNCTION is_valid(text, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN true; END$$;
CREATE TABLE people (
    name varchar(20) CHECK (is_valid(name, 3)), word citext, mails email[] DEFAULT '{a@b,c@d}', born past,
    tidied text GENERATED ALWAYS AS (tidy(name)) STORED, shout text GENERATED ALWAYS AS (upper('x' || name)) STORED
);
CREATE INDEX ON people (slug(name));
CREATE INDEX ON people (tidy(lower(word::text)));
CREATE INDEX ON people (word) WHERE word <> 'none';
CREATE STATISTICS of_people ON tidy(name), word FROM people;
CREATE TABLE split (name text) PARTITION BY LIST (tidy(name));
CREATE TABLE split_one PARTITION OF split FOR VALUES IN ('a');
CREATE VIEW mails AS SELECT '{e@f}'::email[] AS mails;
INSERT INTO people (name, word, born) VALUES (' Anna ', 'Word', now());
"""


# Debian's 15 is a later release than the 17 here, and writes what that is too old to know (upgrading.too_old).
@pytest.mark.parametrize(("cluster", "major"), PAIRS[-1:], indirect=["cluster"])
def test_the_rest_of_a_hostile_content_is_upgraded_and_runs_nowhere(cluster: Cluster, major: int) -> None:
    """With what is gathered afterwards, and everything that pg_upgrade carries over."""
    cluster.create("honest", EVE)
    with cluster.connect("honest", EVE, "honest") as session:
        session.execute(HONEST)
        session.execute("ALTER TABLE people ADD COLUMN late text DEFAULT 'g@h'")
    cluster.create("eve", EVE)
    hostile = spoil(cluster, "eve", EVE, content=CONTENT.replace(GENERATED, ""))
    with hostile.session() as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute("INSERT INTO public.typed SELECT n % 3, '{1}' FROM generate_series(1, 300) AS n")
        session.execute("ANALYZE public.typed")
    new, look = upgraded(cluster, major, "upgrade")
    assert look == Look(DONE), look.why
    control.lead(new.shell, new.subject, {})
    harmless(replace(hostile, cluster=new))
    control.after_upgrade(new.shell, new.subject, "afterwards")
    assert ended(new.shell, "afterwards") == Look(DONE)
    harmless(replace(hostile, cluster=new))
    with new.connect("honest", EVE, "honest") as session:
        row = session.execute("SELECT tidied, shout, mails[2] FROM people WHERE slug(name) = ' anna '").fetchone()
        assert row == ("Anna", "X ANNA ", "c@d")
