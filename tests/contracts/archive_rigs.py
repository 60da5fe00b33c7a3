"""The archives that the contract is held against, each with a host of its own to run on."""

import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.archives.base import Line
from fleet.archives.directory import Directory
from fleet.archives.pgbackrest import Pgbackrest
from fleet.postgres.tls import authority, certificate
from fleet.providers.local import spawn
from tests.archived import Rig, wait
from tests.clusters import PROGRAMS
from tests.localshell import LocalShell

SECRET = "store-secret-5a0c"
RCLONE = Path(sys.executable).parent / "rclone"


@contextmanager
def host() -> Iterator[LocalShell]:
    shell = LocalShell()
    try:
        yield shell
    finally:
        shell.close()


@contextmanager
def directory(major: int) -> Iterator[Rig]:
    with host() as shell:
        root = spawn.give(shell.home / "archive")

        def stored(line: Line, name: str) -> Path:
            return root / line.name / "wal" / f"{name}.gz"

        yield Rig(Directory(str(root)), major, shell, stored)


def pgbackrest(repo: Path, settings: Mapping[str, str], shell: LocalShell) -> Rig:
    """Its files lie below `repo` on this machine, whatever way they come there."""
    if 15 not in PROGRAMS or not shutil.which("pgbackrest"):
        pytest.skip("pgBackRest and PostgreSQL 15 are not installed")

    def stored(line: Line, name: str) -> Path:
        folder = repo / "archive" / line.name / "15-1" / name[:16]
        return next(folder.glob(f"{name}-*"), folder / name)

    return Rig(Pgbackrest(settings), 15, shell, stored)


@contextmanager
def on_disk() -> Iterator[Rig]:
    with host() as shell:
        repo = spawn.give(shell.home / "repo")
        yield pgbackrest(repo, {"repo1-path": str(repo)}, shell)


@contextmanager
def in_s3() -> Iterator[Rig]:
    with host() as shell:
        bucket = spawn.give(shell.home / "s3" / "herd")
        port = serve_s3(shell, bucket.parent)
        settings = {"repo1-type": "s3", "repo1-path": "/repo", "repo1-s3-bucket": bucket.name, "repo1-s3-region": "x"}
        settings |= {"repo1-s3-endpoint": "127.0.0.1", "repo1-storage-port": f"{port}", "repo1-s3-uri-style": "path"}
        settings |= {"repo1-s3-key": "key-id", "repo1-s3-key-secret": SECRET, "repo1-storage-verify-tls": "n"}
        yield pgbackrest(bucket / "repo", settings, shell)


def serve_s3(shell: LocalShell, folder: Path) -> int:
    """A store that speaks S3 over TLS on a port of 127.0.0.1. Its buckets are the folders in `folder`; it ends with the
    shell, in whose home it works."""
    shown = certificate(["s3", "127.0.0.1"], authority("s3"))
    for name, text in (("cert", shown.cert), ("key", shown.key)):
        shell.run(["sh", "-c", 'umask 077; cat > "$1"', "sh", name], text.encode())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # What a test takes from the folder is gone for the clients soon after; at 0 the program would spin.
    files = ["--dir-cache-time", "200ms", "--cache-dir", "cache", "--config", "none", "--cert", "cert", "--key", "key"]
    spawn.start(
        [
            str(RCLONE),
            "serve",
            "s3",
            str(folder),
            "--addr",
            f"127.0.0.1:{port}",
            "--auth-key",
            f"key-id,{SECRET}",
            *files,
        ],
        drop=True,
        cwd=shell.home,
        env={"HOME": str(shell.home)},
    )
    wait(lambda: listens(port))
    return port


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


RIGS: dict[str, Callable] = {
    "directory-17": lambda: directory(17),
    "pgbackrest-disk-15": on_disk,
    "pgbackrest-s3-15": in_s3,
}
