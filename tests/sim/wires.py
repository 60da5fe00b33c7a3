"""The ports of a simulated worker: every call takes its time, goes by a link, and has a fate of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet.ports import Ports
from fleet.providers.base import ProviderError
from fleet.transports.base import Database, Host, Result, Row, Unreachable
from tests.fakeherd import NOW
from tests.sim.host import PORTAL, SimHerd
from tests.sim.schedule import Schedule

# What changes a host, by its short name.
ORDERS = ("job@", *(f"{name}@" for name in NOW.values()))
# How long a call takes there, and back (s).
LATENCY_S = 0.002


@dataclass
class Wires:
    """`call` carries out one call of whoever runs: as usual, or lost on the way, or its answer lost, or carried out
    late when nobody waits for it any more, or once more later."""

    schedule: Schedule
    herd: SimHerd
    sent: list[tuple[str, str, Callable[[], Any]]] = field(default_factory=list)

    def again(self, what: str) -> None:
        """The network brings the first of the orders of that kind once more."""
        for label, host, deliver in self.sent:
            if label.startswith(what):
                self._late(label, host, deliver)
                return

    def ports(self) -> Ports:
        return Ports(
            shell=lambda host: _Shell(self, host),
            sql=_Sql(self),
            provider=lambda _name: _Provider(self),
            host_key=self.herd.ports.host_key,
        )

    def call(
        self, label: str, host: str, timeout: float, deliver: Callable[[], Any], error: Callable[[str], Exception]
    ) -> Any:
        schedule = self.schedule
        schedule.point(f"before {label}")
        chosen = schedule.choose("wire", label)
        word, seconds = chosen or ("", 0.0)
        schedule.sleep(
            LATENCY_S
            * (0.5 + schedule.draw(f"{schedule.current and schedule.current.name}{label}{schedule.now}").random())
        )
        if word == "slow":
            schedule.sleep(min(seconds, timeout / 2))
        if word == "lost" or not self._reaches(host):
            schedule.sleep(timeout)
            raise error(f"{host}: no answer")
        if word == "held":
            schedule.at(schedule.now + seconds, lambda: self._late(label, host, deliver))
            schedule.sleep(timeout)
            raise error(f"{host}: no answer in time; it may run or have run")
        if label.startswith(ORDERS):
            self.sent.append((label, host, deliver))
        result = deliver()
        self.herd.pump()
        if word == "twice":
            schedule.at(schedule.now + seconds, lambda: self._late(label, host, deliver))
        schedule.sleep(LATENCY_S / 2)
        if word == "unanswered" or not self._reaches(host):
            schedule.sleep(timeout)
            raise error(f"{host}: the answer was lost; it may run or have run")
        schedule.point(f"after {label}")
        return result

    def _reaches(self, host: str) -> bool:
        task = self.schedule.current
        place = task.name.partition("/")[0] if task else PORTAL
        return not host or (self.herd.reaches(PORTAL, host) and self.herd.reaches(place, host))

    def _late(self, label: str, host: str, deliver: Callable[[], Any]) -> None:
        if not self._reaches(host):
            return
        self.schedule.note(f"late: {label} at {host}")
        try:
            deliver()
        except Exception as error:
            self.schedule.note(f"late: {label} at {host}: {error}")
        self.herd.pump()


def _unreachable(text: str) -> Exception:
    return Unreachable(text)


@dataclass
class _Shell:
    wires: Wires
    host: Host

    def run(
        self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 10.0, secrets: Sequence[str] = ()
    ) -> Result:
        shell = self.wires.herd.ports.shell(self.host)
        return self.wires.call(
            f"{_what(argv)}@{self.host.name}",
            self.host.name,
            timeout,
            lambda: shell.run(argv, stdin, timeout, secrets),
            _unreachable,
        )

    def log_in(self, timeout: float = 4.0) -> None:
        shell = self.wires.herd.ports.shell(self.host)
        self.wires.call(
            f"log_in@{self.host.name}", self.host.name, timeout, lambda: shell.log_in(timeout), _unreachable
        )


def _what(argv: Sequence[str]) -> str:
    """A command's short name."""
    if argv[0].endswith("/psql"):
        return "psql"
    if len(argv) > 2 and argv[2] in NOW:
        return NOW[argv[2]]
    return {6: "clean", 7: "look"}.get(len(argv), "job")


@dataclass
class _Sql:
    wires: Wires

    def fetch(
        self, database: Database, statements: Sequence[str], timeout: float = 2.0, read_only: bool = True
    ) -> list[list[Row]]:
        herd = self.wires.herd
        host = herd.host_at(database.address)
        if not host:
            raise Unreachable(f"{database.address}: connection refused")
        return self.wires.call(
            f"sql@{host}",
            host,
            timeout,
            lambda: herd.fetch(database, statements, timeout, read_only),
            _unreachable,
        )


@dataclass
class _Provider:
    wires: Wires

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.wires.herd.provider, name)
        if not callable(real):
            return real

        def called(*args: Any) -> Any:
            return self.wires.call(f"provider.{name}", "", 5.0, lambda: real(*args), ProviderError)

        return called
