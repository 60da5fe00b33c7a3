"""What the table of a load's omissions says of statements, and how that is told."""

import re
import shutil
import subprocess

import pytest

from fleet.logical import leaving, reading

ERROR = "ERROR:  {state}: {message}\nLOCATION:  f, c.c:1\nSTATEMENT:  {statement}\n"


def judged(tmp_path, text: str, again: str = "", also: str = "") -> list[list[str]]:
    """What the host makes of what psql said."""
    (tmp_path / "rules").write_text(leaving.rules())
    (tmp_path / "again").write_text("")
    words = {"rules": tmp_path / "rules", "again": again, "retried": tmp_path / "again", "stop": "", "also": also}
    argv = ["awk", *(word for name, value in words.items() for word in ("-v", f"{name}={value}")), reading.JUDGE]
    out = subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def one(tmp_path, state: str, statement: str, message: str = "no") -> str:
    (line,) = judged(tmp_path, ERROR.format(state=state, message=message, statement=statement))
    return line[0]


@pytest.mark.parametrize(
    ("state", "statement"),
    [
        ("42501", "CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION f();"),
        ("42704", "ALTER TABLE public.t OWNER TO app;"),
        ("42704", "GRANT SELECT ON TABLE t TO app;"),
        ("42704", "CREATE POLICY p ON t TO app USING (true);"),
        ("42501", "CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p;"),
        ("42P06", "CREATE SCHEMA public;"),
        ("22023", "SET default_tablespace = fast;"),
        ("0A000", 'CREATE EXTENSION IF NOT EXISTS "postgis" WITH SCHEMA public;'),
        ("42P01", "CREATE MATERIALIZED VIEW v AS\n SELECT 1 FROM far;"),
    ],
)
def test_what_is_in_the_table_may_be_left_out(tmp_path, state: str, statement: str) -> None:
    assert one(tmp_path, state, statement) == "left"


@pytest.mark.parametrize(
    ("state", "statement"),
    [
        ("42704", "CREATE TABLE t (a geometry);"),
        ("42P01", "COPY public.t (a) FROM stdin;"),
        ("22P02", "COPY public.t (a) FROM stdin;"),
        ("23505", "ALTER TABLE ONLY t ADD CONSTRAINT t_pkey PRIMARY KEY (a);"),
        ("42501", "ALTER TABLE t ENABLE ROW LEVEL SECURITY;"),
        ("42704", "CREATE UNIQUE INDEX i ON t USING btree (a public.ops);"),
        ("23503", "ALTER TABLE ONLY t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u(a);"),
        ("42704", "CREATE DOMAIN d AS geometry;"),
        ("42P01", "INSERT INTO t VALUES (1);"),
        ("42P01", "SELECT pg_catalog.setval('s', 1);"),
        ("53100", "GRANT SELECT ON TABLE t TO app;"),
    ],
)
def test_rows_and_what_guards_them_may_not(tmp_path, state: str, statement: str) -> None:
    assert one(tmp_path, state, statement) == "bad"


def test_an_error_without_its_statement_and_a_command_of_psql_are_no_omissions(tmp_path) -> None:
    text = "ERROR:  42501: no\nbackslash commands are restricted; only \\unrestrict is allowed\n"
    assert [line[0] for line in judged(tmp_path, text)] == ["bad", "bad"]


def test_nothing_secret_of_a_statement_is_told(tmp_path) -> None:
    statements = (
        "CREATE SUBSCRIPTION s CONNECTION 'host=x password=hidden' PUBLICATION p;",
        "CREATE USER MAPPING FOR u SERVER s OPTIONS (\n    password 'hidden'\n);",
        "CREATE FUNCTION f() RETURNS text LANGUAGE c AS $_$hidden$_$;",
    )
    text = "".join(ERROR.format(state="42501", message="no", statement=statement) for statement in statements)
    lines = judged(tmp_path, text)
    assert len(lines) == 3
    assert "hidden" not in str(lines)


def test_what_fails_alike_is_told_once_with_how_often(tmp_path) -> None:
    message = 'role "anon" does not exist'
    text = "".join(
        ERROR.format(state="42704", message=message, statement=f"GRANT SELECT ON TABLE t{n} TO anon;") for n in range(3)
    )
    log = "".join("left=" + "\t".join(line[1:]) + "\n" for line in judged(tmp_path, text))
    (told,) = leaving.told(log, leaving.LEFT)
    assert told == f"privilege: GRANT SELECT ON TABLE t0 TO anon; and 2 more ({message}; the role does not exist here)"
    assert leaving.told(log, leaving.WILL) == []


def test_what_goes_with_the_rights_is_kept_whole_for_later(tmp_path) -> None:
    statement = "CREATE POLICY p ON t TO app\n USING ((a = 'x;y'))"
    assert judged(tmp_path, ERROR.format(state="42704", message="no", statement=f"{statement};"), leaving.AGAIN) == []
    assert (tmp_path / "again").read_text() == f"{statement};\n"


def named(tmp_path, text: str, theirs: str = "app", held: str = "") -> str:
    (tmp_path / "set").write_text(held)
    words = {"theirs": theirs, "owner": '"shop"', "fresh": '"new"', "set": tmp_path / "set"}
    argv = ["awk", *(word for name, value in words.items() for word in ("-v", f"{name}={value}")), reading.NAMING]
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("GRANT SELECT ON TABLE t TO app;", 'GRANT SELECT ON TABLE t TO "shop";'),
        ("GRANT SELECT ON TABLE app TO PUBLIC;", "GRANT SELECT ON TABLE app TO PUBLIC;"),
        ("REVOKE ALL ON FUNCTION f(a text) FROM app;", 'REVOKE ALL ON FUNCTION f(a text) FROM "shop";'),
        ("GRANT ALL ON SCHEMA s TO app WITH GRANT OPTION;", 'GRANT ALL ON SCHEMA s TO "shop" WITH GRANT OPTION;'),
        ('GRANT SELECT ON TABLE "to app;" TO other;', 'GRANT SELECT ON TABLE "to app;" TO other;'),
        ('GRANT SELECT ON TABLE "two\nlines" TO app;', 'GRANT SELECT ON TABLE "two\nlines" TO "shop";'),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA s GRANT SELECT ON TABLES TO app;",
            'ALTER DEFAULT PRIVILEGES FOR ROLE "shop" IN SCHEMA s GRANT SELECT ON TABLES TO "shop";',
        ),
        (
            "CREATE POLICY p ON s.t FOR ALL TO app USING (true);",
            'CREATE POLICY p ON s.t FOR ALL TO "shop" USING (true);',
        ),
        ("CREATE POLICY p ON t TO app, b USING (true);", 'CREATE POLICY p ON t TO "shop", b USING (true);'),
        ("CREATE POLICY p ON t USING (a = ' TO app ');", "CREATE POLICY p ON t USING (a = ' TO app ');"),
        ("ALTER DATABASE away SET work_mem TO '5MB';", "ALTER DATABASE \"new\" SET work_mem TO '5MB';"),
        (
            "ALTER ROLE app IN DATABASE away SET jit TO 'off';",
            'ALTER ROLE "shop" IN DATABASE "new" SET jit TO \'off\';',
        ),
        ("COMMENT ON DATABASE away IS 'one\ntwo';", "COMMENT ON DATABASE \"new\" IS 'one\ntwo';"),
    ],
)
def test_roles_and_database_get_the_names_that_they_have_here(tmp_path, before: str, after: str) -> None:
    assert named(tmp_path, f"SET x = 1;\n{before}\n\n-- end\n") == f"{after}\n"


def test_a_quote_within_a_text_or_a_name_ends_no_statement_late(tmp_path) -> None:
    text = (
        "ALTER DATABASE away SET search_path TO 'Odd \" One', 'x';\nALTER DATABASE away SET jit TO 'off';\n"
        'GRANT SELECT ON TABLE "it\'s" TO app;\nGRANT SELECT ON TABLE t TO app;\n'
    )
    assert named(tmp_path, text).splitlines() == [
        "ALTER DATABASE \"new\" SET search_path TO 'Odd \" One', 'x';",
        "ALTER DATABASE \"new\" SET jit TO 'off';",
        'GRANT SELECT ON TABLE "it\'s" TO "shop";',
        'GRANT SELECT ON TABLE t TO "shop";',
    ]


def test_what_the_database_has_set_itself_stays(tmp_path) -> None:
    text = "ALTER DATABASE away SET \"DateStyle\" TO 'SQL';\nALTER ROLE app IN DATABASE away SET jit TO 'off';\n"
    assert named(tmp_path, text, held="database:DateStyle\nrole:jit\n") == ""
    assert named(tmp_path, "ALTER DATABASE away IS_TEMPLATE = true;\n") == ""


def test_a_policy_that_hides_rows_is_closed_by_its_own_name() -> None:
    text = 'CREATE POLICY "a b" ON s."t ON" AS RESTRICTIVE FOR SELECT TO app USING ((n = 1));\nCREATE POLICY p ON t;\n'
    out = subprocess.run(["awk", reading.CLOSING], input=text, capture_output=True, text=True, check=True).stdout
    assert out == 'CREATE POLICY "a b" ON s."t ON" AS RESTRICTIVE USING (false);\n'


def test_every_row_of_the_table_is_an_expression_that_awk_knows() -> None:
    assert shutil.which("awk")
    for row in leaving.TABLE:
        assert re.compile(row.begins)
        assert row.what and row.because
