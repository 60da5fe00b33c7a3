"""What every archive does about what is damaged, deleted, or no longer needed: it says so, and keeps what is needed."""

from collections.abc import Iterator

import pytest
from archive_rigs import RIGS

from tests.archived import Leader, Rig, wait

# Above this, PostgreSQL takes a restore_command's end for an error.
HARD = 125


@pytest.fixture(scope="module", params=RIGS)
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with RIGS[request.param]() as rig:
        yield rig


@pytest.fixture
def spare(rig: Rig, request: pytest.FixtureRequest) -> Iterator[Leader]:
    """A leader that a test may harm, with a base backup `base` and five segments after it."""
    leader = rig.leader(f"spare{len(list((rig.shell.home / 'instances').glob('spare*')))}")
    leader.backup("base")
    for n in range(5):
        leader.sql(f"CREATE TABLE filled{n} AS SELECT generate_series(1, 5000)")
        leader.archived()
    yield leader
    leader.stop()


def segments(leader: Leader) -> list[str]:
    """Those since the base backup, by name."""
    facts, (kept, *_) = leader.rig.look(leader.line)
    first, last = int(kept.first_wal, 16), int(facts["archive_last"], 16)
    return [f"{number:024X}" for number in range(first, last + 1)]


def test_what_was_deleted_is_found(spare: Leader) -> None:
    rig, names = spare.rig, segments(spare)
    assert rig.look(spare.line)[0]["archive_missing"] == ""
    for name in (names[1], names[2], names[4]):
        rig.stored(spare.line, name).unlink()
    missing = f"{names[1]}-{names[2]},{names[4]}-{names[4]}"
    wait(lambda: rig.look(spare.line)[0]["archive_missing"] == missing)
    assert names[1] in rig.refused(rig.archive.verify(spare.line, spare.subject, "base"))


def test_what_was_damaged_is_found_and_stops_recovery(spare: Leader) -> None:
    rig, name = spare.rig, segments(spare)[2]
    stored = rig.stored(spare.line, name)
    content = bytearray(stored.read_bytes())
    for at in range(len(content) // 2, len(content) // 2 + 200):
        content[at] ^= 0xFF
    stored.write_bytes(content)
    assert name in rig.refused(rig.archive.verify(spare.line, spare.subject, "base"))
    fetching = rig.archive.fetching([spare.line], spare.subject)
    result = spare.fetch(spare.install(fetching), name, str(rig.shell.home / "damaged"))
    assert result.code > HARD
    restored = rig.restored(spare.line, "base", f"stopped-{spare.subject.name}")
    with pytest.raises(AssertionError):
        restored.recover([spare.line])
    assert "restore" in restored.why()


def test_expiry_keeps_what_is_needed(spare: Leader) -> None:
    rig = spare.rig
    backups = [rig.look(spare.line)[1][0]]
    for label in ("second", "third"):
        backups.append(spare.backup(label))
        spare.archived()
    base, second, third = backups
    rig.do(rig.archive.expire(spare.line, "second", hold=["base"]))
    assert rig.look(spare.line)[1] == backups
    assert rig.stored(spare.line, base.first_wal).exists()
    rig.do(rig.archive.expire(spare.line, "third", hold=[second.first_wal]))
    # An archive may hold the backup as well that a held segment follows.
    assert rig.look(spare.line)[1] in ([third], [second, third])
    assert not rig.stored(spare.line, base.first_wal).exists()
    assert rig.stored(spare.line, second.first_wal).exists()
    rig.do(rig.archive.expire(spare.line, "third"))
    assert rig.look(spare.line)[1] == [third]
    assert not rig.stored(spare.line, second.first_wal).exists()
    assert rig.stored(spare.line, third.first_wal).exists()
    assert rig.look(spare.line)[0]["archive_missing"] == ""
    rig.do(rig.archive.verify(spare.line, spare.subject, "third"))
    restored = rig.restored(spare.line, "third", f"after-{spare.subject.name}")
    restored.recover([spare.line])
    assert restored.sql("SELECT count(*) FROM filled4") == "5000"
    restored.stop()


def test_nothing_expires_for_a_backup_that_is_not_there(spare: Leader) -> None:
    rig, before = spare.rig, spare.rig.look(spare.line)
    assert "no base backup" in rig.refused(rig.archive.expire(spare.line, "unheard-of"))
    assert rig.look(spare.line)[1] == before[1]
    assert rig.look(spare.line)[0]["archive_segments"] == before[0]["archive_segments"]


def test_a_dropped_line_is_gone(spare: Leader) -> None:
    rig, name = spare.rig, segments(spare)[0]
    spare.stop()
    rig.do(rig.archive.drop(spare.line))
    assert not rig.stored(spare.line, name).exists()
    rig.do(rig.archive.drop(spare.line))
