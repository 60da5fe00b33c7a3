"""What the rows promise: states and labels agree with the catalogue, limits hold in the database, not only in forms."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django_fsm import FSMField

from fleet.models import MEMBERS, Event, Plan, Timeline
from fleet.plans import OFFERS
from fleet.states import DESTROYED, MOVES, OPEN, STATES, states_of
from tests import factories
from tests.herd import again, change

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", MEMBERS)
def test_every_move_of_the_catalogue_is_a_transition(kind: str) -> None:
    model = MEMBERS[kind]
    field = model._meta.get_field("state")
    assert isinstance(field, FSMField)
    assert field.protected
    there = {(move.name, move.source, move.target) for move in field.get_all_transitions(model)}
    assert there == {(move.name, source, move.target) for move in MOVES[kind] for source in move.sources}


@pytest.mark.parametrize("kind", MEMBERS)
def test_a_new_row_is_on_its_ring_at_once(kind: str) -> None:
    one = getattr(factories, kind)()
    assert one.due_at is not None
    assert one.lease is None
    assert one.due_at == one.created_at


@pytest.mark.parametrize(("kind", "state"), [(kind, state) for kind in MEMBERS for state in states_of(kind)])
def test_a_state_has_a_label_and_a_colour(kind: str, state: str) -> None:
    one = getattr(factories, kind)(state=state)
    assert one.look == STATES[state]
    assert one.get_state_display() == STATES[state].label


def test_a_name_is_checked_where_a_form_would() -> None:
    one = factories.server()
    one.name = "Not A Name"
    with pytest.raises(ValidationError, match="lower-case letters"):
        one.full_clean(exclude=["state"])


@pytest.mark.parametrize("fields", [{"beat_s": 0}, {"beat_s": 61}, {"doubt_s": 0}])
def test_no_plan_can_promise_what_no_ring_keeps(fields: dict) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Plan.objects.filter(name="standard-0").update(**fields)


def test_the_offers_are_there_from_the_start() -> None:
    for offered in OFFERS:
        plan = Plan.objects.get(name=offered.name)
        assert (plan.tier, plan.beat_s, plan.doubt_s) == (offered.tier, offered.beat_s, offered.doubt_s)
        assert (plan.connections, plan.shared_by) == (offered.connections, offered.shared_by)
        plan.full_clean()
        assert plan.offered == offered.offered


def test_a_port_is_one_living_instances() -> None:
    one = factories.instance(port=5432)
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.instance(server=one.server, port=5432)
    change(one, state=DESTROYED)
    assert factories.instance(server=one.server, port=5432).port == 5432


@pytest.mark.parametrize("kind", MEMBERS)
def test_what_has_no_column_yet_is_kept(kind: str) -> None:
    one = getattr(factories, kind)(attrs={"colour": "blue", "gone": None})
    kept = again(one).attrs
    assert {name: kept[name] for name in ("colour", "gone")} == {"colour": "blue", "gone": None}
    assert MEMBERS[kind].objects.filter(attrs__colour="blue").get() == one


def test_what_lives_on_a_thing_keeps_it() -> None:
    one = factories.resource()
    for kept in (one.instance.server, one.instance.timeline, one.instance, one.customer, one.plan):
        with pytest.raises(models.ProtectedError):
            kept.delete()


def test_data_and_socket_of_an_instance() -> None:
    one = factories.instance(name="shop-1", server=factories.server(home="/srv/herdsite"))
    assert one.data == "/srv/herdsite/instances/shop-1/data"
    assert one.socket == f"@herdsite-{one.pk}"
    # An address in the abstract namespace has 107 bytes at most, and PostgreSQL adds /.s.PGSQL.65535 to it.
    assert len(f"{one.socket}/.s.PGSQL.65535") <= 107


def test_a_timeline_closes_and_expires() -> None:
    one = Timeline.objects.create(name="shop-1")
    assert one.state == OPEN
    with pytest.raises(AttributeError):
        one.state = "closed"
    one.close()
    one.save()
    one.expire()
    one.save()
    assert Timeline.objects.get(pk=one.pk).state == "expired"


def test_events_come_latest_first() -> None:
    one = factories.server()
    for verb in ("first", "second", "third"):
        Event.objects.create(kind="server", subject=one.pk, name=one.name, verb=verb, why="", actor="anna")
    assert [event.verb for event in Event.objects.filter(subject=one.pk)] == ["third", "second", "first"]
