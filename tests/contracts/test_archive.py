"""What every archive does, on real clusters: what PostgreSQL hands it comes back, to the byte and to the second;
nothing else gets in; and what was cut off is never taken for whole."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from archive_rigs import RIGS

from fleet import jobs
from fleet.archives.base import Line, Wiring
from fleet.postgres import commands, replication
from fleet.postgres.commands import Script
from tests.archived import FULL, SIZING, Leader, Rig, job, job_ended, wait
from tests.authority import shown


@pytest.fixture(scope="module", params=RIGS)
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with RIGS[request.param]() as rig:
        yield rig


@pytest.fixture(scope="module")
def leader(rig: Rig) -> Leader:
    """With a base backup `first`, and three segments. Tests add to it, and take nothing away."""
    leader = rig.leader("leader")
    leader.sql("CREATE TABLE numbered (n bigint)")
    leader.backup("first")
    for n in range(3):
        leader.sql(f"INSERT INTO numbered VALUES ({n})")
        leader.archived()
    return leader


@pytest.fixture(scope="module")
def wiring(leader: Leader) -> Wiring:
    return leader.rig.archive.writing(leader.line, leader.subject)


@pytest.fixture(scope="module")
def fetching(leader: Leader) -> Wiring:
    """Installed beside the configuration of the leader, which itself never restores."""
    wiring = leader.rig.archive.fetching([leader.line], leader.subject)
    leader.configure(wiring, leader.rig.archive.writing(leader.line, leader.subject), {"archive_mode": "on"})
    return wiring


# Push and fetch.


def test_what_was_archived_comes_back(leader: Leader, fetching: Wiring) -> None:
    name = leader.archived()
    original = Path(leader.subject.data, "pg_wal", name).read_bytes()
    into = leader.rig.shell.home / "fetched"
    assert leader.fetch(fetching, name, str(into)).code == 0
    assert into.read_bytes() == original


def test_what_is_not_there_ends_recovery(leader: Leader, fetching: Wiring) -> None:
    into = leader.rig.shell.home / "nothing"
    assert leader.fetch(fetching, "00000001000000FF00000001", str(into)).code == 1
    assert leader.fetch(fetching, "00000002.history", str(into)).code == 1
    assert not into.exists()


def test_the_same_again_is_well(leader: Leader, wiring: Wiring) -> None:
    name = leader.archived()
    before = leader.rig.stored(leader.line, name).read_bytes()
    assert leader.push(wiring, f"pg_wal/{name}").code == 0
    assert leader.rig.stored(leader.line, name).read_bytes() == before


def test_other_content_is_refused(leader: Leader, wiring: Wiring) -> None:
    name = leader.archived()
    before = leader.rig.stored(leader.line, name).read_bytes()
    other = altered(leader, f"pg_wal/{name}", at=5_000_000)
    refused = leader.push(wiring, other)
    assert refused.code != 0
    assert name in refused.err
    assert leader.rig.stored(leader.line, name).read_bytes() == before


def altered(leader: Leader, path: str, at: int) -> str:
    """A copy of the file, under its name in another folder, with other bytes from `at` on."""
    folder = Path(leader.rig.program("x", "")).name
    script = (
        'cd "$1"; cp "$2" "../../../$3/"; printf otherwise | dd of="../../../$3/${2##*/}" bs=1 seek="$4" conv=notrunc'
    )
    leader.rig.do(Script(script, (leader.subject.data, path, folder, str(at))))
    return str(leader.rig.shell.home / folder / Path(path).name)


def test_another_system_is_refused(leader: Leader, wiring: Wiring) -> None:
    rig = leader.rig
    stranger = rig.subject("stranger")
    rig.initdb(stranger)
    foreign = Leader(rig, stranger, leader.line)
    foreign.configure(wiring, {"archive_mode": "on"})
    foreign.start()
    foreign.sql("CREATE TABLE strange (n bigint)")
    for _ in range(9):
        last = foreign.sql("SELECT pg_walfile_name(pg_switch_wal() - 1); CHECKPOINT")
    free = Path(foreign.subject.data, "pg_wal", last)
    assert not rig.stored(leader.line, last).exists(), "it would be refused for its content"
    refused = foreign.push(wiring, f"pg_wal/{free.name}")
    wait(lambda: foreign.sql("SELECT failed_count > 0 AND archived_count = 0 FROM pg_stat_archiver") == "t")
    assert refused.code != 0
    assert "system" in refused.err
    assert not rig.stored(leader.line, last).exists()
    theirs = replace(leader.line, system=foreign.sql("SELECT system_identifier FROM pg_control_system()"))
    assert "system" in rig.refused(rig.archive.prepare(theirs, stranger))
    foreign.stop()


def test_another_writer_is_refused(leader: Leader) -> None:
    rig, name = leader.rig, leader.archived()
    usurper = rig.subject("usurper")
    with pytest.raises(ValueError, match="may not write"):
        rig.archive.writing(leader.line, usurper)
    claimed = replace(leader.line, writer=str(usurper.id))
    assert "writer" in rig.refused(rig.archive.prepare(claimed, replace(usurper, data=leader.subject.data)))
    stale = rig.archive.writing(claimed, replace(usurper, data=leader.subject.data))
    foreign = leader.alike()
    refused = foreign.push(foreign.install(stale), f"pg_wal/{name}")
    foreign.configure(rig.archive.writing(leader.line, leader.subject), {"archive_mode": "on"})
    assert refused.code != 0
    assert "writer" in refused.err


def test_wal_of_a_later_timeline_is_refused(leader: Leader, wiring: Wiring) -> None:
    name = leader.archived()
    later = f"00000002{name[8:]}"
    leader.rig.do(Script('cd "$1/pg_wal"; cp "$2" "../$3"', (leader.subject.data, name, later)))
    refused = leader.push(wiring, f"{leader.subject.data}/{later}")
    assert refused.code != 0
    assert "timeline" in refused.err
    assert not leader.rig.stored(leader.line, later).exists()


def test_a_place_is_made_once_and_for_all(leader: Leader) -> None:
    rig = leader.rig
    before = rig.look(leader.line)[1]
    rig.do(rig.archive.prepare(leader.line, leader.subject))
    assert rig.look(leader.line)[1] == before


def test_a_push_that_is_killed_anywhere_is_made_good(leader: Leader, wiring: Wiring) -> None:
    rig = leader.rig
    fill = "INSERT INTO numbered SELECT generate_series(1, 9000); SELECT pg_switch_wal()"
    for delay in range(0, 160, 20):
        name = leader.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")
        leader.configure({"archive_mode": "on", "archive_command": "false"})
        leader.sql(f"SELECT pg_reload_conf(); {fill}")
        command = wiring.settings["archive_command"].replace("%p", f"pg_wal/{name}").replace("%f", name)
        cut = 'cd "$1"; setsid sh -c "$2" & sleep "$3"; kill -9 -- "-$!"; wait; exit 0'
        rig.do(Script(cut, (leader.subject.data, command, f"0.{delay:03}")))
        leader.configure(wiring, {"archive_mode": "on"})
        leader.sql("SELECT pg_reload_conf()")
        wait(lambda name=name: not leader.waiting(name), leader.why)
    facts, _ = rig.look(leader.line)
    assert facts["archive_missing"] == ""
    rig.do(rig.archive.verify(leader.line, leader.subject, "first"))


# Base backups.


def test_a_base_backup_is_listed_and_verified(leader: Leader) -> None:
    kept = leader.backup("listed")
    assert kept.began_at < kept.ended_at
    assert kept.first_wal <= kept.last_wal
    assert kept.bytes > 10_000_000
    leader.rig.do(leader.rig.archive.verify(leader.line, leader.subject, "listed"))
    facts, backups = leader.rig.look(leader.line)
    assert int(facts["archive_backups"]) == len(backups)
    assert backups == sorted(backups, key=lambda one: one.began_at)


def test_a_base_backup_that_is_there_stays_as_it_is(leader: Leader) -> None:
    once = leader.backup("once")
    assert leader.backup("once") == once


def test_a_base_backup_that_is_killed_is_not_listed_and_made_anew(leader: Leader) -> None:
    rig = leader.rig
    script = rig.archive.backup(leader.line, leader.subject, "killed")
    running = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ 'pg_basebackup|pgBackRest'"
    for _ in range(3):
        job(rig, "killed", script)
        wait(lambda: leader.sql(running) != "0")
        jobs.clean(rig.shell, str(rig.shell.home), "killed")
        assert "killed" not in [kept.label for kept in rig.look(leader.line)[1]]
    rig.do(rig.archive.forget(leader.line, "killed"))
    job(rig, "killed", script)
    assert job_ended(rig, "killed") == jobs.Look(jobs.DONE)
    assert "killed" in [kept.label for kept in rig.look(leader.line)[1]]
    rig.do(rig.archive.forget(leader.line, "killed"))
    rig.do(rig.archive.verify(leader.line, leader.subject, "killed"))


def test_what_is_not_listed_is_not_restored(leader: Leader) -> None:
    rig = leader.rig
    subject = rig.subject("nowhere")
    said = rig.refused(rig.archive.restore(leader.line, subject, "unheard-of", subject.data))
    assert "no base backup unheard-of" in said
    assert not Path(subject.data).exists()


def test_a_base_backup_holds_neither_keys_nor_passwords(leader: Leader) -> None:
    """They lie beside the data, and whoever reads an archive need not be who may know them."""
    rig, subject = leader.rig, leader.subject
    beside = commands.files(subject, SIZING, True) | shown(subject)
    beside |= replication.files(replication.leader(), "replica-secret-77")
    secret = {name for name, text in beside.items() if "PRIVATE KEY" in text or "replica-secret-77" in text}
    assert len(secret) == 2
    planted = secret | {"pgbackrest.conf"}
    rig.do(Script('cd "$1" && shift && touch "$@"', (subject.data, *planted)))
    leader.backup("clean")
    rig.do(rig.archive.verify(leader.line, subject, "clean"))
    restored = rig.restored(leader.line, "clean", "clean-copy")
    assert Path(restored.subject.data, "global/pg_control").exists()
    assert not [name for name in planted if Path(restored.subject.data, name).exists()]
    rig.do(Script('cd "$1" && shift && rm -f "$@"', (subject.data, *secret)))


# Restore.


def test_a_restore_that_is_killed_is_finished_by_the_next(leader: Leader) -> None:
    rig = leader.rig
    subject = rig.subject("cutoff")
    script = rig.archive.restore(leader.line, subject, "first", subject.data)
    folder = Path(f"{subject.data}.new")
    for _ in range(3):
        job(rig, "restore", script)
        wait(lambda: folder.exists() or Path(subject.data).exists())
        jobs.clean(rig.shell, str(rig.shell.home), "restore")
        assert not Path(subject.data).exists() or (Path(subject.data) / "backup_label").exists()
    job(rig, "restore", script)
    assert job_ended(rig, "restore") == jobs.Look(jobs.DONE)
    restored = Leader(rig, subject, leader.line)
    restored.recover([leader.line])
    assert restored.sql("SELECT count(*) > 2 FROM numbered") == "t"
    rig.do(script)
    assert restored.sql("SELECT count(*) > 2 FROM numbered") == "t"
    restored.stop()


def test_a_restore_spares_what_is_there(leader: Leader) -> None:
    subject = leader.rig.subject("taken")
    leader.rig.do(Script('mkdir -p "$1"; echo dear > "$1/diary"', (subject.data,)))
    said = leader.rig.refused(leader.rig.archive.restore(leader.line, subject, "first", subject.data))
    assert "something else" in said
    assert Path(subject.data, "diary").read_text() == "dear\n"


def test_a_disk_without_room_is_told_before_anything_is_written(leader: Leader) -> None:
    rig = leader.rig
    subject = rig.subject("full")
    path = rig.program("df", FULL)
    said = rig.refused(rig.archive.restore(leader.line, subject, "first", subject.data), path)
    assert "no room" in said
    assert not Path(subject.data).exists()
    assert not Path(f"{subject.data}.new").exists()


def test_what_is_restored_can_not_start_by_itself(leader: Leader) -> None:
    """It would archive where its original does."""
    restored = leader.rig.restored(leader.line, "first", "idle")
    files = {path.name for path in Path(restored.subject.data).iterdir()}
    assert not files & {"postgresql.conf", "herdsite.conf", "recovery.signal", "standby.signal", "postmaster.pid"}
    assert Path(restored.subject.data, "postgresql.auto.conf").read_text() == ""


@pytest.mark.timeout(600)
def test_recovery_to_any_instant_has_the_rows_committed_by_then(rig: Rig) -> None:
    leader = rig.leader("instants", track_commit_timestamp="on")
    leader.sql("CREATE TABLE numbered (n bigint)")
    leader.backup("base")
    batch = "".join(f"INSERT INTO numbered VALUES ({n}); SELECT pg_sleep(0.002);\n" for n in range(100))
    for _ in range(4):
        leader.sql(batch)
        leader.archived()
    committed = "extract(epoch FROM pg_xact_commit_timestamp(xmin))"
    commits = [float(at) for at in leader.sql(f"SELECT {committed} FROM numbered ORDER BY 1").splitlines()]
    leader.stop()
    dice = random.Random(42)
    for turn in range(20 if rig.archive.name == "directory" else 4):
        target = dice.uniform(commits[0] - 0.001, commits[-1])
        restored = rig.restored(leader.line, "base", f"instant-{turn}")
        at = datetime.fromtimestamp(target, UTC).isoformat()
        restored.recover([leader.line], {"recovery_target_time": at})
        rows = restored.sql("SELECT count(*) FROM numbered")
        assert int(rows) == sum(commit <= float(f"{target:.6f}") for commit in commits), at
        restored.stop()
        shutil.rmtree(restored.subject.data)


# Lines.


@pytest.mark.timeout(300)
def test_a_fork_writes_its_own_line_and_reads_its_parents(rig: Rig) -> None:
    parent = rig.leader("parent")
    parent.sql("CREATE TABLE numbered (n bigint)")
    parent.backup("base")
    parent.sql("INSERT INTO numbered VALUES (1)")
    parent.archived()

    child = rig.restored(parent.line, "base", "child")
    own = Line("child", 2, str(child.subject.id), parent.sql("SELECT system_identifier FROM pg_control_system()"))
    rig.do(rig.archive.prepare(own, child.subject))
    child.line = own
    before = everything(parent)
    child.recover([own, parent.line], rig.archive.writing(own, child.subject), {"archive_mode": "on"})
    child.sql("INSERT INTO numbered VALUES (2)")
    last = child.archived()
    assert last.startswith("00000002")
    assert rig.stored(own, last).exists()
    assert everything(parent) == before, "the fork wrote into its parent's line"
    parent.sql("INSERT INTO numbered VALUES (3)")
    parent.archived()

    again = rig.restored(parent.line, "base", "again")
    again.recover([own, parent.line])
    assert again.sql("SELECT string_agg(n::text, ' ' ORDER BY n) FROM numbered") == "1 2"
    facts, _ = rig.look(own)
    assert (facts["archive_last"], facts["archive_missing"]) == (last, "")

    elder = rig.restored(parent.line, "base", "elder")
    elder.recover([parent.line])
    assert elder.sql("SELECT string_agg(n::text, ' ' ORDER BY n) FROM numbered") == "1 3"
    child.backup("own")
    rig.do(rig.archive.verify(own, child.subject, "own"))
    for one in (parent, child, again, elder):
        one.stop()


def everything(leader: Leader) -> list[tuple[str, bytes]]:
    """The files of the line's WAL, with their content."""
    folder = leader.rig.stored(leader.line, "x").parent
    return sorted((str(path), path.read_bytes()) for path in folder.rglob("*") if path.is_file())
