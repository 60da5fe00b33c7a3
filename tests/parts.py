"""The parts that bin/test runs one by one, and the files that each has tests in (tests/golden/parts.txt).

A part reads only its own files: reading all of them in each process takes longer than many tests. A file that the
table doesn't have is read in every part, and tests/test_parts.py fails until it is there.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TABLE = TESTS / "golden" / "parts.txt"
QUICK, THOROUGH, REAL, REST = "quick", "thorough", "real", "rest"
PARTS = (QUICK, THOROUGH, REAL, REST)
# The part that a marker puts a test in; the first that it has counts, and without any it is quick.
MARKED = {"live": REST, "browser": REST, "sshd": REST, "real": REAL, "thorough": THOROUGH}


def part_of(item: pytest.Item) -> str:
    """The part that a test belongs to."""
    return next((part for marker, part in MARKED.items() if item.get_closest_marker(marker)), QUICK)


def list_parts(items: Iterable[pytest.Item]) -> str:
    """The table: a line for each file, with its parts."""
    found: dict[str, set[str]] = {}
    for item in items:
        found.setdefault(item.path.relative_to(TESTS).as_posix(), set()).add(part_of(item))
    return "".join(f"{name}: {' '.join(sorted(parts, key=PARTS.index))}\n" for name, parts in sorted(found.items()))


def read_parts() -> dict[str, list[str]]:
    """The parts of each file, as the table has them."""
    rows = (line.split(":") for line in TABLE.read_text().splitlines()) if TABLE.exists() else ()
    return {name: parts.split() for name, parts in rows}
