"""Logical backups: what pg_dump says of one database, kept in a storage of files (storage.py)."""

from fleet.logical.loading import refusal
from fleet.logical.schedule import PROMISES
from fleet.logical.taking import begin, forget, is_due, is_over, kept, remove, script

__all__ = ["PROMISES", "begin", "forget", "is_due", "is_over", "kept", "refusal", "remove", "script"]
