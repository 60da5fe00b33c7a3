"""What was removed from a host and stands there again, because a job was still making it, is removed once more."""

from datetime import UTC, datetime

import pytest

from fleet.facts import read
from fleet.rules import think
from fleet.think import LIFE


@pytest.mark.parametrize(
    ("job", "data_dir", "tries", "then"),
    [
        ("done", "true", 0, "destroy_again"),
        ("failed", "true", 0, "destroy_again"),
        ("done", "false", 0, "bury"),
        ("running", "true", 0, ""),
        ("done", "true", 3, ""),
    ],
)
def test_an_instance_is_gone_when_nothing_of_it_is_left(job: str, data_dir: str, tries: int, then: str) -> None:
    facts = read(datetime.now(UTC), {"job": job, "data_dir": data_dir}, tries=tries, server_state="available")
    assert think(LIFE["instance"], "destroying", facts).then.name == then
