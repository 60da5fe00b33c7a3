"""Where the stable addresses of a hosts root lie: a file each in ROOT/.addresses, and the socket of who carries them.

The forwarder (forwarder.py) is the only one that writes here, so a route on disk is one that was accepted.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Route:
    """A loopback address, the port that is forwarded, the machine it should lead to ("": none), and the newest
    generation that it was ever associated with."""

    address: str
    port: int
    machine: str = ""
    generation: int = 0


def folder(root: Path) -> Path:
    return root / ".addresses"


def names(root: Path) -> list[str]:
    """The addresses there are, sorted."""
    return sorted(path.stem for path in folder(root).glob("[a-z]*.json"))


def read(root: Path, name: str) -> Route | None:
    """None says that there is no such address."""
    try:
        return Route(**json.loads(_file(root, name).read_text()))
    except FileNotFoundError:
        return None


def write(root: Path, name: str, route: Route) -> None:
    """Keep it, whole or not at all."""
    draft = folder(root) / f".{name}.draft"
    draft.write_text(json.dumps(dataclasses.asdict(route)))
    draft.replace(_file(root, name))


def remove(root: Path, name: str) -> None:
    _file(root, name).unlink(missing_ok=True)


def socket_name(root: Path) -> str:
    """The forwarder's unix socket, in the abstract namespace: it vanishes with its process, and two can't have it.

    It is derived from the folder itself, because containers that share a network may share paths that differ in truth.
    FileNotFoundError says that no address was ever allocated.
    """
    stat = folder(root).stat()
    return f"\0herdsite-addresses-{stat.st_dev:x}-{stat.st_ino:x}"


def _file(root: Path, name: str) -> Path:
    return folder(root) / f"{name}.json"
