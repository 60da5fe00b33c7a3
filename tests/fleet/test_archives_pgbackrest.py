"""The `pgbackrest` archive without the tool: where its settings and secrets go, and how its reports are read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.archives.base import Kept
from fleet.archives.pgbackrest import CONF, FETCH, PUSH, Pgbackrest, configured
from tests.archived import LINE, PARENT, SEGMENT, SUBJECT, WRITER

SECRET = "secret-91ce"
REPO = {"repo1-type": "s3", "repo1-path": "/herd", "repo1-s3-key-secret": SECRET}
OLD, NEW = replace(SUBJECT, major=15), replace(SUBJECT, major=17)


@pytest.fixture
def archive() -> Pgbackrest:
    return Pgbackrest(REPO)


def test_the_leader_pushes_into_its_stanza(archive: Pgbackrest) -> None:
    wiring = archive.writing(LINE, OLD)
    assert wiring.settings["archive_command"] == f"sh {PUSH} shop-1 {WRITER} 2 %p %f"
    assert set(wiring.files) == {PUSH, CONF}
    with pytest.raises(ValueError, match="may not write"):
        archive.writing(PARENT, OLD)


def test_who_recovers_asks_its_own_stanza_first(archive: Pgbackrest) -> None:
    wiring = archive.fetching([LINE, PARENT], OLD)
    assert wiring.settings == {"restore_command": f"sh {FETCH} %f %p shop-1 shop-0"}
    assert set(wiring.files) == {FETCH, CONF}


def test_a_postgresql_that_the_tool_does_not_know_is_refused(archive: Pgbackrest) -> None:
    with pytest.raises(ValueError, match="up to 15"):
        archive.writing(LINE, NEW)
    with pytest.raises(ValueError, match="up to 15"):
        archive.fetching([LINE], NEW)


def test_secrets_travel_on_stdin_only(archive: Pgbackrest) -> None:
    into = f"{OLD.home}/instances/new/data"
    scripts = [
        *(archive.prepare(LINE, OLD), archive.backup(LINE, OLD, "b1"), archive.restore(LINE, OLD, "b1", into)),
        *(
            archive.look(LINE, OLD.home),
            archive.verify(LINE, OLD, "b1"),
            archive.expire(LINE, "b1"),
            archive.drop(LINE),
        ),
    ]
    for script in scripts:
        assert f"PGBACKREST_REPO1_S3_KEY_SECRET={SECRET}\n".encode() in script.stdin
        assert SECRET not in f"{script.text}{script.args}{script!r}"
    wiring = archive.writing(LINE, OLD)
    assert SECRET not in f"{wiring.settings}{wiring.files[PUSH]}"
    assert f"repo1-s3-key-secret={SECRET}\n" in wiring.files[CONF]


def test_a_setting_is_one_line() -> None:
    with pytest.raises(ValueError, match="several lines"):
        Pgbackrest({"repo1-path": "/x\nrepo1-host=evil"})


def test_wal_is_dropped_only_where_somebody_said_so() -> None:
    quiet, bold = Pgbackrest(REPO), Pgbackrest(REPO, queue_max="64GB")
    assert "archive-push-queue-max" not in quiet.writing(LINE, OLD).files[CONF]
    assert "archive-push-queue-max=64GB\n" in bold.writing(LINE, OLD).files[CONF]
    assert (quiet.queue_max, bold.queue_max) == ("", "64GB")


def backup(label: str, began: int, **more: object) -> dict:
    return {
        "annotation": {"herdsite": label},
        "archive": {"start": SEGMENT, "stop": SEGMENT},
        "error": False,
        "info": {"size": 5000, "repository": {"size": 900, "delta": 800}},
        "lsn": {"start": "0/A000028", "stop": "0/A000100"},
        "timestamp": {"start": began, "stop": began + 10},
        **more,
    }


def test_a_look_is_read(archive: Pgbackrest) -> None:
    backups = [backup("b2", 300), backup("b1", 100), backup("bad", 200, error=True), backup("x", 50, annotation={})]
    said = {"archive_last": SEGMENT, "archive_bytes": "1000", "archive_missing": ""}
    facts, kept = archive.read(said | {"archive_info": json.dumps([{"name": "shop-1", "backup": backups}])})
    assert facts == said | {"archive_bytes": "2600", "archive_backups": "2"}
    assert kept == [
        Kept("b1", 100, 111.0, SEGMENT, SEGMENT, 5000, "0/A000100"),
        Kept("b2", 300, 311.0, SEGMENT, SEGMENT, 5000, "0/A000100"),
    ]


def test_its_settings_come_from_a_file_of_its_own_form(tmp_path: Path) -> None:
    file = tmp_path / "pgbackrest.conf"
    file.write_text("# ours\n[global]\nrepo1-path=/repo\nrepo1-s3-key-secret=a=b%c;d\narchive-push-queue-max=64GB\n")
    archive = configured(str(file))
    assert archive.queue_max == "64GB"
    said = archive.look(LINE, "/srv/h").stdin.decode().splitlines()
    assert {"PGBACKREST_REPO1_PATH=/repo", "PGBACKREST_REPO1_S3_KEY_SECRET=a=b%c;d"} <= set(said)


@pytest.mark.parametrize("text", ["", "repo1-path=/repo", "[stanza]\nx=y", "[global\n"])
def test_a_file_that_says_nothing_is_told(text: str, tmp_path: Path) -> None:
    file = tmp_path / "pgbackrest.conf"
    file.write_text(text)
    with pytest.raises(ValueError, match="says nothing about pgBackRest"):
        configured(str(file))
