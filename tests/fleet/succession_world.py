"""A leader and its standbys as PostgreSQL's rules make them, with every delay that there is between an order and its
effect: the worst world that the required set is tried in. Positions in the WAL are counts of commits."""

import re
from dataclasses import dataclass, field, replace

from fleet.succession.seen import Seen, Stream, setting

Config = tuple[tuple[str, ...], int]


@dataclass
class Standby:
    flushed: int = 0
    up: bool = True
    linked: bool = True


@dataclass
class Sender:
    """A walsender: the names that it has loaded, and what its standby confirmed to it. It may outlive its link."""

    name: str
    names: tuple[str, ...]
    flushed: int | None = None

    @property
    def priority(self) -> int:
        return self.names.index(self.name) + 1 if self.name in self.names else 0


@dataclass
class Leader:
    """`disk` is what the file says, `loaded` what the postmaster read of it; checkpointer and walsenders follow each in
    their own time, but are never more than one setting behind."""

    wal: int = 0
    acked: int = 0
    waiting: set[int] = field(default_factory=set)
    disk: Config = ((), 0)
    loaded: Config = ((), 0)
    checkpointer: tuple[str, ...] = ()
    senders: dict[str, Sender] = field(default_factory=dict)
    looked: bool = True

    def commit(self) -> int:
        self.wal += 1
        if self.checkpointer:
            self.waiting.add(self.wal)
        else:
            self.acked = self.wal
        return self.wal

    def twin(self) -> "Leader":
        """Another one like it, to try out what it would do."""
        senders = {name: replace(sender) for name, sender in self.senders.items()}
        return replace(self, waiting=set(self.waiting), senders=senders)

    def order(self, text: str, serial: int) -> None:
        """The host puts a setting into the file, unless it has taken a newer one."""
        if serial >= self.disk[1]:
            self.disk = tuple(re.findall(r'"([^"]*)"', text)), serial

    def reload(self) -> None:
        if self.disk != self.loaded:
            self.everybody_hears()
            self.loaded, self.looked = self.disk, False

    def everybody_hears(self) -> None:
        self.checkpointer_hears()
        for name in self.senders:
            self.sender_hears(name)

    def checkpointer_hears(self) -> None:
        self.checkpointer = self.loaded[0]
        if not self.checkpointer:
            self.acknowledge(self.wal)

    def sender_hears(self, name: str) -> None:
        self.senders[name].names = self.loaded[0]

    def connect(self, name: str) -> None:
        self.senders.setdefault(name, Sender(name, self.loaded[0]))

    def confirm(self, name: str, flushed: int) -> None:
        """A reply of a standby arrives: its walsender releases commits by the number that *it* knows and by the
        priorities that all of them show, as src/backend/replication/syncrep.c does."""
        sender = self.senders[name]
        sender.flushed = flushed
        wanted = len(sender.names)
        picked = self.ranked()[:wanted]
        if sender.priority and sender in picked and len(picked) == wanted:
            self.acknowledge(min(one.flushed or 0 for one in picked))

    def ranked(self) -> list[Sender]:
        able = [sender for sender in self.senders.values() if sender.priority and sender.flushed is not None]
        return sorted(able, key=lambda sender: sender.priority)

    def acknowledge(self, upto: int) -> None:
        done = {commit for commit in self.waiting if commit <= upto}
        self.waiting -= done
        self.acked = max(self.acked, *done, 0) if done else self.acked

    def restart(self) -> None:
        """After a crash nobody is told any more what became of a commit that waited."""
        self.waiting.clear()
        self.senders.clear()
        self.loaded, self.looked = self.disk, True
        self.checkpointer = self.loaded[0]

    def look(self, hasty: bool = False) -> Seen:
        """What herdsite sees. A `hasty` look finds the checkpointer at rest although the signal to reload has not
        reached it yet, which only the first look after a reload can."""
        settled = self.checkpointer == self.loaded[0] or (hasty and not self.looked)
        self.looked = True
        sync = self.ranked()[: len(self.loaded[0])]
        streams = [
            Stream(s.name, s.flushed is not None, "sync" if s in sync else "async", s.priority, s.flushed)
            for s in self.senders.values()
        ]
        return Seen(True, setting(self.loaded[0]), self.loaded[1], settled, self.wal, streams)
