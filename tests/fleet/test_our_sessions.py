"""Every session that we open on a host is known, and has been looked at beside a database that tries to get further."""

import ast
from pathlib import Path

import pytest

from tests import sessions
from tests.sessions import opens

# What goes by way of control.run_sql, into `postgres`, or of control.run_as_deputy.
CALLS = {
    "fleet/actions/changeover/prepare.py",
    "fleet/actions/changeover/upgrade.py",
    "fleet/actions/copying.py",
    "fleet/actions/drilling.py",
    "fleet/actions/parting.py",
    "fleet/postgres/control.py",
    "incidents/resolvers/free_connections.py",
    "incidents/resolvers/free_wal.py",
    "incidents/resolvers/retry_archive.py",
}
HOW = "python -m pytest tests/fleet/test_hostile*.py --write-sessions"


def hostile_tests() -> set[str]:
    return {
        node.name
        for path in Path(__file__).parent.glob("test_hostile*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_session_is_come_to_by_a_test_with_a_hostile_database() -> None:
    table = sessions.listed()
    assert {str(place) for place in sessions.places()} == table.keys(), (
        f"have a test come to it, and write it down: {HOW}"
    )
    assert [place for place, tests in table.items() if not tests & hostile_tests()] == []
    assert set().union(*table.values()) <= hostile_tests()


def test_no_program_that_logs_in_is_named_in_another_way() -> None:
    """But by what gives run_sql its command line."""
    assert [line.partition(":")[0] for line in sessions.unseen()] == ["fleet/postgres/commands.py"]


def test_what_has_sql_of_its_own_run_is_known() -> None:
    found = {call.partition(":")[0] for call in sessions.calls()}
    assert found == CALLS


@pytest.mark.parametrize(
    "line",
    [
        '"$bin/psql" -X -U postgres -d "$name" -c "SELECT 1"',
        '    found=$("$new/pg_dump" -d "$name")',
        '"$bin/vacuumdb" --all',
        '"${bin}/pg_restore" -d "$name" "$file"',
        '"$bin/postgres" --single -D "$data" "$name"',
        "superuser <<'SQL'",
        '    rows=$(superuser -c "SELECT 1")',
        'at=$(here "$name" "SELECT 1")',
        'far_side "SELECT 1"',
    ],
)
def test_a_session_is_found_however_it_is_opened(line: str) -> None:
    assert [found for _number, found, _before in opens([line])]


@pytest.mark.parametrize("line", ['"$bin/pg_restore" -f /dev/null "$file"', '# "$bin/psql" -c', "superuser() {"])
def test_what_opens_none_is_none(line: str) -> None:
    assert list(opens([line])) == []


def test_a_program_without_quotes_is_found_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet" / "other.py").write_text('SCRIPT = """\n/usr/bin/psql -c "SELECT 1"\n$bin/pg_dump x\n"""\n')
    monkeypatch.setattr(sessions, "ROOT", tmp_path)
    assert len(sessions.unseen()) == 2
