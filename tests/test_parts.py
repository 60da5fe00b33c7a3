"""What the suite holds of itself: each test runs in exactly one part, and a case that fails is told."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from tests.parts import TABLE, TESTS

HERE = Path(__file__)


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_the_table_has_the_parts_of_every_file(tmp_path):
    """A part reads only the files that the table gives it: a test that the table doesn't know of would never run."""
    table = tmp_path / "parts.txt"
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "--write-parts", str(table)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    subprocess.run(argv, cwd=TESTS.parent, env=env, check=True, capture_output=True)
    write = "python -m pytest --collect-only --write-parts tests/golden/parts.txt"
    assert TABLE.read_text() == table.read_text(), f"write it anew: {write}"


def test_a_file_that_the_table_does_not_have_is_read_in_every_part(pytestconfig):
    ignored = pytestconfig.hook.pytest_ignore_collect
    assert not ignored(collection_path=TESTS / "fleet" / "test_nobody_knows.py", config=pytestconfig)


def test_a_case_that_fails_is_told_as_it_was_drawn():
    """Making it smaller would take many more calls, each of which may be dear."""
    failed = []

    @settings(database=None, max_examples=200)
    @given(strategies.lists(strategies.integers(), min_size=3))
    def property_(numbers):
        if sum(numbers) > 1000 or failed:
            failed.append(numbers)
        assert sum(numbers) <= 1000

    with pytest.raises(AssertionError):
        property_()
    # The first time, and once more to tell it.
    assert len(failed) <= 3


def test_each_live_test_says_what_no_cheaper_one_can_show():
    """A herd of real processes takes half a minute to begin, and minutes to live through what is done to it."""
    files = [file for file in TESTS.rglob("test_*.py") if "pytest.mark.live" in file.read_text() and file != HERE]
    assert files
    for file in files:
        tests = [part for part in ast.parse(file.read_text()).body if isinstance(part, ast.FunctionDef)]
        silent = [one.name for one in tests if one.name.startswith("test_") and not ast.get_docstring(one)]
        assert not silent, f"{file.name}: {silent}"
