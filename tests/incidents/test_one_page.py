"""One fault is one page: what one cause raises hangs together, in whatever order its alarms open."""

from itertools import permutations

import pytest

from incidents import desk
from incidents.models import Incident
from incidents.watch import BY_TYPE, PAGE
from tests import factories
from tests.incidents.scenes import raise_alarm

pytestmark = pytest.mark.django_db
LATE = {"state": "creating", "state_s": 1e6}
BUILT = {"state": "creating", "job": "failed", "tries": 3, "outdated": False}
# The alarms that one fault raises, each with what it is about; the first is what a person has to hear of.
FAULTS = {
    "a build that fails for good": (("instance", "install_failed"), ("instance", "stuck"), ("resource", "stuck")),
    "a host that is half there": (("server", "stuck"), ("instance", "stuck"), ("resource", "stuck")),
    "a copy that takes too long": (("instance", "stuck"), ("resource", "stuck")),
    "a leader that only its standby hears": (("instance", "cut_off"), ("instance", "stuck"), ("resource", "stuck")),
    "stray writes that can't be read": (("instance", "strays_unread"), ("instance", "stuck")),
    "a machine that is off": (("server", "server_down"), ("instance", "instance_down")),
    "a host that can't be reached": (("server", "server_unreachable"), ("server", "server_down")),
}
ORDERS = [(name, order) for name, alarms in FAULTS.items() for order in permutations(alarms)]


@pytest.mark.parametrize(("name", "order"), ORDERS)
def test_all_that_one_fault_raises_hangs_under_one(name: str, order: tuple[tuple[str, str], ...]) -> None:
    shop = factories.resource()
    members = {"server": shop.instance.server, "instance": shop.instance, "resource": shop}
    for kind, type_ in order:
        raise_alarm(members[kind], type_, **LATE)
    heads = Incident.objects.filter(cause=None)
    assert heads.count() == 1
    head = heads.get()
    assert all(one.cause == head or one.cause.cause == head for one in Incident.objects.exclude(pk=head.pk))
    if name != "a host that can't be reached":
        assert (head.subject_kind, head.type) == FAULTS[name][0]


def test_what_explains_that_something_is_stuck_calls_a_person_itself() -> None:
    assert {BY_TYPE[type_].severity for type_ in desk.STALLS} == {PAGE}


def test_two_that_have_nothing_to_do_with_each_other_are_two() -> None:
    one, other = factories.resource(), factories.resource()
    raise_alarm(one.instance, "install_failed", **BUILT)
    raise_alarm(other.instance, "stuck", **LATE)
    assert Incident.objects.filter(cause=None).count() == 2
