"""How full a disk is is read by names: nothing that a device, a mount point or a language is called can move it."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fleet.disks import DISK

ROOT = Path(__file__).parents[2]
SOURCES = [path for app in ("fleet", "observations", "incidents", "herdsite") for path in (ROOT / app).rglob("*.py")]
# The one function that asks, and the df of a local host, which answers.
MAY = {"fleet/disks.py", "fleet/providers/local/disk.py"}
CALLS = re.compile(r"(?:^|[\s;|&(`])df\s")
ASKS = 'disk_of "$1" && echo "$disk_total $disk_used $disk_free"'
# What a df says that knows columns by name, in whatever language; and what none says that does.
GOOD = {
    "plain": r"1K-blocks Used Avail\n1000 400 550\n",
    "another language": r"1K-Bl\303\266cke Benutzt Verf\303\274gbar\n1000 400 550\n",
    "wide": r"         1K-blocks                Used               Avail\n    1000      400      550\n",
}
POOR = {
    "no such option": "",
    "a pseudo file system": r"1K-blocks Used Avail\n- - -\n",
    "a line of its own for a long name": r"Filesystem 1K-blocks Used Available Use%% Mounted on\n/dev/mapper/long\n",
}
BY_POSITION = {
    "spaces in both names": r"//nas/my disk 2 1000 400 550 43%% /my 5 disk",
    "a share in a name": r"/dev/9%% x 1000 400 550 43%% /data",
}
OF_STAT = "echo 4096 250 150 125"


def test_no_script_reads_df_by_itself() -> None:
    assert len(SOURCES) > 100
    found = []
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        tree = ast.parse(path.read_text())
        words = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in words
        ]
        found += [name for text in texts if CALLS.search(text) and name not in MAY]
    assert found == []


def said(tmp_path: Path, df: str, stat: str, path: str = "/") -> str:
    """What disk_of makes of a host with these two programs."""
    for name, body in (("df", df), ("stat", stat)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.defpath}", "LANG": "de_DE.UTF-8"}
    argv = ["sh", "-euc", DISK + ASKS, "sh", path]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False).stdout.strip()


@pytest.mark.parametrize("out", GOOD.values(), ids=GOOD)
def test_columns_are_known_by_their_names(tmp_path: Path, out: str) -> None:
    assert said(tmp_path, f"printf '{out}'", "exit 1") == "1000 400 550"


@pytest.mark.parametrize("out", POOR.values(), ids=POOR)
def test_where_df_knows_no_names_the_file_system_itself_is_asked(tmp_path: Path, out: str) -> None:
    assert said(tmp_path, f"printf '{out}'", OF_STAT) == "1000 400 500"


@pytest.mark.parametrize("line", BY_POSITION.values(), ids=BY_POSITION)
def test_an_old_df_is_read_around_its_percentage(tmp_path: Path, line: str) -> None:
    head = r"Filesystem 1024-blocks Used Available Capacity Mounted on\n"
    assert said(tmp_path, f"printf '{head}{line}\\n'", "exit 1") == "1000 400 550"


def test_what_nobody_tells_is_not_made_up(tmp_path: Path) -> None:
    assert said(tmp_path, "exit 1", "exit 1") == ""


def test_a_real_one_is_measured_in_a_folder_with_a_space(tmp_path: Path) -> None:
    folder = tmp_path / "my disk"
    folder.mkdir()
    total, _used, free = (
        int(word) for word in said(tmp_path, f'exec {shutil.which("df")} "$@"', "exit 1", str(folder)).split()
    )
    assert total == pytest.approx(shutil.disk_usage(folder).total / 1024, rel=0.01) and 0 < free <= total
