"""Safety rules switched off one at a time: a simulator that does not notice that one is missing would not notice that
one is wrong. Each is switched off where the code keeps it, and played in the scenarios in which it is what counts.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from django.db import transaction

from fleet import epochs, ledger, lifecycle, ring
from fleet.conditions import named, no, reached
from fleet.models import Changeover, Resource
from fleet.postgres import control
from fleet.providers.fake import FakeProvider
from fleet.succession import quorum
from fleet.think import LIFE
from incidents import brake
from tests.fakecluster import Cluster
from tests.sim.host import SimHerd
from tests.sim.profiles import CALM, Profile

# The package gives its functions the names of their modules.
fencing = importlib.import_module("fleet.actions.changeover.fence")

Off = Callable[[ExitStack], None]


@dataclass(frozen=True)
class Mutant:
    """`off` switches the rule off for as long as its stack lasts; with `seed` that is noticed (None: with
    none that is known yet)."""

    name: str
    scenarios: tuple[str, ...]
    profile: Profile
    off: Off
    seed: int | None = None

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        with ExitStack() as stack:
            self.off(stack)
            yield


def _patch(target: Any, name: str, new: Any) -> Off:
    return lambda stack: stack.enter_context(mock.patch.object(target, name, new))


def _fence(stack: ExitStack) -> None:
    _patch(control, "fence", lambda *_, **__: {})(stack)


def _mark(stack: ExitStack) -> None:
    before = SimHerd._now

    def unmarked(self: SimHerd, verb: str, ran: Any) -> Any:
        result = before(self, verb, ran)
        if verb in ("fence", "halt"):
            for disk in self.clusters.values():
                disk.fenced = 0
        return result

    _patch(SimHerd, "_now", unmarked)(stack)


def _generation(stack: ExitStack) -> None:
    before, now = FakeProvider.associate, SimHerd._now

    def leads(self: FakeProvider, name: str, machine: str, generation: int) -> None:
        self.generations.pop(name, None)
        before(self, name, machine, generation)

    def takes(self: SimHerd, verb: str, ran: Any) -> Any:
        if verb == "unfence":
            for disk in self.clusters.values():
                disk.fenced = min(disk.fenced, 1)
        return now(self, verb, ran)

    _patch(FakeProvider, "associate", leads)(stack)
    _patch(Cluster, "newer", lambda *_: True)(stack)
    _patch(SimHerd, "_now", takes)(stack)


def _epoch(stack: ExitStack) -> None:
    _patch(epochs, "draw", lambda pk: Resource.objects.values_list("epoch", flat=True).get(pk=pk))(stack)


def _blindly(changeover: Changeover, _lease: Any, marks: Any = None, **values: Any) -> None:
    """As ledger.write does, whatever has become of the changeover meanwhile."""
    changeover.marks |= marks or {}
    more = {name: value for name, value in values.items() if name not in ("finished", "leads")}
    for name, value in more.items():
        setattr(changeover, name, value)
    Changeover.objects.filter(pk=changeover.pk).update(marks=changeover.marks, **more)


def _compare_and_set(stack: ExitStack) -> None:
    _patch(ledger, "write", _blindly)(stack)
    _patch(ledger, "may_hand_over", lambda *_: None)(stack)


def _record(stack: ExitStack) -> None:
    before = quorum._next

    def at_once(record: quorum.Record, names: tuple[str, ...]) -> quorum.Record:
        """What is required is on record as proven before it is in force."""
        return replace(before(record, names), says=quorum.CANT_LOSE, shown=True) if names else before(record, names)

    _patch(quorum, "_next", at_once)(stack)


def _lease(stack: ExitStack) -> None:
    move, write = lifecycle.move, ledger.write

    def anyhow(changeover: Changeover, _lease: Any, *args: Any, **more: Any) -> None:
        now = Changeover.objects.values_list("lease", flat=True).get(pk=changeover.pk)
        write(changeover, now, *args, **more)

    _patch(ring, "hold", lambda *_: True)(stack)
    _patch(ring, "begin_act", lambda *_: True)(stack)
    _patch(
        lifecycle, "move", lambda member, name, because, _lease=None, *more: move(member, name, because, None, *more)
    )(stack)
    _patch(ledger, "write", anyhow)(stack)


def _second_vantage(stack: ExitStack) -> None:
    alone = named("one worker gets no answer", no("service_available") & reached("doubt_s", "doubt_window_s"))
    for kind, row in (("instance", 315), ("server", 315)):
        table = tuple(replace(rule, when=alone) if rule.row == row else rule for rule in LIFE[kind])
        stack.enter_context(mock.patch.dict(LIFE, {kind: table}))


def _dump(stack: ExitStack) -> None:
    before = control.stand_by

    def undumped(*args: Any, **more: Any) -> None:
        before(*("" if isinstance(one, str) and "/strays/" in one else one for one in args), **more)

    _patch(control, "stand_by", undumped)(stack)


def _hand_over(stack: ExitStack) -> None:
    write, within = ledger.write, []

    @contextmanager
    def locked(changeover: Changeover, _lease: Any, **_more: Any) -> Iterator[Resource]:
        within.append(changeover)
        try:
            with transaction.atomic():
                yield Resource.objects.get(pk=changeover.resource_id)
        finally:
            within.pop()

    # What it writes on the way would look at the same once more.
    _patch(ledger, "write", lambda *args, **more: (_blindly if within else write)(*args, **more))(stack)
    _patch(ledger, "locked", locked)(stack)
    _patch(ledger, "may_hand_over", lambda *_: None)(stack)


MUTANTS = (
    Mutant("fence", ("cut",), CALM, _fence, 1),
    Mutant("mark", ("restart",), CALM, _mark),
    Mutant("generation", ("told",), CALM, _generation, 0),
    Mutant("epoch", ("back",), CALM, _epoch, 0),
    Mutant("compare-and-set", ("late",), CALM, _compare_and_set, 0),
    Mutant("order of the quorum's record", ("told",), CALM, _record, 0),
    Mutant("brake", ("storm",), CALM, _patch(brake, "storm_over", lambda _member: None)),
    Mutant("lease compare", ("late", "held"), CALM, _lease, 1),
    Mutant("second vantage", ("alone",), CALM, _second_vantage),
    Mutant("WAL completeness", ("gap",), CALM, _patch(fencing, "_has", lambda *_: True)),
    Mutant("dump before rewind", ("restart",), CALM, _dump),
    Mutant("hand-over lock", ("return",), CALM, _hand_over),
)
