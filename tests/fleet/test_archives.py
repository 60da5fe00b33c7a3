"""The archive port without an archive: what goes into commands, and what comes out of a look."""

from dataclasses import replace

import pytest

from fleet.archives.base import Kept, Line, command, plain, told
from fleet.archives.directory import FETCH, PUSH, Directory
from tests.archived import LINE, PARENT, SEGMENT, SUBJECT, WRITER


@pytest.fixture
def archive() -> Directory:
    return Directory("/mnt/archive")


def test_the_leader_pushes_into_its_line(archive: Directory) -> None:
    wiring = archive.writing(LINE, SUBJECT)
    assert wiring.settings == {
        "archive_command": f"sh {PUSH} /mnt/archive shop-1 {WRITER} 2 %p %f",
        "archive_timeout": "60s",
    }
    assert list(wiring.files) == [PUSH]


def test_nobody_else_is_wired_to_it(archive: Directory) -> None:
    with pytest.raises(ValueError, match="may not write"):
        archive.writing(PARENT, SUBJECT)


def test_who_recovers_asks_its_own_line_first(archive: Directory) -> None:
    wiring = archive.fetching([LINE, PARENT], SUBJECT)
    assert wiring.settings == {"restore_command": f"sh {FETCH} /mnt/archive %f %p shop-1 shop-0"}
    assert list(wiring.files) == [FETCH]


def test_files_can_be_sent_with_others(archive: Directory) -> None:
    """The files of a build are divided by lines that begin with "===" (fleet/postgres/scripts.py)."""
    for wiring in (archive.writing(LINE, SUBJECT), archive.fetching([LINE], SUBJECT)):
        assert not any(line.startswith("===") for text in wiring.files.values() for line in text.splitlines())


@pytest.mark.parametrize("root", ["archive", "/mnt/a\nb", "/mnt/a\0b", '/mnt/"', "/mnt/$x", "/mnt/`", "/a\\b", ""])
def test_a_root_that_postgresql_would_trip_over_is_refused(root: str) -> None:
    with pytest.raises(ValueError, match="absolute path|would trip over"):
        Directory(root)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "-a", "a.b", "ä", "a\n", "x" * 101])
def test_names_are_plain(name: str, archive: Directory) -> None:
    with pytest.raises(ValueError, match="no name"):
        plain(name)
    with pytest.raises(ValueError, match="no name"):
        Line(name, 1, WRITER)
    with pytest.raises(ValueError, match="no name"):
        archive.backup(LINE, SUBJECT, name)
    with pytest.raises(ValueError, match="no name"):
        archive.expire(LINE, "keep", hold=[name])


@pytest.mark.parametrize("fields", [{"timeline_id": 0}, {"system": "x1"}, {"writer": "a b"}])
def test_a_line_is_of_a_timeline_a_writer_and_a_system(fields: dict) -> None:
    with pytest.raises(ValueError):
        replace(LINE, **fields)


@pytest.mark.parametrize("into", ["/srv/other", "/srv/h", "/srv/h/../x", "/srv/hx/data", "data"])
def test_restores_stay_below_what_is_ours(into: str, archive: Directory) -> None:
    with pytest.raises(ValueError, match="does not lie below"):
        archive.restore(LINE, SUBJECT, "label", into)


@pytest.mark.parametrize(
    ("word", "written"),
    [("/x/y-z_1", "/x/y-z_1"), ("%p", "%p"), ("a b", "'a b'"), ("", "''"), ("7%p", "7%%p"), ("%r", "%%r")]
    + [("%%", "%%%%"), ("it's", "'it'\"'\"'s'"), ("$(x);", "'$(x);'")],
)
def test_a_word_of_a_command_is_taken_as_it_is(word: str, written: str) -> None:
    assert command("sh", "a.sh", word) == f"sh a.sh {written}"


def test_a_command_has_one_line() -> None:
    with pytest.raises(ValueError, match="line break"):
        command("sh", "a\nb")


def test_a_look_is_read() -> None:
    said = {
        "archive_last": SEGMENT,
        "archive_last_age_s": "12.5",
        "archive_segments": "10",
        "archive_bytes": "123456",
        "archive_missing": "",
        "archive_backups": f"b2:200.5:210.25:{SEGMENT}:{SEGMENT}:1000:0/A000100,b1:100:110:{SEGMENT}:{SEGMENT}:900:0/1",
    }
    facts, kept = told(said)
    assert facts == said | {"archive_backups": "2"}
    assert kept == [
        Kept("b1", 100.0, 110.0, SEGMENT, SEGMENT, 900, "0/1"),
        Kept("b2", 200.5, 210.25, SEGMENT, SEGMENT, 1000, "0/A000100"),
    ]


def test_an_empty_line_has_no_last_segment() -> None:
    said = {"archive_last": "", "archive_last_age_s": "", "archive_missing": "", "archive_backups": ""}
    facts, kept = told(said)
    assert facts == {"archive_last": None, "archive_last_age_s": None, "archive_missing": "", "archive_backups": "0"}
    assert kept == []


def test_what_is_no_look_is_an_error() -> None:
    with pytest.raises((ValueError, TypeError)):
        told({"archive_backups": "b1:100"})
