"""The tables are the product: a change of policy is a diff of tables.txt that a reviewer can read."""

from difflib import unified_diff
from pathlib import Path

from herdsite.tables import rendered

GOLDEN = Path(__file__).parent / "tables.txt"


def test_the_tables_are_as_they_were_agreed() -> None:
    agreed, now = GOLDEN.read_text(), rendered()
    difference = "\n".join(unified_diff(agreed.splitlines(), now.splitlines(), "agreed", "now", lineterm="", n=1))
    assert now == agreed, (
        f"The tables have changed:\n\n{difference}\n\n"
        "If that is meant, accept it: python manage.py tables > tests/golden/tables.txt"
    )
