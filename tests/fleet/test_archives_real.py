"""What only the `directory` archive promises: how its files lie, what a full or missing disk does, and gaps in lines as
long as they get."""

import gzip
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.archives.base import SEGMENT_BYTES, Line, Wiring
from fleet.archives.directory import Directory
from fleet.postgres.commands import Script
from fleet.providers.local import spawn
from fleet.transports.base import Result
from tests.archived import Leader, Rig, wait
from tests.localshell import LocalShell

SYSTEM = 7_576_111_222_333_444_555


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    shell = LocalShell()
    root = spawn.give(shell.home / "archive")
    yield Rig(Directory(str(root)), 17, shell, lambda line, name: root / line.name / "wal" / f"{name}.gz")
    shell.close()


@pytest.fixture
def writer(rig: Rig, request: pytest.FixtureRequest) -> Leader:
    """An instance that has a line but no cluster, with the files of its wiring in the data directory."""
    name = f"w{len(os.listdir(rig.archive.root))}"
    subject = rig.subject(name)
    line = Line(name, 3, str(subject.id))
    rig.do(rig.archive.prepare(line, subject))
    writer = Leader(rig, subject, line)
    rig.do(Script('mkdir -p "$1"', (subject.data,)))
    for wiring in (rig.archive.writing(line, subject), rig.archive.fetching([line], subject)):
        for file, text in wiring.files.items():
            rig.do(Script('cat > "$1/$2"', (subject.data, file), text.encode()))
    return writer


def segment(content: bytes = b"", system: int = SYSTEM, size: int = SEGMENT_BYTES) -> bytes:
    """As much of a segment as the archive looks at: the header of its first page names the system."""
    header = struct.pack("=HHIQIxxxxQII", 0xD116, 2, 1, 0, 0, system, SEGMENT_BYTES, 8192)
    return (header + content).ljust(size, b"\0")


def push(writer: Leader, name: str, content: bytes, before: str = "", to: Wiring | None = None) -> Result:
    path = Path(writer.subject.data, name)
    writer.rig.do(Script('cat > "$1"', (str(path),), content))
    return writer.push(to or writer.rig.archive.writing(writer.line, writer.subject), name, before)


def place(writer: Leader) -> Path:
    return Path(writer.rig.archive.root, writer.line.name)


def wal(writer: Leader) -> list[str]:
    return sorted(one for one in os.listdir(place(writer) / "wal") if not one.startswith("."))


def name(number: int, timeline: int = 3) -> str:
    return f"{timeline:08X}{number // 256:08X}{number % 256:08X}"


def refused(result: Result, why: str) -> None:
    assert 0 < result.code < 126
    assert why in result.err


def test_files_lie_compressed_under_their_names(writer: Leader) -> None:
    pushed = {
        name(1): segment(b"one"),
        f"{name(2)}.partial": segment(b"two"),
        f"{name(1)}.00000028.backup": b"START WAL LOCATION\n",
        "00000003.history": b"1\t0/3000000\tno reason\n",
    }
    for file, content in pushed.items():
        assert push(writer, file, content).code == 0
    assert wal(writer) == sorted(f"{file}.gz" for file in pushed)
    for file, content in pushed.items():
        assert gzip.decompress((place(writer) / "wal" / f"{file}.gz").read_bytes()) == content
    assert (place(writer) / "writer").read_text() == f"{writer.subject.id}\n"
    assert (place(writer) / "system").read_text() == f"{SYSTEM}\n"


def test_the_first_segment_claims_the_line_for_its_system(writer: Leader) -> None:
    assert push(writer, name(1), segment()).code == 0
    refused(push(writer, name(2), segment(system=SYSTEM + 1)), f"is of the system {SYSTEM + 1}")
    assert wal(writer) == [f"{name(1)}.gz"]


def test_a_line_that_knows_its_system_takes_no_other(rig: Rig) -> None:
    subject = rig.subject("known")
    rig.do(rig.archive.prepare(Line("known", 1, "w", str(SYSTEM)), subject))
    rig.do(rig.archive.prepare(Line("known", 1, "w"), subject))
    said = rig.refused(rig.archive.prepare(Line("known", 1, "w", "1"), subject))
    assert f"known is the place of the system {SYSTEM}" in said


@pytest.mark.parametrize("file", ["00000003", "x.history", f"{name(1)}.gz", f"{name(1).lower()}a", ".."])
def test_what_is_no_wal_is_refused(writer: Leader, file: str) -> None:
    result = writer.push(writer.rig.archive.writing(writer.line, writer.subject), file)
    refused(result, "not a name of WAL")


def test_a_segment_that_is_cut_off_is_refused(writer: Leader) -> None:
    refused(push(writer, name(1), segment(size=SEGMENT_BYTES - 1)), "does not have 16 MB")
    assert wal(writer) == []


def test_another_history_is_refused(writer: Leader) -> None:
    assert push(writer, "00000003.history", b"1\t0/3000000\ta\n").code == 0
    refused(push(writer, "00000003.history", b"1\t0/4000000\ta\n"), "other contents")
    refused(push(writer, "00000004.history", b"1\t0/4000000\ta\n"), "timeline 4")


def test_a_full_archive_is_an_error_and_nothing_is_stored(writer: Leader) -> None:
    assert push(writer, name(1), segment()).code == 0
    full = push(writer, name(2), segment(os.urandom(1 << 20)), before="ulimit -f 100")
    assert full.code != 0
    assert full.err
    assert [file for file in wal(writer) if not file.startswith(".")] == [f"{name(1)}.gz"]
    assert push(writer, name(2), segment(b"again")).code == 0
    assert wal(writer) == [f"{name(1)}.gz", f"{name(2)}.gz"]


def test_what_a_killed_push_left_is_swept_away_by_the_next(writer: Leader) -> None:
    folder = place(writer) / "wal"
    writer.rig.do(Script('echo half > "$1"', (str(folder / f".{name(1)}.abcdef"),)))
    assert push(writer, name(1), segment()).code == 0
    assert wal(writer) == [f"{name(1)}.gz"]


def test_an_archive_that_is_not_mounted_is_an_error(writer: Leader) -> None:
    rig, away = writer.rig, Directory(f"{writer.rig.archive.root}/away")
    said = rig.refused(away.prepare(writer.line, writer.subject))
    assert "there is no archive" in said
    wiring = away.writing(writer.line, writer.subject)
    rig.do(Script('cat > "$1"', (f"{writer.subject.data}/{name(1)}",), segment()))
    refused(writer.push(wiring, name(1)), "no such place")
    fetching = away.fetching([writer.line], writer.subject)
    assert writer.fetch(fetching, name(1), "got").code > 125
    assert "no place" in rig.refused(away.look(writer.line, writer.subject.home))


def test_a_standby_waits_where_a_recovery_gives_up(writer: Leader) -> None:
    assert push(writer, name(1), segment(os.urandom(9999))).code == 0
    stored = place(writer) / "wal" / f"{name(1)}.gz"
    stored.write_bytes(stored.read_bytes()[:5000])
    fetching = writer.rig.archive.fetching([writer.line], writer.subject)
    assert writer.fetch(fetching, name(1), "got").code > 125
    writer.rig.do(Script(': > "$1/standby.signal"', (writer.subject.data,)))
    assert writer.fetch(fetching, name(1), "got").code == 1
    assert not Path(writer.subject.data, "got").exists()


def test_lines_are_asked_in_order(rig: Rig, writer: Leader) -> None:
    own, elder = writer.line, Line(f"{writer.line.name}-elder", 1, "w")
    rig.do(rig.archive.prepare(elder, writer.subject))
    for line, content in ((own, b"own"), (elder, b"elder")):
        path = Path(rig.archive.root, line.name, "wal", f"{name(7)}.gz")
        rig.do(Script('cat > "$1"', (str(path),), gzip.compress(content)))
    got = Path(writer.subject.data, "got")
    for lines, content in (([own, elder], b"own"), ([elder, own], b"elder")):
        assert writer.fetch(rig.archive.fetching(lines, writer.subject), name(7), "got").code == 0
        assert got.read_bytes() == content


def fill(writer: Leader, names: list[str]) -> None:
    """Files of those names, all with nothing in them."""
    folder = place(writer) / "wal"
    writer.rig.do(Script('gzip < /dev/null > "$1/.empty"', (str(folder),)))
    for each in names:
        (folder / f"{each}.gz").hardlink_to(folder / ".empty")


def test_gaps_are_found_in_a_long_line(writer: Leader) -> None:
    gone = {300, 301, 302, 511, 512, 19_998}
    fill(writer, [name(number) for number in range(250, 20_000) if number not in gone])
    fill(writer, [name(number, timeline=2) for number in (2, 249)])
    push(writer, "00000003.history", b"1\t0/3000000\ta\n\n2\t0/F9FFFFFF\tno reason\n")
    facts, kept = writer.rig.look(writer.line)
    missing = f"{name(249)}-{name(249)},{name(300)}-{name(302)},{name(511)}-{name(512)},{name(19_998)}-{name(19_998)}"
    assert facts["archive_missing"] == missing
    assert facts["archive_last"] == name(19_999)
    assert facts["archive_segments"] == str(20_000 - 250 - len(gone))
    assert kept == []


def test_a_timeline_without_its_history_has_a_gap(writer: Leader) -> None:
    assert writer.rig.look(writer.line)[0]["archive_missing"] == ""
    fill(writer, [name(5), name(6)])
    assert writer.rig.look(writer.line)[0]["archive_missing"] == "00000003.history"


def test_an_empty_line_is_looked_at(writer: Leader) -> None:
    facts, kept = writer.rig.look(writer.line)
    assert facts == {
        "archive_last": None,
        "archive_last_age_s": None,
        "archive_segments": "0",
        "archive_bytes": "0",
        "archive_missing": "",
        "archive_backups": "0",
    }
    assert kept == []


def kept(writer: Leader, label: str, began: float, first: int) -> None:
    text = f"{label} {began} {began + 1} {name(first)} {name(first)} 1000 0/1\n"
    script = 'mkdir -p "$1/data"; printf %s "$2" > "$1/kept"'
    writer.rig.do(Script(script, (str(place(writer) / "backups" / label), text)))


def test_expiry_by_the_time_of_backups_not_by_their_names(writer: Leader) -> None:
    """And over a 4 GB boundary, where a segment's name carries."""
    archive, rig = writer.rig.archive, writer.rig
    for label, began, first in (("zebra", 100.5, 250), ("mouse", 99.25, 240), ("ant", 1000, 257), ("bee", 1001, 258)):
        kept(writer, label, began, first)
    fill(writer, [name(number) for number in range(240, 262)])
    rig.do(Script('mkdir "$1"; touch -d 2000-01-01 "$1"', (str(place(writer) / "backups/half"),)))
    rig.do(archive.expire(writer.line, "ant", hold=["zebra"]))
    assert set(os.listdir(place(writer) / "backups")) == {"zebra", "ant", "bee"}
    assert wal(writer)[0] == f"{name(250)}.gz"
    rig.do(archive.expire(writer.line, "ant", hold=[name(255)]))
    assert set(os.listdir(place(writer) / "backups")) == {"ant", "bee"}
    assert wal(writer)[0] == f"{name(255)}.gz"
    assert "no base backup gone" in rig.refused(archive.expire(writer.line, "bee", hold=["gone"]))
    assert wal(writer)[0] == f"{name(255)}.gz"
    rig.do(archive.expire(writer.line, "ant"))
    assert wal(writer) == [f"{name(number)}.gz" for number in range(257, 262)]


def test_a_backup_without_its_closing_line_is_not_there(writer: Leader) -> None:
    rig = writer.rig
    rig.do(Script('mkdir -p "$1/data"; echo half > "$1/kept.new"', (str(place(writer) / "backups/half"),)))
    kept(writer, "whole", 100.0, 1)
    assert [one.label for one in rig.look(writer.line)[1]] == ["whole"]
    assert "no base backup half" in rig.refused(rig.archive.expire(writer.line, "half"))
    said = rig.refused(rig.archive.restore(writer.line, writer.subject, "half", f"{writer.subject.data}/x"))
    assert "no base backup half" in said


# The second is the last of its kind: after it the middle of the name counts on.
RECOVERED = (0x1FE, 0x1FF, 0x200)


def recovering(writer: Leader) -> tuple[Wiring, Path]:
    """It has archived those and asks for them in a recovery; and where it has what comes next."""
    for number in RECOVERED:
        assert push(writer, name(number), segment(f"{number}".encode())).code == 0
    writer.rig.do(Script('touch "$1/recovery.signal"', (writer.subject.data,)))
    return writer.rig.archive.fetching([writer.line], writer.subject), Path(writer.subject.data, "herdsite.ahead")


def test_a_recovery_has_the_next_segment_unpacked_meanwhile(writer: Leader) -> None:
    wiring, ahead = recovering(writer)
    for number in RECOVERED:
        assert writer.fetch(wiring, name(number), "fetched").code == 0
        assert Path(writer.subject.data, "fetched").read_bytes() == segment(f"{number}".encode())
        if number != RECOVERED[-1]:
            wait(lambda number=number: (ahead / name(number + 1)).exists())
            # It can only come from there now.
            (place(writer) / "wal" / f"{name(number + 1)}.gz").unlink()
    assert writer.fetch(wiring, name(RECOVERED[-1] + 1), "fetched").code == 1


def test_what_was_cut_off_while_it_was_unpacked_comes_from_the_archive(writer: Leader) -> None:
    wiring, ahead = recovering(writer)
    writer.rig.do(Script('mkdir "$1"; echo half > "$1/.$2"', (str(ahead), name(RECOVERED[0]))))
    assert writer.fetch(wiring, name(RECOVERED[0]), "fetched").code == 0
    assert Path(writer.subject.data, "fetched").read_bytes() == segment(f"{RECOVERED[0]}".encode())


def test_what_can_not_be_unpacked_is_told_when_it_is_asked_for(writer: Leader) -> None:
    wiring, ahead = recovering(writer)
    (place(writer) / "wal" / f"{name(RECOVERED[1])}.gz").write_bytes(b"no archive")
    assert writer.fetch(wiring, name(RECOVERED[0]), "fetched").code == 0
    wait(lambda: not any(ahead.iterdir()))
    assert writer.fetch(wiring, name(RECOVERED[1]), "fetched").code == 200


def test_a_standby_takes_one_at_a_time(writer: Leader) -> None:
    wiring, ahead = recovering(writer)
    writer.rig.do(Script('mv "$1/recovery.signal" "$1/standby.signal"', (writer.subject.data,)))
    assert writer.fetch(wiring, name(RECOVERED[0]), "fetched").code == 0
    assert not ahead.exists()


def test_a_closed_line_has_to_reach_where_its_successor_began(writer: Leader) -> None:
    for number in (3, 4):
        assert push(writer, name(number), segment(b"old")).code == 0
    heir = Line(f"{writer.line.name}-heir", 4, str(writer.subject.id))
    writer.rig.do(writer.rig.archive.prepare(heir, writer.subject))

    def missing() -> str | None:
        look = writer.rig.archive.look(writer.line, "", name(7), [heir])
        said = dict(entry.split("=", 1) for entry in writer.rig.do(look).splitlines())
        return writer.rig.archive.read(said)[0]["archive_missing"]

    lacks_history = "00000003.history"
    assert missing() == f"{lacks_history},{name(5)}-{name(7)}"
    assert push(writer, lacks_history, b"2\t0/3000000\tno reason\n").code == 0
    theirs = writer.rig.archive.writing(heir, writer.subject)
    for number in (5, 7):
        assert push(writer, name(number), segment(b"left"), to=theirs).code == 0
    assert missing() == f"{name(6)}-{name(6)}"
    # The same one twice, and one of the successor's own, are no answer.
    assert push(writer, name(7), segment(b"left")).code == 0
    assert push(writer, name(6, 4), segment(b"own"), to=theirs).code == 0
    assert missing() == f"{name(6)}-{name(6)}"
    assert push(writer, name(6), segment(b"left")).code == 0
    assert missing() == ""
