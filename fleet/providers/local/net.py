"""Addresses of local hosts: each has a loopback address of its own, and an inner twin where its servers listen.

Host n of zone z is 127.<net>.<z>.<n>, its twin is 127.<net + 1>.<z>.<n>. `net` is one even octet per root, so that
several checkouts run on one machine without meeting. Zones begin at 1; stable address n is 127.<net>.0.<n>.
"""

import hashlib
import json
import socket
from collections.abc import Iterable
from pathlib import Path

from fleet.providers.base import OutOfCapacity, ProviderError
from fleet.providers.local.place import locked

SSH_PORT = 2222
PORTS = (SSH_PORT, *range(5432, 5464))
LAST = 254


def choose_net(root: Path) -> int:
    """The second octet of the hosts below `root`: chosen once, then kept in `root/.net`.

    The search begins at an octet that depends on the path, because a checkout that is switched off now can't be seen.
    Raises ProviderError when no octet is free.
    """
    root.mkdir(parents=True, exist_ok=True)
    kept = root / ".net"
    with locked(root):
        if kept.exists():
            return int(kept.read_text())
        first = hashlib.sha256(str(root.resolve()).encode()).digest()[0]
        for step in range(126):
            net = 2 + 2 * ((first + step) % 126)
            if _free(net):
                kept.write_text(str(net))
                return net
    raise ProviderError(
        f"no loopback addresses are free for local hosts: is something listening on port {SSH_PORT}, "
        f"or on one of {PORTS[1]} to {PORTS[-1]}, of every address of this machine?"
    )


def zone_number(root: Path, zone: str) -> int:
    """The third octet of `zone`, the same for ever: zones are numbered in the order in which they were first used.
    To be called with `root` locked."""
    kept = root / ".zones"
    zones = json.loads(kept.read_text()) if kept.exists() else []
    if zone not in zones:
        if len(zones) == LAST:
            raise OutOfCapacity(f"there is no room for another zone: {LAST} are in use")
        zones.append(zone)
        draft = root / ".zones.draft"
        draft.write_text(json.dumps(zones))
        draft.replace(kept)
    return int(zones.index(zone)) + 1


def pair(net: int, zone: int, taken: Iterable[str]) -> tuple[str, str]:
    """The first address of the zone that is not `taken`, and its inner twin. Raises OutOfCapacity.

    One where somebody listens is passed over: another root may have chosen the same net while neither had a host.
    """
    busy = set(taken)
    for n in range(1, LAST + 1):
        address, inner = f"127.{net}.{zone}.{n}", f"127.{net + 1}.{zone}.{n}"
        if address not in busy and _bindable(address, SSH_PORT) and _bindable(inner, SSH_PORT):
            return address, inner
    raise OutOfCapacity(f"the zone is full: {LAST} hosts")


def stable(net: int, port: int, taken: Iterable[str]) -> str:
    """The first stable address that is not `taken`, and where nobody listens on `port`. Raises OutOfCapacity."""
    busy = set(taken)
    for n in range(1, LAST + 1):
        address = f"127.{net}.0.{n}"
        if address not in busy and _bindable(address, port):
            return address
    raise OutOfCapacity(f"all {LAST} local addresses are taken")


def _free(net: int) -> bool:
    """Whether nobody listens where the first host of the first three zones would."""
    wanted = [(f"127.{net}.1.1", port) for port in PORTS]
    wanted += [(f"127.{octet}.{zone}.1", SSH_PORT) for octet in (net, net + 1) for zone in (1, 2, 3)]
    return all(_bindable(address, port) for address, port in dict.fromkeys(wanted))


def _bindable(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
