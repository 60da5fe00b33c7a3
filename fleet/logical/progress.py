"""The size that a dump will have, as far as that can be foreseen."""

from fleet.models import Backup


def foreseen(db_bytes: int, last: Backup | None) -> int:
    """The size that a dump of a database of `db_bytes` should have: by how much the last one was smaller than its
    database; by the database itself when there is no last one."""
    before = int(last.attrs.get("db_bytes") or 0) if last else 0
    return db_bytes * (last.bytes or 0) // before if last and before else db_bytes
