"""The Sql's contract, on the fake and on a real PostgreSQL; what is about the wire, on the real one only."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Thread

import pytest
from realpostgres import PASSWORD
from sshd import free_port

from fleet.transports.base import Database, Refused, TransportError, Unreachable
from fleet.transports.fake import FakeSql, World
from fleet.transports.sql import failure

TYPES = "SELECT 7 AS n, true AS yes, 'ü' AS word, 1.5::float8 AS f, 1.5 AS d, NULL AS nothing"
TYPED = {"n": 7, "yes": True, "word": "ü", "f": 1.5, "d": Decimal("1.5"), "nothing": None}
ANSWERS = {TYPES: [TYPED], "SELECT 2 AS two": [{"two": 2}], "SELECT 1 WHERE false": []}


class FakePostgres:
    """A World with one database, that answers what the contract asks."""

    database = Database("192.0.2.1", 5432, "postgres", "looker", PASSWORD)

    def __init__(self) -> None:
        self.world = World()
        self.world.serve(self.database, ANSWERS)
        self.sql = FakeSql(self.world)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self.world.delay("192.0.2.1:5432", float("inf"))
        yield
        self.world.heal("192.0.2.1:5432")


@pytest.fixture(params=["fake", "postgres"])
def rig(request):
    return FakePostgres() if request.param == "fake" else request.getfixturevalue("postgres")


def error_of(sql, database, *statements, timeout=2.0):
    """What a look raises, in a thread of its own that has to end long before this gives up, at half a minute."""
    raised = []

    def look():
        try:
            sql.fetch(database, statements or ["SELECT 2 AS two"], timeout=timeout)
        except TransportError as error:
            raised.append(error)

    thread = Thread(target=look, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "the deadline did not hold"
    (error,) = raised
    for text in (str(error), repr(error)):
        assert PASSWORD not in text
        assert not database.password or database.password not in text
        assert "\n" not in str(error)
    return type(error), getattr(error, "code", "")


class TestAnswers:
    def test_rows_are_dicts_of_plain_python(self, rig):
        ((row,),) = rig.sql.fetch(rig.database, [TYPES])
        assert row == TYPED
        assert [type(value) for value in row.values()] == [type(value) for value in TYPED.values()]

    def test_each_statement_has_its_rows(self, rig):
        answers = rig.sql.fetch(rig.database, [TYPES, "SELECT 1 WHERE false", "SELECT 2 AS two"])
        assert answers == [[TYPED], [], [{"two": 2}]]

    def test_comments_and_semicolons_do_not_run_into_the_next(self, postgres):
        statements = ["SELECT 1 AS a -- one", "SELECT 2 AS b;", "SELECT ';' AS c"]
        assert postgres.sql.fetch(postgres.database, statements) == [[{"a": 1}], [{"b": 2}], [{"c": ";"}]]

    def test_times_and_lists(self, postgres):
        text = "SELECT '2026-02-03 04:05:06+00'::timestamptz AS t, '1 day 2 s'::interval AS i, '{a,b}'::text[] AS l"
        ((row,),) = postgres.sql.fetch(postgres.database, [text])
        assert row == {"t": datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC), "i": timedelta(1, 2), "l": ["a", "b"]}

    def test_one_connection_one_transaction(self, postgres):
        text = "SELECT pg_backend_pid() AS pid, txid_current_snapshot()::text AS seen, now() AS begun"
        first, second = postgres.sql.fetch(postgres.database, [text, text])
        assert first == second

    def test_a_big_answer(self, postgres):
        (rows,) = postgres.sql.fetch(postgres.database, ["SELECT repeat('x', 1000) AS x FROM generate_series(1, 4000)"])
        assert rows == [{"x": "x" * 1000}] * 4000

    def test_notices_are_not_an_answer(self, postgres, capfd):
        do = "DO $$BEGIN RAISE WARNING 'noise'; END$$"
        assert postgres.sql.fetch(postgres.database, [do, "SELECT 2 AS two"]) == [[], [{"two": 2}]]
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("statements", [["SELECT 1; SELECT 2"], [], ["COPY (SELECT 1) TO STDOUT"]])
    def test_what_is_not_one_statement_each_is_a_mistake_of_ours(self, postgres, statements):
        with pytest.raises(ValueError, match="statement"):
            postgres.sql.fetch(postgres.database, statements)


class TestRefusals:
    def test_wrong_password(self, rig):
        assert error_of(rig.sql, replace(rig.database, password="wrong")) == (Refused, "28P01")

    def test_no_password(self, rig):
        assert error_of(rig.sql, replace(rig.database, password="")) == (Refused, "28P01")

    def test_unknown_database(self, rig):
        assert error_of(rig.sql, replace(rig.database, dbname="nowhere")) == (Refused, "3D000")

    @pytest.mark.parametrize(
        ("statement", "code"),
        [("SELEC", "42601"), ("SELECT 1/0", "22012"), (f"SELECT $${PASSWORD}$$::int", "22P02"), ("SELECT x", "42703")],
    )
    def test_a_failed_statement_has_its_sqlstate(self, postgres, statement, code):
        assert error_of(postgres.sql, postgres.database, statement) == (Refused, code)

    def test_an_error_loses_the_answers_of_all(self, postgres):
        assert error_of(postgres.sql, postgres.database, "SELECT 2 AS two", "SELECT 1/0") == (Refused, "22012")

    def test_a_value_that_python_has_no_word_for(self, postgres):
        assert error_of(postgres.sql, postgres.database, "SELECT 'infinity'::timestamp") == (Refused, "22000")

    def test_nothing_is_written_by_a_look(self, rig):
        assert error_of(rig.sql, rig.database, "INSERT INTO public.kept VALUES (1)") == (Refused, "25006")

    def test_writing_is_asked_for(self, postgres):
        write, count = "INSERT INTO public.kept VALUES (1)", "SELECT count(*) AS n FROM public.kept"
        before, _, after = postgres.sql.fetch(postgres.database, [count, write, count], read_only=False)
        assert after[0]["n"] == before[0]["n"] + 1

    def test_too_many_connections(self, postgres):
        limit = "ALTER ROLE looker CONNECTION LIMIT"
        postgres.sql.fetch(postgres.admin, [f"{limit} 0"], read_only=False)
        try:
            assert error_of(postgres.sql, postgres.database) == (Refused, "53300")
        finally:
            postgres.sql.fetch(postgres.admin, [f"{limit} -1"], read_only=False)

    @pytest.mark.parametrize(
        ("said", "meant"),
        [
            ("FATAL:  the database system is starting up", (Refused, "57P03")),
            ("FATAL:  sorry, too many clients already", (Refused, "53300")),
            ('FATAL:  role "x" does not exist', (Refused, "28000")),
            ('FATAL:  no pg_hba.conf entry for host "192.0.2.1", user "x", database "y"', (Refused, "28000")),
            ("FATAL:  nobody has heard this before", (Refused, "08004")),
            ("FATAL:  terminating connection due to administrator command", (Unreachable, "")),
        ],
    )
    def test_what_a_server_says_at_the_door(self, said, meant):
        text = f'connection to server at "192.0.2.1", port 5432 failed: {said}\n'
        error = failure(FakePostgres.database, text, answered=True)
        assert (type(error), getattr(error, "code", "")) == meant
        assert str(error) == f"looker@192.0.2.1:5432/postgres: {said}"

    def test_tls_is_used(self, postgres):
        text = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert postgres.sql.fetch(postgres.database, [text]) == [[{"ssl": True}]]
        assert postgres.sql.fetch(replace(postgres.database, sslmode="disable"), [text]) == [[{"ssl": False}]]

    def test_a_server_without_tls_is_refused_where_tls_is_required(self, postgres_without_tls):
        rig = postgres_without_tls
        assert rig.sql.fetch(rig.database, ["SELECT 2 AS two"]) == [[{"two": 2}]]
        assert error_of(rig.sql, replace(rig.database, sslmode="require")) == (Refused, "08004")


class TestSilence:
    def test_nobody_listens(self, rig):
        assert error_of(rig.sql, replace(rig.database, port=free_port())) == (Unreachable, "")

    def test_no_such_name(self, postgres):
        assert error_of(postgres.sql, replace(postgres.database, address="nobody.invalid")) == (Unreachable, "")

    def test_a_frozen_server(self, rig):
        with rig.frozen():
            assert error_of(rig.sql, rig.database, timeout=0.5) == (Unreachable, "")
        assert rig.sql.fetch(rig.database, ["SELECT 2 AS two"]) == [[{"two": 2}]]

    def test_a_backend_that_freezes_in_a_statement(self, postgres):
        found = []
        text = "SELECT pg_sleep(60)"
        look = Thread(target=lambda: found.append(error_of(postgres.sql, postgres.database, text, timeout=4)))
        look.start()
        with postgres.frozen_backend():
            look.join(30)
        assert found == [(Unreachable, "")]

    def test_a_slow_statement_is_told_from_a_frozen_server(self, postgres):
        assert error_of(postgres.sql, postgres.database, "SELECT pg_sleep(60)") == (Refused, "57014")

    def test_a_server_that_goes_away_in_a_statement(self, postgres):
        text = "SELECT pg_terminate_backend(pg_backend_pid())"
        assert error_of(postgres.sql, postgres.database, text) == (Unreachable, "")

    @pytest.mark.parametrize("sslmode", ["require", "prefer", "disable"])
    def test_somebody_who_hangs_up(self, postgres, sslmode):
        with socket.create_server(("127.0.0.1", 0)) as server:
            closing = Thread(target=lambda: [server.accept()[0].close() for _ in range(1 + (sslmode == "prefer"))])
            closing.daemon = True
            closing.start()
            database = replace(postgres.database, port=server.getsockname()[1], sslmode=sslmode)
            assert error_of(postgres.sql, database) == (Unreachable, "")

    def test_a_host_name_is_looked_up(self, postgres):
        database = replace(postgres.database, address="localhost")
        assert postgres.sql.fetch(database, ["SELECT 2 AS two"]) == [[{"two": 2}]]
