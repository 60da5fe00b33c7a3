"""`manage.py check` finds what is wrong before a beat does; each check fires, and says what to do."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.checks import CheckMessage, registry, run_checks

import fleet.checks
import herdsite.checks
import observations.checks
from fleet import policy
from fleet.conditions import always, yes
from fleet.providers.local import spawn
from fleet.rules import Rule, do
from fleet.think import LIFE
from herdsite import storages, wiring
from observations.probes.table import PROBES


def told(found: list[CheckMessage]) -> set[str]:
    for message in found:
        assert message.hint, f"{message.id} does not say what to do"
    return {message.id for message in found}


def words(found: list[CheckMessage]) -> str:
    return " ".join(message.msg for message in found)


def test_as_it_is_all_is_well() -> None:
    assert run_checks(include_deployment_checks=False) == []


def test_every_check_of_ours_is_registered() -> None:
    ours = {fleet.checks.tables, fleet.checks.leases, observations.checks.probes}
    ours |= {herdsite.checks.turns, herdsite.checks.vantage, herdsite.checks.keys, herdsite.checks.archive}
    assert ours <= set(registry.registry.get_checks())
    assert herdsite.checks.production not in registry.registry.get_checks()
    assert herdsite.checks.production in registry.registry.get_checks(include_deployment_checks=True)


def test_a_row_that_names_no_action(monkeypatch) -> None:
    row = Rule(1, "available", yes("ssh"), do("dance"), "why not")
    monkeypatch.setitem(LIFE, "server", (row, *LIFE["server"]))
    found = fleet.checks.tables()
    assert told(found) == {"herdsite.E001"}
    assert words(found) == "server row 1: there is no action 'dance'"
    assert "fleet/think/server.py" in str(found[0].hint)


def test_an_action_that_another_kind_has_is_none(monkeypatch) -> None:
    row = Rule(1, "available", yes("ssh"), do("place"), "why not")
    monkeypatch.setitem(LIFE, "server", (row, *LIFE["server"]))
    assert told(fleet.checks.tables()) == {"herdsite.E001"}


def test_a_row_that_acts_on_nothing(monkeypatch) -> None:
    row = Rule(1, "available", always, do("create_machine"), "why not")
    monkeypatch.setitem(LIFE, "server", (row, *LIFE["server"]))
    assert "acts although nothing is known" in words(fleet.checks.tables())


def test_a_lease_that_its_beat_outlasts(monkeypatch) -> None:
    monkeypatch.setattr(policy, "LEASE_MARGIN_S", 0.0)
    assert told(fleet.checks.leases()) == {"herdsite.E002"}
    monkeypatch.setattr(policy, "LEASE_MARGIN_S", 0.5)
    assert fleet.checks.leases() == []


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"kind": "planet"}, "looks at 'planet'"),
        ({"over": "smoke"}, "goes over 'smoke'"),
        ({"timeout": 99.0}, "may take 99 s, and its wire has"),
        ({"fills": ("happiness",)}, "fills 'happiness', which is not in the catalogue"),
        ({"states": ("asleep",)}, "is for 'asleep', a state that a server does not have"),
    ],
)
def test_a_probe_that_nobody_could_use(changes: dict[str, Any], wrong: str, monkeypatch) -> None:
    first = next(probe for probe in PROBES if probe.kind == "server")
    monkeypatch.setattr(observations.checks, "PROBES", (*PROBES, replace(first, name="odd", **changes)))
    found = observations.checks.probes()
    assert told(found) == {"herdsite.E003"}
    assert wrong in words(found)


def test_two_probes_of_one_name(monkeypatch) -> None:
    monkeypatch.setattr(observations.checks, "PROBES", (*PROBES, PROBES[0]))
    assert words(observations.checks.probes()) == f"There is more than one probe {PROBES[0].name!r}."


@pytest.mark.parametrize(
    ("cluster", "wrong"),
    [
        ({"timeout": 21}, "a turn may take"),
        ({"retry": 60, "timeout": 60}, "the retry of 60 s must be above its timeout of 60 s"),
        ({"max_attempts": 2}, "max_attempts must be 1, it is 2"),
        ({"ack_failures": False}, "ack_failures must be True, it is False"),
        ({"save_limit": 250}, "save_limit must be -1, it is 250"),
    ],
)
def test_a_cluster_that_would_end_a_turn_or_double_it(cluster: dict[str, Any], wrong: str, settings) -> None:
    clusters = settings.Q_CLUSTER["ALT_CLUSTERS"]
    settings.Q_CLUSTER = settings.Q_CLUSTER | {"ALT_CLUSTERS": clusters | {"work": clusters["work"] | cluster}}
    found = herdsite.checks.turns()
    assert told(found) == {"herdsite.E004"}
    assert f"Q_CLUSTER for 'work': {wrong}" in words(found)


def test_a_turn_whose_budget_leaves_no_time_for_its_last_beat(settings) -> None:
    settings.TURN_BUDGET_S = 59
    assert len(herdsite.checks.turns()) == len(policy.QUEUES)


@pytest.mark.parametrize("workers", [0, -1])
def test_a_queue_without_workers(workers: int, settings) -> None:
    settings.QUEUES = settings.QUEUES | {"suspect": {"workers": workers, "threads": 8}}
    found = herdsite.checks.turns()
    assert told(found) == {"herdsite.E005"}
    assert "HERDSITE_SUSPECT_WORKERS" in str(found[0].hint)


@pytest.mark.parametrize("vantage", ["", "zone/a", "x" * 71])
def test_a_vantage_that_can_be_none(vantage: str, settings) -> None:
    settings.VANTAGE = vantage
    assert told(herdsite.checks.vantage()) == {"herdsite.E006"}


def test_a_key_that_is_none(settings) -> None:
    settings.FERNET_KEYS = [*settings.FERNET_KEYS, "hunter2"]
    found = herdsite.checks.keys()
    assert told(found) == {"herdsite.E007"}
    assert words(found) == "Encryption key 2 of 2 is not a Fernet key."
    assert "hunter2" not in words(found)


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, set()),
        ({"FERNET_KEYS": []}, {"herdsite.E008"}),
        ({"SECRET_KEY": ""}, {"herdsite.E009"}),
        ({"DEBUG": True}, {"herdsite.E010"}),
    ],
)
def test_what_must_not_go_into_production(changes: dict[str, Any], ids: set[str], monkeypatch) -> None:
    deployed = LazySettings()
    deployed.configure(**({"FERNET_KEYS": ["a key"], "SECRET_KEY": "another", "DEBUG": False} | changes))
    monkeypatch.setattr(herdsite.checks, "settings", deployed)
    assert told(herdsite.checks.production()) == ids


@pytest.mark.parametrize(
    ("name", "root", "wrong"),
    [
        ("tape", "/srv/archive", "There is no archive 'tape'"),
        ("directory", "archive", "no absolute path"),
        ("directory", '/srv/"archive"', "would trip over"),
        ("pgbackrest", "/srv/archive", "says nothing about pgBackRest"),
    ],
)
def test_an_archive_that_can_not_be(name: str, root: str, wrong: str, settings) -> None:
    settings.ARCHIVE, settings.ARCHIVE_ROOT, settings.PGBACKREST = name, root, "/nowhere/pgbackrest.conf"
    found = herdsite.checks.archive()
    assert told(found) == {"herdsite.E016"}
    assert wrong in words(found)


@pytest.mark.parametrize("name", ["", "directory", "pgbackrest"])
def test_an_archive_that_can_be(name: str, settings, tmp_path) -> None:
    file = tmp_path / "pgbackrest.conf"
    file.write_text("[global]\nrepo1-path=/repo\n")
    settings.ARCHIVE, settings.ARCHIVE_ROOT, settings.PGBACKREST = name, "/srv/an archive", str(file)
    assert herdsite.checks.archive() == []


@pytest.mark.parametrize("text", [None, "no json", '{"mine": {"adress": "127.0.0.1"}}', '{"mine": {}}'])
def test_adopted_hosts_that_can_not_be_read_where_the_settings_say(text: str | None, settings, tmp_path) -> None:
    settings.SSH_HOSTS = tmp_path / "own-hosts.json"
    if text is not None:
        settings.SSH_HOSTS.write_text(text)
    found = herdsite.checks.adopted()
    assert told(found) == {"herdsite.E018"}
    assert "own-hosts.json" in words(found)


def test_where_nobody_named_a_list_of_hosts_there_are_none(settings, tmp_path) -> None:
    settings.VAR, settings.SSH_HOSTS = tmp_path, tmp_path / "hosts.json"
    assert herdsite.checks.adopted() == []
    settings.SSH_HOSTS.write_text('{"mine": {"address": "127.0.0.1"}}')
    assert herdsite.checks.adopted() == []


@pytest.mark.parametrize(
    ("mode", "right"), [(0o777, True), (0o703, True), (0o755, False), (0o700, False), (None, False)]
)
def test_an_archive_that_adopted_hosts_can_not_write(settings, way, mode, right) -> None:
    spawn.ensure_owner()
    settings.ROLE, settings.ARCHIVE, settings.ARCHIVE_ROOT = "worker", "directory", way / "archive"
    settings.HOSTS_ROOT = way / "hosts"
    settings.SSH_HOSTS = way / "hosts.json"
    settings.SSH_HOSTS.write_text('{"rack-1": {"address": "127.0.0.1", "user": "daemon"}}')
    if mode is not None:
        settings.ARCHIVE_ROOT.mkdir()
        settings.ARCHIVE_ROOT.chmod(mode)
    settings.STORAGES = settings.STORAGES | {"backups": storages.backups("s3://bucket/prefix")}
    found = herdsite.checks.shared_folders()
    assert told(found) == (set() if right else {"herdsite.E019"})
    assert right or "daemon" in words(found) and str(settings.ARCHIVE_ROOT) in words(found)
    settings.ARCHIVE = "pgbackrest"
    assert herdsite.checks.shared_folders() == []


FOLDERS = ("HERDSITE_ARCHIVE_ROOT", "HERDSITE_BACKUPS")


@pytest.mark.parametrize("setting", FOLDERS)
@pytest.mark.parametrize("closed", range(4))
def test_every_folder_above_where_hosts_write_has_to_let_them_pass(settings, way, setting: str, closed: int) -> None:
    """The last of the four is the folder itself. The user of an adopted host, and the account of local hosts."""
    folder = way / "a/b/c/last"
    folder.mkdir(parents=True)
    for part in (folder, *folder.parents[:3]):
        part.chmod(0o777)
    where(settings, way, setting, folder)
    assert herdsite.checks.shared_folders() == []
    barred = (*reversed(folder.parents[:3]), folder)[closed]
    barred.chmod(0o700)
    found = herdsite.checks.shared_folders()
    assert len(found) == len(users()) and told(found) == {"herdsite.E019"}
    for message, user in zip(found, users(), strict=True):
        assert user in message.msg and f"{barred} " in message.msg and setting in (message.hint or "")
    settings.ROLE = "web"
    assert herdsite.checks.shared_folders() == []


@pytest.mark.parametrize("setting", FOLDERS)
def test_a_folder_that_is_not_there_yet_is_looked_for_from_above(settings, way, setting: str) -> None:
    (way / "above").mkdir(mode=0o700)
    where(settings, way, setting, way / "above/below/last")
    found = herdsite.checks.shared_folders()
    assert [message.msg.split()[5] for message in found if "above does not let" in message.msg] == users()


@pytest.mark.parametrize("adopted", [False, True])
def test_what_is_made_at_its_first_use_bars_nobody_for_whom_it_is_made(settings, way, adopted: bool) -> None:
    """As `bin/up` finds it: neither the archive nor the logical backups below it are there, and root owns the rest."""
    way.chmod(0o755)
    where(settings, way, "HERDSITE_BACKUPS", way / "archive/logical-backups")
    settings.ARCHIVE, settings.ARCHIVE_ROOT = "directory", way / "archive"
    if not adopted:
        settings.SSH_HOSTS.unlink()
    found = herdsite.checks.shared_folders()
    assert [message.msg.split()[5] for message in found] == (["abroad", "daemon"] if adopted else [])
    assert all("HERDSITE_ARCHIVE_ROOT" in (message.hint or "") for message in found)


def users() -> list[str]:
    """Who can't enter what only the account of the tests may."""
    return sorted({"daemon", spawn.owner().pw_name if os.geteuid() == 0 else "daemon"})


def where(settings, way: Path, setting: str, folder: Path) -> None:
    """Hosts of both kinds write there, and else nowhere."""
    spawn.ensure_owner()
    settings.ROLE, settings.ARCHIVE, settings.HOSTS_ROOT = "worker", "", way
    settings.SSH_HOSTS = way / "hosts.json"
    settings.SSH_HOSTS.write_text(
        '{"rack-1": {"address": "127.0.0.1", "user": "daemon"}, "rack-2": {"user": "abroad"}}'
    )
    place = "s3://bucket/prefix"
    if setting == "HERDSITE_ARCHIVE_ROOT":
        settings.ARCHIVE, settings.ARCHIVE_ROOT = "directory", folder
    else:
        place = str(folder)
    settings.STORAGES = settings.STORAGES | {"backups": storages.backups(place)}


@pytest.fixture
def way() -> Iterator[Path]:
    """A folder that everybody can get to: what pytest gives has folders above that only its own account enters."""
    with TemporaryDirectory(prefix="herdsite-way-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_an_archive_that_hosts_can_use_is_left_as_it_is(settings, way) -> None:
    """Also where it is root's: who made it so has hosts of other accounts write there, too."""
    spawn.ensure_owner()
    settings.ARCHIVE_ROOT = way / "archive"
    settings.ARCHIVE_ROOT.mkdir()
    settings.ARCHIVE_ROOT.chmod(0o777)
    assert wiring.directory_archive().root == str(settings.ARCHIVE_ROOT)
    assert settings.ARCHIVE_ROOT.stat().st_mode & 0o777 == 0o777


def test_an_archive_that_is_somebody_elses_is_left_as_it_is(settings, tmp_path, monkeypatch) -> None:
    spawn.ensure_owner()
    settings.ARCHIVE_ROOT = tmp_path / "archive"
    settings.ARCHIVE_ROOT.mkdir()
    settings.ARCHIVE_ROOT.chmod(0o750)
    monkeypatch.setattr(wiring, "_our_uids", lambda: {-1})
    assert wiring.directory_archive().root == str(settings.ARCHIVE_ROOT)
    assert settings.ARCHIVE_ROOT.stat().st_mode & 0o777 == 0o750
