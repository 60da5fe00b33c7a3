"""The SQL that lies in queries/: NAME.sql, and NAME.MAJOR.sql where a newer PostgreSQL can tell more or tells it
otherwise. The variant that counts is the newest that is not newer than the server."""

from functools import cache
from pathlib import Path

from fleet.postgres.config import OLDEST

_FOLDER = Path(__file__).parent / "queries"


@cache
def statement(name: str, major: int) -> str:
    """The statement `name` for PostgreSQL `major` (0: not known, so what the oldest understands), without comments and
    without the closing semicolon. FileNotFoundError when there is none of that name."""
    path = _FOLDER / f"{name}.sql"
    for newer in range(OLDEST + 1, max(major, OLDEST) + 1):
        variant = _FOLDER / f"{name}.{newer}.sql"
        path = variant if variant.exists() else path
    lines = path.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("--")).strip().rstrip(";")
