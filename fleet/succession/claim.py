"""What is told of a thing, made from what was looked at: no sentence goes further than what it rests on. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Claim:
    """`text` is a sentence with names of values in braces, `rests_on` the values that were looked at, by name, and
    `unless` what would make it untrue and can't be seen."""

    text: str
    rests_on: tuple[str, ...]
    unless: str = ""

    def told(self, values: Mapping[str, Any]) -> str:
        """The sentence with its values. ValueError where it rests on one that nobody knows."""
        if unknown := [name for name in self.rests_on if values.get(name) is None]:
            raise ValueError(f"{', '.join(unknown)} not known: {self.text}")
        return f"{self.text.format_map(values)}{f', unless {self.unless}' if self.unless else ''}"


# What a leader that waits for a standby can't rule out: PostgreSQL acknowledges such a commit all the same.
NOT_WAITING = "a client cancels the wait or has set synchronous_commit to less"
UNLOGGED = Claim(
    "unlogged tables are emptied: {unlogged_tables} ({unlogged_bytes} bytes)", ("unlogged_tables", "unlogged_bytes")
)
SORTS = Claim(
    "the new leader's host has {sorts_unlike}: indexes on text may be wrong until REINDEX",
    ("sorts_unlike",),
)
WEAK = Claim(
    "commits of {weak_commits} databases or roles wait for no standby (synchronous_commit): they may be lost",
    ("weak_commits",),
)
