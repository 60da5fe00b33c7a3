"""A server that goes out of service: who is moved, when, who is told, and when a person has to come."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from fleet import changing, intents, placement, retiring
from fleet.intents import AskError
from fleet.models import Changeover, Instance, Intent, Resource, Server
from fleet.postgres.config import MONITOR
from fleet.transports.base import Unreachable
from herdsite.turns import Turn
from incidents.models import Notice
from incidents.outcomes import AGAIN, FIXED, GIVE_UP, Case
from incidents.resolvers import retire_server
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, expire
from tests.incidents.scenes import Scene, case, pass_time, raise_alarm
from tests.premiumworld import premium
from tests.worlds import NOW

pytestmark = pytest.mark.django_db
# Saturday noon it is; the machine goes on the second Friday after.
EVENT = "instance-retirement: not before 2026-12-04T18:00:00Z"


@pytest.fixture(autouse=True)
def told(settings) -> None:
    settings.NOTICES = dict.fromkeys(("opened", "asked", "tried", "fixed", "planned"), "send")


@pytest.fixture
def old() -> Server:
    return factories.server(name="old", pg={"17": "/pg"}, capacity=9)


@pytest.fixture
def new() -> Server:
    return factories.server(name="new", pg={"17": "/pg"}, capacity=9, zone="b")


def about(server: Server, at=NOW, step_s: float = 0.0, event: str = EVENT) -> Case:
    made = case(Scene(), server, "server_retiring", step_s, scheduled_events=event)
    subject = type(made.subject)(**(vars(made.subject) | {"now": at}))
    return Case(**(vars(made) | {"subject": subject}))


def on(server: Server, name: str, plan: str = "standard-0", **fields: object) -> Resource:
    leader = factories.instance(name=f"{name}-1", server=server, plan=factories.plan(plan))
    leader.credentials.create(purpose="monitor", role=MONITOR, secret="watching")
    return factories.resource(name=name, instance=leader, **fields)


def test_only_what_ends_a_machine_empties_it(old):
    reboot = retire_server.close(about(old, event="system-reboot on 2126-12-04"))
    assert reboot.kind == AGAIN and not Intent.objects.exists()
    for _again in range(2):
        assert retire_server.close(about(old, event="retirement 2126-12-04 18:00")).kind == AGAIN
    asked = Intent.objects.get(subject=old.pk)
    assert (asked.verb, asked.params) == ("retire", {"by": "2126-12-04T18:00:00+00:00"})
    change(old, state="retiring")
    closed = retire_server.close(about(again(old)))
    assert closed.kind == FIXED and "by 2026-12-04 18:00 UTC" in closed.note


def test_the_date_that_a_person_said_counts_before_what_is_announced(old):
    change(old, state="retiring", attrs={"retires": "2026-11-30T06:00:00+00:00"})
    assert "by 2026-11-30 06:00 UTC" in retire_server.close(about(again(old))).note


def test_nothing_new_is_placed_on_a_server_that_retires(old):
    plan = factories.plan("starter-0")
    shared = factories.instance(name="shared-1", server=old, plan=plan)
    assert placement.place(factories.resource(instance=None, plan=plan)) == shared
    change(old, state="retiring")
    with pytest.raises(placement.NoRoom):
        placement.place(factories.resource(instance=None, plan=plan))


class TestAsked:
    """A person takes a server out of service, or leaves it in service after all."""

    @pytest.fixture
    def herd(self) -> FakeHerd:
        return FakeHerd()

    def beats(self, herd: FakeHerd, server: Server) -> Server:
        for n in range(3):
            expire(server)
            change(server, queue="feel")
            Turn("feel", herd.ports, f"here/{n}").once("server", 8)
        return again(server)

    def test_it_retires_by_its_date_and_is_doubted_like_any_other(self, herd):
        server = herd.machine()
        asked = intents.ask(server, "retire", actor="ada", params={"by": "2126-12-04"})
        server = self.beats(herd, server)
        assert (server.state, retiring.date(server)) == ("retiring", datetime(2126, 12, 4, tzinfo=UTC))
        assert "by 2126-12-04 00:00 UTC" in again(asked).answer
        herd.world.fail(server.name, Unreachable("no route"))
        assert self.beats(herd, server).state == "uncertain"
        herd.world.heal(server.name)
        assert self.beats(herd, server).state == "retiring"

    def test_without_a_date_it_has_a_week_and_may_be_kept(self, herd):
        server = herd.machine()
        intents.ask(server, "retire", actor="ada")
        server = self.beats(herd, server)
        left = retiring.date(server) - timezone.now()
        assert server.state == "retiring" and timedelta(days=6, hours=23) < left < timedelta(days=7, hours=1)
        intents.ask(server, "keep", actor="ada")
        server = self.beats(herd, server)
        assert (server.state, retiring.date(server)) == ("available", None)

    @pytest.mark.parametrize(("by", "why"), [("next week", "is no date"), ("2020-01-01", "is over")])
    def test_a_date_has_to_be_one_and_to_come(self, old, by, why):
        with pytest.raises(AskError, match=why):
            intents.ask(old, "retire", actor="ada", params={"by": by})


@pytest.mark.parametrize(
    ("window", "at"),
    [
        ("Tue 22:30", "2026-11-24 22:30"),
        ("Sat 10:00", "2026-11-21 12:00"),
        ("Fri 20:00", "2026-11-27 20:00"),
        ("", "2026-11-22 03:00"),
    ],
)
def test_a_database_moves_in_its_customers_window_to_a_copy_that_is_built_now(old, new, window, at):
    shop = on(old, "shop", window=window)
    for _again in range(2):
        outcome = retire_server.move_away(about(old))
        assert outcome.kind == AGAIN and f"shop moves at {at} UTC" in outcome.note
    moving = Changeover.objects.get(resource=shop)
    assert (moving.reason, moving.target.server, moving.target.standby_for) == ("retirement", new, shop)
    assert moving.target.state == "creating" and again(shop).state == "available"
    (notice,) = Notice.objects.filter(customer=shop.customer, channel="email")
    assert notice.moment == "planned" and at in notice.subject and "shop" in notice.subject


def test_before_the_date_comes_first(old, new):
    on(old, "shop", window="Mon 04:00")
    soon = "instance-stop not before 2026-11-22T12:00:00Z"
    assert "shop moves at 2026-11-21 12:00 UTC" in retire_server.move_away(about(old, event=soon)).note


def test_who_has_a_standby_elsewhere_changes_over_to_that_one(old, new):
    shop = on(old, "shop", "premium-0")
    factories.instance(
        name="shop-2",
        server=new,
        role="standby",
        upstream=shop.instance,
        standby_for=shop,
        timeline=shop.instance.timeline,
    )
    retire_server.move_away(about(old))
    moving = Changeover.objects.get(resource=shop)
    assert (moving.reason, moving.target) == ("switchover", None)
    assert Instance.objects.count() == 2


def test_a_standby_is_replaced_in_the_window_while_all_else_is_at_rest(old, new):
    shop = on(new, "shop", "premium-0", window="Sat 10:00")
    standby = factories.instance(
        name="shop-2",
        server=old,
        role="standby",
        upstream=shop.instance,
        standby_for=shop,
        timeline=shop.instance.timeline,
    )
    change(shop, window="Sun 10:00")
    assert "is replaced at 2026-11-22 10:00 UTC" in retire_server.move_away(about(old)).note
    change(shop, window="Sat 10:00", state="uncertain")
    assert "not available or is changing over" in retire_server.move_away(about(old)).note
    change(shop, state="available")
    for _again in range(2):
        assert "is being replaced" in retire_server.move_away(about(old)).note
    assert Intent.objects.get(subject=standby.pk).verb == "destroy"


def test_what_can_not_be_moved_by_itself_is_named_and_calls_a_person_a_day_ahead(old, new):
    tiny = factories.instance(name="shared-1", server=old, plan=factories.plan("starter-0"))
    factories.resource(instance=tiny)
    leader = on(new, "shop")
    follower = factories.instance(name="copy-1", server=old, role="standby", upstream=leader.instance)
    factories.resource(name="copy", instance=follower, follows=leader)
    factories.instance(name="idle-1", server=old)
    waits = retire_server.move_away(about(old))
    assert waits.kind == AGAIN and not Changeover.objects.exists()
    for words in ("shared-1 is shared", "copy-1 is a follower", "idle-1 serves no database"):
        assert words in waits.note
    late = retire_server.move_away(about(old, at=NOW + timedelta(days=12, hours=12)))
    assert late.kind == GIVE_UP and "shared-1" in late.note


def test_without_a_date_it_has_a_week_and_without_room_it_says_so(old):
    on(old, "shop")
    waits = retire_server.move_away(about(old, event="will be retired"))
    assert waits.kind == AGAIN and "add a server" in waits.note
    assert retire_server.move_away(about(old, step_s=6.5 * 86_400, event="will be retired")).kind == GIVE_UP


def test_what_is_moving_already_is_left_alone(old, new):
    shop = on(old, "shop")
    moving = factories.changeover(resource=shop, state="preparing")
    assert "shop moves: preparing" in retire_server.move_away(about(old)).note
    assert changing.open_of(shop) == moving


def test_the_empty_machine_is_given_back_once(old):
    assert retire_server.move_away(about(old)).kind == FIXED
    for _again in range(2):
        assert retire_server.give_back(about(old)).kind == FIXED
    assert Intent.objects.get(subject=old.pk).verb == "destroy"
    factories.instance(server=old)
    Intent.objects.all().delete()
    assert retire_server.give_back(about(old)).kind == GIVE_UP


@pytest.mark.thorough
def test_the_whole_story_a_leader_and_its_standby_leave_a_server_one_after_the_other():
    """Beats of everything, as workers take them: it changes over, the leader that was is replaced, the machine goes."""
    scene, herd = Scene(), FakeHerd()
    scene.ports = herd.ports
    shop = premium(herd)
    spare = herd.machine(zone="c")
    server = shop.leader.server
    date = timezone.now() + timedelta(hours=30)
    event = f"instance-retirement: {date:%Y-%m-%dT%H:%M}Z"
    herd.provider.machines[server.name] = replace(herd.provider.machines[server.name], events=(event,))
    incident = raise_alarm(server, "server_retiring", scheduled_events=event)
    for n in range(60):
        incident = scene.beat(incident)
        pass_time(incident, retire_server.LOOK_S if incident.state == "waiting" else 3)
        shop.round()
        change(server, queue="feel" if again(server).state == "retiring" else "work")
        expire(server)
        Turn(again(server).queue, herd.ports, f"here/{n}").once("server", 8)
        if not incident.is_open:
            break
    assert again(server).state in ("destroying", "destroyed"), shop.told()
    assert (incident.state, scene.pages) == ("resolved", [])
    moved = again(shop.resource)
    assert moved.instance == shop.standby and moved.state == "available"
    (stands_by,) = Instance.objects.filter(standby_for=moved).exclude(state__in=("destroying", "destroyed"))
    assert stands_by.server == spare
    assert Changeover.objects.get(resource=moved).state == "done"
