"""What the hosts of a fake herd hold: data directories, and the detached jobs that make and change them."""

from dataclasses import dataclass, field


@dataclass
class Cluster:
    """One data directory: whether a postmaster runs on it, and which databases it has, each with its owner; whether it
    is a standby, what it was told to be, which generation fenced it (0: none), its timeline and where its WAL ends; the
    connections that its postgresql.conf names, those that it was started with, and those that its leader had by the WAL
    that it got: with fewer it can't lead."""

    runs: bool = False
    databases: dict[str, str] = field(default_factory=dict)
    standby: bool = False
    told: dict[str, str] = field(default_factory=dict)
    fenced: int = 0
    timeline: int = 1
    lsn: int = 0x3000000
    conf: int = 0
    connections: int = 0
    needs: int = 0

    def start(self) -> None:
        self.runs = True
        self.connections = int(self.told.get("max_connections", self.conf))

    @property
    def stands_still(self) -> bool:
        return self.standby and self.connections < self.needs

    def newer(self, told: dict[str, str]) -> bool:
        """Whether an order is none that was held up on its way."""
        ours, theirs = (
            [int(one.get(f"herdsite.{name}", 0)) for name in ("generation", "serial")] for one in (self.told, told)
        )
        return theirs >= ours


@dataclass
class Job:
    verb: str
    data: str
    sql: str
    state: str = "running"
