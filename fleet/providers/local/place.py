"""Where the parts of a local host lie, and how they are written.

A host is the folder `root/NAME`. It is the home of the unprivileged owner; what is ours (what the machine is, its SSH
key, its wire's rules, its process) lies in `.machine` below it, for our eyes only. Every file is replaced whole, by a
rename, so that a reader never sees half of one and a link that the owner planted in the home is never written through.
"""

import dataclasses
import fcntl
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fleet.providers.base import ProviderError

WORD = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Record:
    """What a machine is: its zone, the address it is known by, the address its servers listen on, the nominal size
    of its disk in MB, and whether it is switched on."""

    zone: str
    address: str
    inner: str
    disk_mb: int
    on: bool = True


@dataclass(frozen=True)
class Place:
    """The files of the host whose home is `home`."""

    home: Path

    @property
    def ours(self) -> Path:
        return self.home / ".machine"

    @property
    def host_key(self) -> Path:
        return self.ours / "host_key"

    @property
    def public_key(self) -> Path:
        return self.ours / "host_key.pub"

    @property
    def authorized_keys(self) -> Path:
        return self.ours / "authorized_keys"

    @property
    def rules(self) -> Path:
        """What the wire holds back: {"in": bool, "out": bool}."""
        return self.ours / "wire.json"

    @property
    def pid(self) -> Path:
        """The number of the process that was last started to be this host."""
        return self.ours / "pid"

    @property
    def ready(self) -> Path:
        """The number of the process that has come up as this host."""
        return self.ours / "ready"

    @property
    def log(self) -> Path:
        return self.ours / "log"

    @property
    def boot_id(self) -> Path:
        """Another word after each boot. The host's commands may read it, so it lies outside `.machine`."""
        return self.home / ".boot_id"

    @property
    def ballast(self) -> Path:
        """A file as long as the disk was big when it was filled."""
        return self.home / ".ballast"

    @property
    def is_full(self) -> bool:
        """Whether the ballast leaves no room; on a disk that has grown since it does."""
        return self.ballast.exists() and self.ballast.stat().st_size >= self.read().disk_mb << 20

    @property
    def exists(self) -> bool:
        return (self.ours / "machine.json").exists()

    def read(self) -> Record:
        """FileNotFoundError says that there is no such host."""
        return Record(**json.loads((self.ours / "machine.json").read_text()))

    def write(self, record: Record) -> None:
        self.put(self.ours / "machine.json", json.dumps(dataclasses.asdict(record)))

    def put(self, path: Path, text: str, mode: int = 0o600) -> None:
        """Make `path` hold `text`, whole or not at all."""
        draft = self.ours / f"{path.name}.draft"
        draft.write_text(text)
        draft.chmod(mode)
        draft.replace(path)


def word(text: str, what: str) -> str:
    """`text` if it can be a name here (it becomes a folder); ProviderError if it can't."""
    if not WORD.fullmatch(text):
        raise ProviderError(f"{text!r} can't be the name of a {what}: lower-case letters, digits and - only")
    return text


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """One at a time, among all processes that make or move hosts below `root`."""
    with (root / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
