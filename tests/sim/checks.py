"""What must hold after every step, whatever the schedule does; each has a letter by which a story names it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from fleet.changing import EARLY
from fleet.models import Changeover, Event, Instance, Resource
from fleet.states import CANCELLED, DONE
from incidents.models import Incident
from incidents.watch import PAGE
from tests.sim.host import CLIENT, Disk, Record, SimHerd
from tests.sim.people import Clients
from tests.sim.schedule import Schedule

LEADS_ON = " leads on"


class Broken(BaseException):
    """An invariant does not hold. What catches every error of an action must not catch this."""


@dataclass
class Checks:
    """`each` is asked after every step, `by_records` whenever our records may have changed, `at_the_end` once."""

    schedule: Schedule
    herd: SimHerd
    clients: Clients
    resource: Any
    known: Callable[[str, Callable[[], Any]], Any]
    leads: str = ""
    excused: set[str] = field(default_factory=set)
    epochs: dict[int, str] = field(default_factory=dict)
    taken: dict[str, tuple[int, int]] = field(default_factory=dict)
    ended: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    heard: int = 0
    older: bool = False

    def each(self) -> None:
        self.one_writer()

    def one_writer(self) -> None:
        """S2: no two clusters can acknowledge, unless a person took it on himself."""
        writers = self.herd.acknowledging()
        if len(writers) > 1 and not self._taken_on():
            raise Broken(f"S2: {' and '.join(_name(data) for data in writers)} can both acknowledge")

    def replaced(self, verb: str, data: str) -> None:
        """S5: what leads by record is never destroyed nor made anew."""
        leader = Resource.objects.select_related("instance__server").get(pk=self.resource.pk).instance
        if leader and leader.data == data:
            raise Broken(f"S5: {verb} strikes {leader.name}, which leads by record")

    def gone(self, data: str, records: list[Record]) -> None:
        """D: what was acknowledged and nobody else has is read out before it is thrown away."""
        told = {ack.label for ack in self.clients.acked}
        if lost := [label for _line, label in records if label in told]:
            raise Broken(f"D: {', '.join(lost[:5])} of {_name(data)} was thrown away without having been read out")

    def stopped(self, verb: str, data: str) -> None:
        """H: no order stops who leads by record while nobody has anything to do with him."""
        leader = Resource.objects.select_related("instance__server").get(pk=self.resource.pk).instance
        if leader is None or leader.data != data:
            return
        open_ = Changeover.objects.exclude(state__in=(DONE, CANCELLED)).filter(source=leader)
        if not open_.exists():
            raise Broken(f"H: {verb} stops {leader.name}, which leads, and no changeover is about that")

    def takes_over(self, data: str) -> None:
        """H: no leader that serves its clients is taken from them, unless a person asked for it; S6: what was planned
        loses nothing."""
        new = self.herd.clusters[data]
        old = self.herd._told_upstream(new)
        planned = Changeover.objects.exclude(state__in=(DONE, CANCELLED)).exclude(reason=Changeover.FAILOVER)
        lacks = [label for _line, label in old.lost(new) if label != "checkpoint"] if old else []
        if lacks and planned.exists():
            raise Broken(f"S6: {_name(data)} takes over as planned, and lacks {', '.join(lacks[:5])}")
        if old is None or old.standby or not self.herd.works(old) or self._asked():
            return
        home = self.herd.data_of(old)
        if self.herd.reaches(CLIENT, self.herd.homes[home]) and self.herd.confirmed(old, len(old.wal)):
            raise Broken(f"H: {_name(data)} takes over from {_name(home)}, which serves its clients")

    def _asked(self) -> bool:
        return Changeover.objects.exclude(state__in=(DONE, CANCELLED)).exclude(marks__has_key="case").exists()

    def by_records(self) -> None:
        """S1: what a waiting session was told is committed is where the database leads by record; S7: while the record
        says that nothing can be lost, everybody who is required has it."""
        if self.older:
            if missing := self.untouched():
                raise Broken(f"O: {missing}")
            return
        self.known("epochs", self._epochs)
        self.known("words", self._words)
        name, quorum = self.known("leader", self._leader)
        disks = {_name(data): disk for data, disk in self.herd.clusters.items()}
        leader, record = disks.get(name), json.loads(quorum)
        if leader is None:
            raise Broken(f"S5: {name} leads by record, and its data is gone")
        has = {label for _line, label in leader.wal}
        # Who cancels was told that it is done there, and no more.
        acked = [ack for ack in self.clients.acked if ack.waited]
        lost = [ack for ack in acked if ack.label not in has and ack.label not in self.excused]
        if lost and not self._excuse(Instance.objects.get(name=name), lost):
            told = ", ".join(f"{ack.label} (by {_name(ack.data)})" for ack in lost[:5])
            raise Broken(f"S1: {len(lost)} acknowledged commits are not on {name}: {told}")
        if record.get("says") == "cant_lose":
            by_slot = {name.replace("-", "_"): disk for name, disk in disks.items()}
            for slot in record["required"]:
                self._has_all(slot, by_slot.get(slot), has)

    def _epochs(self) -> None:
        """S4: an epoch belongs to one changeover, and no host takes a smaller one than it has taken. W: nobody writes
        to a changeover that was cancelled."""
        moving = Changeover.objects.exclude(state__in=EARLY).filter(epoch__gt=0)
        for name, epoch in moving.values_list("name", "epoch"):
            if (owner := self.epochs.setdefault(epoch, name)) != name:
                raise Broken(f"S4: {name} bears the epoch {epoch} of {owner}")
        for name, marks, proof in Changeover.objects.filter(state=CANCELLED).values_list("name", "marks", "proof"):
            if self.ended.setdefault(name, (marks, proof)) != (marks, proof):
                raise Broken(f"W: {name} was cancelled, and is written to: {marks}, {proof}")
        for data, (_plane, reign, epoch) in self.herd.taken.items():
            if (had := self.taken.get(data, (0, 0))) > (reign, epoch):
                raise Broken(f"S4: {_name(data)} has taken {(reign, epoch)} after {had}")
            self.taken[data] = (reign, epoch)

    def _words(self) -> None:
        """S6: who is said to lead on leads."""
        told = Event.objects.filter(pk__gt=self.heard, why__contains=LEADS_ON).order_by("pk")
        for event in told:
            self.heard = event.pk
            name = event.why.partition(LEADS_ON)[0].split()[-1]
            disk = next((disk for data, disk in self.herd.clusters.items() if _name(data) == name), None)
            if disk is None or (disk.fenced and disk.fenced_at <= event.at.timestamp()):
                raise Broken(f"S6: {event.name} says that {name} leads on, and its fence mark lies there")

    def outdated(self) -> bool:
        """Whether a host has taken an order that our records don't know."""
        known = {one.data: one.epoch for one in Instance.objects.select_related("server")}
        return any(epoch > known.get(data, epoch) for data, (_plane, _reign, epoch) in self.herd.taken.items())

    def untouched(self) -> str:
        """O: our records are older than the herd: who leads there with all that was acknowledged goes on."""
        acked = {ack.label for ack in self.clients.acked if ack.waited} - self.excused
        for disk in self.herd.clusters.values():
            if not disk.standby and not disk.fenced and acked <= {label for _line, label in disk.wal}:
                return ""
        return "our records are an older copy, and nobody leads any more who has all that was acknowledged"

    def paged(self, most: int) -> None:
        """P: no more pages than there are faults worth one."""
        pages = Incident.objects.filter(severity=PAGE, cause=None)
        if len(pages) > most:
            raise Broken(f"P: {len(pages)} pages, and {most} would have been right: {', '.join(map(str, pages))}")

    def _leader(self) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT instance.name, resource.quorum::text FROM fleet_resource AS resource "
                "JOIN fleet_instance AS instance ON instance.id = resource.instance_id WHERE resource.id = %s",
                [self.resource.pk],
            )
            return cursor.fetchone()

    def _has_all(self, slot: str, disk: Disk | None, leader: set[str]) -> None:
        has = {label for _line, label in disk.wal} if disk else set()
        late = [ack.label for ack in self.clients.acked if ack.label in leader and ack.label not in has and ack.waited]
        if late:
            raise Broken(f"S7: the record says that nothing can be lost, and {slot} lacks {', '.join(late[:5])}")

    def _excuse(self, leader: Instance, lost: list[Any]) -> bool:
        """Whether a receipt says that these may be lost."""
        for changeover in Changeover.objects.filter(target=leader):
            bound = changeover.receipt.get("bound_bytes")
            if changeover.force or (changeover.receipt and not changeover.marks.get("lossless") and bound != 0):
                self.excused |= {ack.label for ack in lost}
                return True
            # Not promoted yet, or its receipt is about to be written.
            if (
                not changeover.receipt
                and changeover.state not in (DONE, CANCELLED)
                and not changeover.marks.get("lossless")
            ):
                return True
        return False

    def silent(self) -> None:
        """S3: from the proof on the old leader acknowledges nothing, until it leads anew."""
        for changeover in (
            Changeover.objects.exclude(proof={}).exclude(state=CANCELLED).select_related("source__server")
        ):
            if changeover.proof.get("rung") == 4 or "fenced" not in changeover.marks or changeover.source is None:
                continue
            began, data = changeover.marks["fenced"], changeover.source.data
            again = [one.marks["fenced"] for one in changeover.source.taken.all() if one.marks.get("fenced", 0) > began]
            late = [ack for ack in self.clients.acked if ack.data == data and began < ack.at < min(again, default=1e12)]
            if late:
                raise Broken(
                    f"S3: {changeover.source.name} acknowledged {late[0].label} {late[0].at - began:.3f} s after the "
                    f"proof of {changeover.name} ({changeover.proof.get('text')})"
                )

    def _taken_on(self) -> bool:
        return any(one.proof.get("rung") == 4 for one in Changeover.objects.filter(force=True))


def _name(data: str) -> str:
    return data.split("/")[-2]
