"""Workers that were held up in a step of a changeover and go on when the world has gone on without them: they do
nothing, whatever became of the changeover. And what a changeover leaves behind when it is called off."""

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from fleet import changing, intake, intents, planes, policy, subjects
from fleet.actions import ACTIONS
from fleet.actions.base import ActionError
from fleet.ledger import Overtaken
from fleet.lifecycle import Because, LeaseLost
from fleet.models import Changeover, ControlPlane, Instance, Intent
from fleet.orders import Order
from fleet.postgres import control
from fleet.states import AVAILABLE, CANCELLED, DONE, NEEDS_HUMAN, PROMOTING
from fleet.transports.base import TransportError, Unreachable
from herdsite.turns import Turn
from incidents import watch
from tests.fakeherd import NOW, FakeHerd
from tests.herd import again, change, expire
from tests.premiumworld import Premium, premium
from tests.races.test_killed_workers import Killed

pytestmark = pytest.mark.django_db
WHY = Because(None, "to see it move", "anna")
MAY_LOSE = {"required": [], "says": "may_lose", "serial": 2}
STEPS = ("prepare", "fence", "promote", "repoint", "roll_back")


@pytest.fixture
def world() -> Premium:
    return premium(FakeHerd())


def begin(world: Premium, reason: str = Changeover.SWITCHOVER, **more: Any) -> Changeover:
    return changing.begin(again(world.resource), reason, WHY, **more)


def ended(changeover: Changeover) -> bool:
    return again(changeover).state in (DONE, CANCELLED, NEEDS_HUMAN)


def on(world: Premium, verb: str, happens: Callable[[Callable[[], Any]], Any]) -> None:
    """`happens(do)` instead of the verb on a host; `do()` does it."""
    world.herd.instead[verb] = happens


def lost(do: Callable[[], Any]) -> Any:
    """It is done, and its answer is lost."""
    do()
    raise Unreachable("no answer in time")


def writers(world: Premium) -> list[str]:
    """Whose PostgreSQL takes writes."""
    return sorted(data.split("/")[-2] for data, one in world.herd.clusters.items() if one.runs and not one.standby)


def held_up(monkeypatch: pytest.MonkeyPatch, step: str, kind: str = "changeover") -> list[partial[Any]]:
    """The first worker that comes to the step is held up right after it was asked for its lease. Gives what lets it go
    on."""
    real, late = ACTIONS[kind][step], list[partial[Any]]()

    def pause(member: Any, acting: Any) -> Any:
        if late:
            return real(member, acting)
        kept = copy.copy(member)
        late.append(partial(real, kept, acting))
        raise ActionError("(this worker is held up)")

    monkeypatch.setitem(ACTIONS[kind], step, pause)
    return late


def state(world: Premium) -> Any:
    """All that a late worker could spoil: our records, and what runs where."""
    hosts = {data: copy.deepcopy(vars(one)) for data, one in world.herd.clusters.items()}
    rows = [
        list(Changeover.objects.order_by("pk").values("state", "proof", "receipt", "marks", "epoch", "target")),
        list(Instance.objects.order_by("pk").values("role", "outdated", "generation", "epoch", "timeline")),
        list(type(world.resource).objects.values("instance", "generation", "epoch", "quorum")),
    ]
    return hosts, rows, world.leads_to()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("cancelled", [False, pytest.param(True, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("again_", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_a_worker_held_up_in_a_step_changes_nothing_once_another_went_on(
    world: Premium, monkeypatch: pytest.MonkeyPatch, step: str, cancelled: bool, again_: bool
):
    if step == "roll_back" or cancelled:
        # It is rolled back, since its leader will not stop.
        world.herd.refuses.add("halt")
    late = held_up(monkeypatch, step)
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    world.settle(world.whole, 60)
    world.herd.refuses.clear()
    if again_:
        other = begin(world)
        world.settle(lambda: ended(other))
        world.settle(world.whole, 60)
    before = state(world)
    for go_on in late:
        # The ledger says so, or before it the lease that the order is to bear.
        with pytest.raises(LeaseLost):
            go_on()
    assert state(world) == before
    assert len(writers(world)) == 1


def test_a_worker_held_up_before_the_hand_over_does_not_promote_after_a_person_cancelled(
    world: Premium, monkeypatch: pytest.MonkeyPatch
):
    real = ACTIONS["changeover"]["promote"]
    late = held_up(monkeypatch, "promote")
    changeover = begin(world)
    world.settle(lambda: late)
    world.herd.refuses.add("promote")
    monkeypatch.setitem(ACTIONS["changeover"], "promote", _refuses)
    world.settle(lambda: again(changeover).state == NEEDS_HUMAN, 60)
    intents.ask(changeover, "cancel", actor="anna", reason="it hangs")
    world.settle(lambda: again(changeover).state == CANCELLED)
    world.settle(world.whole)
    world.herd.refuses.clear()
    monkeypatch.setitem(ACTIONS["changeover"], "promote", real)
    with pytest.raises(Overtaken):
        late[0]()
    assert writers(world) == [world.leader.name]
    assert again(world.resource).instance_id == world.leader.pk


def _refuses(_changeover: Changeover, _acting: Any) -> str:
    raise ActionError("its host is slow")


def test_two_changeovers_never_have_one_epoch(world: Premium):
    first = begin(world)
    intents.ask(first, "cancel", actor="anna", reason="no")
    world.settle(lambda: ended(first))
    between = again(world.resource).epoch
    second = begin(world)
    assert again(first).generation == again(second).generation
    assert again(first).epoch < between < again(second).epoch
    assert {again(one).epoch for one in (world.resource, world.leader, world.standby)} == {again(second).epoch}


def test_a_cancel_after_a_promotion_whose_answer_was_lost_is_refused(world: Premium):
    changeover = begin(world)
    on(world, "promote", lost)
    world.settle(lambda: again(changeover).state == NEEDS_HUMAN, 60)
    intent = intents.ask(changeover, "cancel", actor="anna", reason="it hangs")
    world.settle(lambda: again(intent).state != Intent.OPEN)
    assert again(intent).state == Intent.REFUSED
    assert writers(world) == [world.standby.name]


def test_a_machine_that_is_switched_on_again_before_the_promotion_is_fenced_before_it(
    world: Premium, monkeypatch: pytest.MonkeyPatch
):
    world.round()
    change(world.resource, quorum=MAY_LOSE)
    world.lose(world.leader)
    world.herd.provider.stop(world.leader.server.name)
    real = ACTIONS["changeover"]["promote"]
    monkeypatch.setitem(ACTIONS["changeover"], "promote", _dies)
    changeover = begin(world, Changeover.FAILOVER, force=True, accept_loss="0")
    with pytest.raises(Killed):
        world.round()
    assert (again(changeover).state, again(changeover).proof["rung"]) == (PROMOTING, 2)
    monkeypatch.setitem(ACTIONS["changeover"], "promote", real)
    world.herd.provider.start(world.leader.server.name)
    world.bring_back(world.leader)
    for number in range(6):
        expire(again(world.leader))
        change(world.leader, queue=policy.WORK)
        Turn(policy.WORK, world.herd.ports, f"there/{number}").once(Instance.KIND, 1)
        world.herd.pass_time()
    assert writers(world) == [], "nothing starts a leader whose silence was proven for an open changeover"
    proof = again(changeover).proof
    change(changeover, proof=proof | {"at": proof["at"] - 5})
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == DONE, world.told()
    assert again(changeover).proof["rung"] == 1
    assert ("fence", world.leader.data) in world.herd.did


def _dies(_changeover: Changeover, _acting: Any) -> str:
    raise Killed


def test_a_mark_whose_changeover_is_over_is_taken_away_from_who_leads_on(world: Premium):
    world.round()
    change(world.resource, quorum=MAY_LOSE)
    on(world, "fence", lost)
    changeover = begin(world, Changeover.FAILOVER)
    world.settle(lambda: ended(changeover))
    if again(changeover).state == NEEDS_HUMAN:
        intents.ask(changeover, "cancel", actor="anna", reason="no")
    world.settle(lambda: again(changeover).state == CANCELLED)
    world.settle(lambda: writers(world) == [world.leader.name])
    world.settle(lambda: again(world.leader).state == AVAILABLE)
    assert again(world.leader).fenced_by is None
    assert not world.herd.clusters[world.leader.data].fenced


def test_a_mark_that_the_rollback_could_not_reach_is_taken_away_when_the_host_is_back(world: Premium):
    world.round()
    change(world.resource, quorum=MAY_LOSE)

    def dies(do: Callable[[], Any]) -> Any:
        do()
        world.lose(world.leader, known=False)
        raise Unreachable("no answer in time")

    on(world, "fence", dies)
    changeover = begin(world, Changeover.FAILOVER)
    world.settle(lambda: ended(changeover))
    intents.ask(changeover, "cancel", actor="anna", reason="no")
    world.settle(lambda: again(changeover).state == CANCELLED)
    assert world.herd.clusters[world.leader.data].fenced
    world.bring_back(world.leader)
    world.settle(lambda: writers(world) == [world.leader.name], 60)
    assert again(world.leader).fenced_by is None


def test_a_standby_that_was_to_go_and_leads_by_now_stays(world: Premium):
    changeover = begin(world)
    going = intake.write(again(world.standby), "destroy", "anna", "one too many", {}, key=None)
    expire(again(changeover))
    Turn(policy.WORK, world.herd.ports, "here/1").once(Changeover.KIND, 8)
    assert again(going).state == Intent.CANCELLED
    late = intake.write(again(world.standby), "destroy", "anna", "one too many", {}, key=None)
    world.settle(lambda: again(late).state != Intent.OPEN)
    assert again(late).state == Intent.REFUSED
    assert writers(world) == [world.standby.name]


def test_an_upgrade_that_leads_by_our_records_is_never_destroyed():
    herd = FakeHerd()
    world = premium(herd)
    both = herd.machine(zone="c")
    change(both, pg=both.pg | {"18": "/eighteen/bin"})
    herd.refuses.add("lead")
    intents.ask(world.resource, "upgrade", actor="anna")
    changeovers = Changeover.objects.filter(resource=world.resource)
    world.settle(lambda: changeovers.filter(state=NEEDS_HUMAN).exists(), 120)
    intent = intents.ask(changeovers.get(), "cancel", actor="anna", reason="back to 17")
    world.settle(lambda: again(intent).state != Intent.OPEN)
    herd.refuses.clear()
    intents.ask(changeovers.get(), "retry", actor="anna", reason="it may start by now")
    world.settle(lambda: changeovers.get().state == DONE, 60)
    assert writers(world) == [again(world.resource).instance.name]


def test_an_order_of_a_changeover_that_was_called_off_is_refused_by_its_host(world: Premium):
    first = begin(world)
    intents.ask(first, "cancel", actor="anna", reason="no")
    world.settle(lambda: ended(first))
    second = begin(world)
    world.settle(lambda: ended(second))
    old = again(world.leader)
    plane, reign, _epoch = world.herd.taken[old.data]
    clock = control.anchor(world.herd.ports.shell(old.server.host()))
    order = Order(again(first).epoch, plane, reign, clock.boot_id, clock.uptime_s + 60)
    late = replace(subjects.monitored(old, timezone.now()), order=order)
    for verb in (control.unfence, control.fence, control.promote):
        with pytest.raises(control.Superseded):
            verb(world.herd.ports.shell(old.server.host()), late, again(first).generation)
    with pytest.raises(control.Superseded):
        control.start(world.herd.ports.shell(old.server.host()), late, "late-start")
    assert "late-start" not in world.herd.begun
    assert writers(world) == [world.standby.name]


def test_an_order_that_is_under_way_for_longer_than_its_lease_does_nothing(world: Premium):
    run = world.herd.world.run

    def slow(ran: Any, timeout: float) -> Any:
        # The host's clock goes on while the order is under way.
        world.herd.slept_s += 60.0 if NOW.get(ran.argv[2]) in ("halt", "promote", "fence") else 0.0
        return run(ran, timeout)

    world.herd.world.run = slow  # type: ignore[method-assign]
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    assert again(changeover).state == CANCELLED
    assert not {"halt", "promote", "fence"} & {verb for verb, _data in world.herd.did}
    assert writers(world) == [world.leader.name]


def test_a_worker_held_up_before_it_rebuilds_a_standby_does_not_copy_over_who_leads_by_now(
    world: Premium, monkeypatch: pytest.MonkeyPatch
):
    late = held_up(monkeypatch, "configure", Instance.KIND)
    change(world.standby, attrs={**again(world.standby).attrs, "told": "something else"})
    world.settle(lambda: late)
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    world.settle(world.whole, 60)
    before = state(world)
    with pytest.raises(LeaseLost):
        late[0]()
    assert state(world) == before


def test_our_database_restored_to_before_a_changeover_touches_nobody_and_pages(world: Premium):
    before = transaction.savepoint()
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    world.settle(world.whole, 60)
    transaction.savepoint_rollback(before)
    ControlPlane.objects.update_or_create(only=True, defaults={"system": "another"})
    planes.start()
    did = list(world.herd.did)
    for _ in range(6):
        world.round()
    assert writers(world) == [world.standby.name]
    assert world.herd.did == did
    assert "records_outdated" in watch.open_types(again(world.standby).watch)
    assert "two_writers" not in watch.open_types(again(world.standby).watch)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("cancelled", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_a_worker_held_up_while_our_database_was_restored_gives_the_herd_no_second_leader(
    world: Premium, monkeypatch: pytest.MonkeyPatch, step: str, cancelled: bool
):
    if step == "roll_back" or cancelled:
        world.herd.refuses.add("halt")
    late = held_up(monkeypatch, step)
    changeover = begin(world)
    world.settle(lambda: late or ended(changeover))
    before = transaction.savepoint()
    world.settle(lambda: ended(changeover), 60)
    world.settle(world.whole, 60)
    leads, bytes_ = writers(world), {data: one.lsn for data, one in world.herd.clusters.items()}
    transaction.savepoint_rollback(before)
    # By the copy of our records it still has the right to go on.
    for go_on in late:
        change(changeover, lease=go_on.args[1].lease, leased_until=Now() + timedelta(minutes=1))
    ControlPlane.objects.update_or_create(only=True, defaults={"system": "another"})
    planes.start()
    for go_on in late:
        with suppress(LeaseLost, ActionError, TransportError):
            go_on()
    for _ in range(6):
        world.round()
    assert writers(world) == leads
    assert bytes_.keys() == world.herd.clusters.keys()


def test_a_host_takes_orders_of_one_herdsite_only(world: Premium):
    changeover = begin(world)
    world.settle(lambda: ended(changeover))
    world.settle(world.whole, 60)
    ControlPlane.objects.all().delete()
    did = list(world.herd.did)
    other = begin(world)
    world.settle(lambda: ended(other))
    assert again(other).state == CANCELLED, "another portal with a copy of the records can do nothing"
    assert world.herd.did == did


def test_who_is_held_up_after_the_promotion_moves_no_address(world: Premium) -> None:
    """Another worker has the changeover by then, and may have led customers elsewhere."""
    changeover = begin(world)
    promoted: list[bool] = []

    def held_up(do: Callable[[], Any]) -> Any:
        answer = do()
        Changeover.objects.filter(pk=changeover.pk).update(lease=uuid4())
        promoted.append(True)
        return answer

    world.herd.instead["promote"] = held_up
    world.settle(lambda: promoted)
    assert world.leads_to() == world.leader.server.name
    world.herd.instead.clear()
    world.settle(world.whole)
    assert world.leads_to() == world.standby.server.name
