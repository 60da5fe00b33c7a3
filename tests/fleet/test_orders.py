"""Orders to hosts: what changes something there begins with the prologue, and what came late does nothing."""

import inspect
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from fleet.orders import Order
from fleet.postgres import commands, scripts
from fleet.postgres.commands import Script
from fleet.postgres.config import Sizing
from fleet.postgres.prologue import LATE, SUPERSEDED
from fleet.subject import INSTANCE, Subject
from tests.worlds import NOW

# What is no order: it only looks.
READING = {scripts.PARTED, scripts.END, scripts.AS_DEPUTY}
BOOT = "a-run-of-the-host"


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    home = tmp_path / "host"
    data = home / "instances" / "shop-1" / "data"
    data.mkdir(parents=True)
    return Subject(
        INSTANCE,
        uuid4(),
        "shop-1",
        "available",
        NOW,
        major=17,
        home=str(home),
        bin=str(tmp_path / "bin"),
        data=str(data),
    )


GIVEN: dict[str, Any] = {
    "sizing": Sizing(128, 4, 1024),
    "verifier": "SCRAM",
    "certificate": None,
    "beside": {},
    "conninfo": "host=nobody",
    "slot": "shop_1",
    "mode": commands.COPY,
    "backup": Script("true", ()),
    "recovery": {},
    "also": "",
    "generation": 2,
    "old": "/old/bin",
    "patience_s": 1,
    "job": "shop-1-build",
    "database": "shop",
    "owner": "u_shop",
    "sql": "SELECT 1",
    "push": "true",
    "segments": ("0" * 24,),
}


def made(subject: Subject) -> dict[str, Script]:
    """Every script that commands can make, by the name of the function."""
    found = {}
    for name, function in inspect.getmembers(commands, inspect.isfunction):
        wants = inspect.signature(function)
        ours = function.__module__ == commands.__name__ and wants.return_annotation in (Script, "Script")
        if ours and "subject" in wants.parameters:
            found[name] = function(subject, **{one: GIVEN[one] for one in wants.parameters if one in GIVEN})
    return found


def test_every_script_that_changes_something_begins_with_the_prologue_and_bears_its_order(subject: Subject):
    ordered = replace(subject, order=Order(7, "a-plane", 3, BOOT, 12.9))
    scripts_ = made(ordered)
    assert len(scripts_) > 15
    for name, script in scripts_.items():
        if script.text in READING:
            continue
        assert script.text.startswith(scripts.ORDERED), f"{name} changes a host without looking at its order"
        assert script.args[2] == f"a-plane 3 7 {BOOT} 12", name


def heeds(subject: Subject, order: Order, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The prologue alone, on a host whose run is BOOT."""
    (tmp_path / "boot_id").write_text(f"{BOOT}\n")
    argv = ["sh", "-c", f"{scripts.ORDERED}\necho taken", "herdsite", subject.bin, subject.data, str(order)]
    return subprocess.run(argv, capture_output=True, text=True, env={"BOOT_ID_FILE": str(tmp_path / "boot_id")})


def uptime_s() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


BEFORE = Order(5, "a", 2)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (Order(5, "a", 2), 0),
        (Order(6, "a", 2), 0),
        (Order(5, "a", 3), 0),
        (Order(4, "a", 2), SUPERSEDED),
        (Order(4, "a", 3), SUPERSEDED),
        (Order(6, "a", 1), SUPERSEDED),
        (Order(6, "b", 9), SUPERSEDED),
        (Order(), SUPERSEDED),
    ],
)
def test_a_host_takes_no_older_order_and_none_of_another_herdsite(
    subject: Subject, tmp_path: Path, order: Order, code: int
):
    assert heeds(subject, BEFORE, tmp_path).stdout == "taken\n"
    said = heeds(subject, order, tmp_path)
    assert (said.returncode, said.stdout) == (code, "" if code else "taken\n")
    kept = Path(f"{subject.data}.orders").readlink()
    newest = BEFORE if code else order
    assert str(kept) == f"{newest.plane} {newest.reign} {newest.epoch}"


@pytest.mark.parametrize(("boot", "left_s", "code"), [(BOOT, 60, 0), (BOOT, -1, LATE), ("another-run", 60, LATE)])
def test_an_order_that_comes_late_does_nothing(subject: Subject, tmp_path: Path, boot: str, left_s: int, code: int):
    said = heeds(subject, Order(5, "a", 2, boot, uptime_s() + left_s), tmp_path)
    assert (said.returncode, said.stdout) == (code, "" if code else "taken\n")
    assert Path(f"{subject.data}.orders").is_symlink() is not bool(code)


def test_an_order_ends_no_later_than_the_right_to_give_it():
    assert str(Order(1, "a", 1, BOOT, 99.99)).endswith(" 99")


def test_a_data_directory_that_is_replaced_takes_no_older_order_either(subject: Subject, tmp_path: Path):
    assert heeds(subject, BEFORE, tmp_path).returncode == 0
    Path(subject.data).rmdir()
    assert heeds(subject, replace(BEFORE, epoch=4), tmp_path).returncode == SUPERSEDED
