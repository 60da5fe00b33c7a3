"""Processes on this machine: the only place that imports subprocess.

PostgreSQL refuses to run as root. When we are root, what belongs to a local host or to the embedded PostgreSQL runs
as the unprivileged user `herdsite`; otherwise everything runs as whoever we are. Our own Python parts are never
dropped, because the interpreter may lie where only root can read it.
"""

import hashlib
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

USER = "herdsite"


def owner() -> pwd.struct_passwd:
    """The account that PostgreSQL and the hosts' commands run as. KeyError says that root has not made it yet."""
    return pwd.getpwnam(USER) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def ensure_owner() -> None:
    """As root, make the unprivileged account if there is none."""
    if os.geteuid() != 0:
        return
    try:
        owner()
    except KeyError:
        call(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER])


def give(path: Path, mode: int = 0o700) -> Path:
    """Make the folder, if need be, and hand it to the owner."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, owner().pw_uid, owner().pw_gid)
    return path


def reachable(path: Path) -> bool:
    """Whether the owner can walk to `path`: every existing folder above it lets others pass."""
    if os.geteuid() != 0:
        return True
    account = owner()
    for folder in [path, *path.parents]:
        if not folder.exists():
            continue
        stat = folder.stat()
        bit = 0o100 if stat.st_uid == account.pw_uid else 0o010 if stat.st_gid == account.pw_gid else 0o001
        if not stat.st_mode & bit:
            return False
    return True


def land(path: Path) -> Path:
    """Where data that the owner must reach really lies: `path`, or, when a checkout is in a folder that only root
    may enter, a folder of its own under /var/lib/herdsite, told apart by a digest of `path`."""
    if reachable(path.parent):
        return path
    return Path("/var/lib/herdsite") / hashlib.sha256(str(path).encode()).hexdigest()[:12]


def dropped() -> dict[str, Any]:
    """Popen's arguments that make a child the owner's."""
    if os.geteuid() != 0:
        return {}
    account = owner()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def call(
    argv: Sequence[str],
    *,
    drop: bool = False,
    stdin: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> subprocess.CompletedProcess[bytes]:
    """Run to the end and return what came of it; RuntimeError carries the last of what it said when it failed."""
    done = subprocess.run(
        list(argv),
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=env,
        timeout=timeout,
        check=False,
        **(dropped() if drop else {}),
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace")
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {said[-2000:]}")
    return done


def start(
    argv: Sequence[str],
    *,
    drop: bool = False,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: IO[bytes] | int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own: it outlives us."""
    return subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=cwd,
        env=env,
        start_new_session=True,
        **(dropped() if drop else {}),
    )
