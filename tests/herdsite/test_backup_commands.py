"""The commands about logical backups: what they print, what they ask for, and what they say to a wrong word."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper

from fleet import intents, logical
from fleet.intents import AskError
from fleet.models import Backup, Intent
from herdsite import waiting
from tests import factories
from tests.herd import again, change

pytestmark = pytest.mark.django_db
SURE = {"confirm": "shop", "reason": "a test"}


def said(*words: str, **options) -> str:
    out = StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def shop():
    return factories.resource(name="shop", customer=factories.customer(name="ada"))


@pytest.fixture
def backup(shop) -> Backup:
    made = logical.begin(shop, datetime.now(UTC))
    change(made, state="kept", bytes=12_345_678, began_at=datetime(2026, 11, 21, 3, 4, tzinfo=UTC))
    return again(made)


def test_dump_asks(shop) -> None:
    assert said("dump", "shop", "--reason", "before the release").startswith("requested: dump shop (")
    intent = Intent.objects.get(subject=shop.pk)
    assert (intent.verb, intent.reason) == ("dump", "before the release")


def test_backup_asks_for_a_base_backup(shop) -> None:
    change(shop.instance.timeline, archive="directory")
    assert said("backup", "shop").startswith("requested: backup shop (")
    assert Intent.objects.get(subject=shop.pk).verb == "backup"


def test_only_databases_have_backups(shop) -> None:
    for command in ("dump", "backups"):
        with pytest.raises(CommandError, match="is of kind instance: name the database"):
            said(command, shop.instance.name)
        with pytest.raises(CommandError, match="There is no 'shap'. Did you mean shop"):
            said(command, "shap")


def test_backups_lists(backup: Backup) -> None:
    running = logical.begin(backup.resource, datetime.now(UTC))
    change(
        running,
        state="uploading",
        attrs=running.attrs | {"of_bytes": "4000000"},
        facts={"taken_what": "dumping", "taken_bytes": "1000000", "taken_s": "2"},
    )
    change(backup, keep_until=datetime(2026, 12, 21, tzinfo=UTC))
    assert said("backups", "shop").splitlines() == [
        "shop-dump-2  Uploading  dumping 976.6 KB of 3.8 MB, 488.3 KB/s, 6 s left",
        "shop-dump-1  Kept  11.8 MB  of 2026-11-21 03:04 UTC, kept until 2026-12-21",
    ]


def test_backups_of_none(shop) -> None:
    assert "shop has no logical backup yet" in said("backups", "shop")


def test_restore_asks(backup: Backup) -> None:
    assert said("restore_backup", backup.name, "--into", "shop", **SURE).startswith("requested: load shop (")
    intent = Intent.objects.get(subject=backup.resource.pk)
    assert (intent.verb, intent.params, intent.reason) == ("load", {"backup": "shop-dump-1"}, "a test")


def test_restore_wants_the_name_and_a_reason(backup: Backup) -> None:
    for missing in ("confirm", "reason"):
        with pytest.raises(CommandError, match="To load shop"):
            said("restore_backup", backup.name, "--into", "shop", **(SURE | {missing: ""}))
    assert not Intent.objects.exists()


def test_restore_is_refused_before_anything_starts(backup: Backup) -> None:
    factories.resource(name="other")
    sure = SURE | {"confirm": "other"}
    with pytest.raises(CommandError, match="There is no logical backup 'nothing'"):
        said("restore_backup", "nothing", "--into", "other", **sure)
    with pytest.raises(CommandError, match="shop-dump-1 is ada's and other is"):
        said("restore_backup", backup.name, "--into", "other", **sure)
    assert not Intent.objects.exists()
    said("restore_backup", backup.name, "--into", "other", "--across-customers", **sure)
    assert Intent.objects.get().params == {"backup": "shop-dump-1", "across_customers": True}


def test_import_asks_for_what_may_be_fetched(shop, settings) -> None:
    settings.IMPORT_HOSTS = ["dumps.example.com"]
    with pytest.raises(CommandError, match="Nothing may be fetched from example.com"):
        said("import_dump", "shop", "--from", "https://example.com/x", **SURE)
    said("import_dump", "shop", "--from", "https://dumps.example.com/x", **SURE)
    assert Intent.objects.get().params == {"url": "https://dumps.example.com/x"}


def test_a_link_is_made(backup: Backup, settings) -> None:
    settings.URL = "https://herd.example"
    assert said("backup_link", backup.name).startswith("https://herd.example/downloads?token=")
    with pytest.raises(CommandError, match="no logical backup 'nothing' that is kept"):
        said("backup_link", "nothing")


# Waiting.


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Passing:
    """Time that passes in steps: each `sleep` does the next thing."""

    def __init__(self, *steps) -> None:
        self.now, self.steps = 0.0, list(steps)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.steps:
            self.steps.pop(0)()


def test_waiting_shows_how_far_it_is(backup: Backup, monkeypatch) -> None:
    change(backup, state="started", attrs=backup.attrs | {"of_bytes": "2048"})
    felt = {"taken_what": "dumping", "taken_bytes": "1024", "taken_s": "1"}
    steps = (
        lambda: change(backup, state="uploading", facts=felt),
        lambda: None,
        lambda: change(backup, state="kept", bytes=1536),
    )
    monkeypatch.setattr(waiting, "time", Passing(*steps))
    out = StringIO()
    waiting.for_backup(again(backup), 60, waiting_out(out))
    assert out.getvalue().splitlines() == [
        "shop-dump-1  Started",
        "shop-dump-1  Uploading  dumping 1.0 KB of 2.0 KB, 1.0 KB/s, 1 s left",
        "shop-dump-1  Kept  1.5 KB",
    ]


def waiting_out(out: StringIO):
    return OutputWrapper(out)


def test_a_terminal_has_one_line_that_is_written_over(backup: Backup, monkeypatch) -> None:
    change(backup, state="started")
    monkeypatch.setattr(waiting, "time", Passing(lambda: change(backup, state="kept", bytes=1536)))
    out = Terminal()
    waiting.for_backup(again(backup), 60, waiting_out(out))
    assert out.getvalue() == "\r\x1b[Kshop-dump-1  Started\r\x1b[Kshop-dump-1  Kept  1.5 KB\n"


def test_waiting_ends_with_a_failure_or_with_patience(backup: Backup, monkeypatch) -> None:
    change(backup, state="failed", problem="pg_dump: no room")
    with pytest.raises(CommandError, match="shop-dump-1 failed: pg_dump: no room"):
        waiting.for_backup(again(backup), 60, waiting_out(StringIO()))
    change(backup, state="uploading")
    monkeypatch.setattr(waiting, "time", Passing())
    with pytest.raises(CommandError, match="is not kept after 3 s; the backup goes on"):
        waiting.for_backup(again(backup), 3, waiting_out(StringIO()))


def test_the_same_key_asks_once_and_what_is_gone_is_not_filled(backup: Backup) -> None:
    sure = SURE | {"actor": "ada"}
    first = intents.ask(backup.resource, "load", params={"backup": backup.name}, key="k", **sure)
    assert intents.ask(backup.resource, "load", params={"backup": backup.name}, key="k", **sure).pk == first.pk
    change(backup.resource, state="destroying")
    with pytest.raises(AskError, match="nothing can be asked of it any more"):
        intents.ask(again(backup.resource), "load", params={"backup": backup.name}, **sure)


@pytest.mark.parametrize(("state", "says"), [("done", None), ("refused", "load shop was refused: no room")])
def test_waiting_for_an_answer(shop, monkeypatch, state: str, says: str | None) -> None:
    intent = Intent.objects.create(kind="resource", subject=shop.pk, name="shop", verb="load", actor="ada")
    monkeypatch.setattr(waiting, "time", Passing(lambda: change(intent, state=state, answer="no room")))
    if says:
        with pytest.raises(CommandError, match=says):
            waiting.for_answer(intent, 60, waiting_out(Terminal()))
    else:
        assert waiting.for_answer(intent, 60, waiting_out(StringIO())) == "no room"


def test_an_answer_that_does_not_come(shop, monkeypatch) -> None:
    intent = Intent.objects.create(kind="resource", subject=shop.pk, name="shop", verb="load", actor="ada")
    monkeypatch.setattr(waiting, "time", Passing())
    with pytest.raises(CommandError, match="the request stays open"):
        waiting.for_answer(intent, 3, waiting_out(StringIO()))
