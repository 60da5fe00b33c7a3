"""Databases of an instance that their own owners have closed, by its last look. Pure.

The fact (fleet/postgres/queries/doors.sql) is text: "NAME:SETTING NAME:SETTING", with underscores for the spaces of a
setting.
"""

from collections.abc import Mapping

NO_CONNECTIONS = "ALLOW_CONNECTIONS"


def closed(facts: Mapping[str, str | None], database: str) -> str:
    """The setting that keeps everybody out of the database, "" where none does."""
    doors = (word.partition(":") for word in (facts.get("closed") or "").split(" "))
    return next((why for name, _, why in doors if name == database), "")
