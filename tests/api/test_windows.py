"""The maintenance window over the API: read with its ETag, and changed by who has read it."""

import pytest

from fleet.models import Event, Resource
from tests.herd import again, change

pytestmark = pytest.mark.django_db
PLACE = "resources/acme-orders/window"


def put(asker, window: object, match: str | None = "*", place: str = PLACE):
    return asker.send(place, {"window": window}, "PATCH", **({"if_match": match} if match else {}))


def test_it_is_read_and_changed_by_who_has_read_it(acme, operator) -> None:
    before = operator.read(PLACE)
    assert before.json() == {"window": ""}
    after = put(operator, "Tue 03:00", before["ETag"])
    assert after.status_code == 200 and after.json() == {"window": "Tue 03:00"} and after["ETag"] != before["ETag"]
    assert operator.read(PLACE, if_none_match=after["ETag"]).status_code == 304
    assert operator.read("resources/acme-orders").json()["window"] == "Tue 03:00"
    event = Event.objects.get(verb="chose its window")
    assert (event.why, event.actor, event.subject) == (
        "planned work may happen from Tue 03:00 UTC",
        "operator (of a operator)",
        acme.resource.pk,
    )


def test_a_beat_in_between_changes_nothing_of_it(acme, operator) -> None:
    before = operator.read(PLACE)["ETag"]
    change(acme.resource, facts={"connections": "4"}, state="uncertain")
    assert put(operator, "Sun 22:30", before).status_code == 200


def test_nobody_writes_over_what_they_have_not_read(acme, operator) -> None:
    before = operator.read(PLACE)["ETag"]
    put(operator, "Tue 03:00", before)
    assert put(operator, "Wed 03:00", before).status_code == 412
    assert put(operator, "Wed 03:00", None).status_code == 428
    assert again(acme.resource).window == "Tue 03:00"


def test_none_is_any_time_and_the_same_is_no_change(acme, operator) -> None:
    for _n in range(2):
        assert put(operator, "Tue 03:00").status_code == 200
    assert put(operator, "").json() == {"window": ""}
    assert Event.objects.filter(verb="chose its window").count() == 2


@pytest.mark.parametrize(
    "wrong", ["Tue", "tue 03:00", "Tue 24:00", "Tue 3:00", "Dienstag 03:00", 7, None, ["Tue 03:00"]]
)
def test_what_is_no_window_is_refused(acme, operator, wrong) -> None:
    answer = put(operator, wrong)
    assert answer.status_code == 400 and "window" in answer.json()["errors"]
    assert not Event.objects.filter(verb="chose its window").exists()


def test_a_customer_chooses_their_own_and_nobody_elses(acme, rival, customer) -> None:
    assert put(customer, "Mon 01:00").status_code == 200
    assert put(customer, "Mon 01:00", place="resources/rival-orders/window").status_code == 404
    assert [one.window for one in Resource.objects.order_by("name")] == ["Mon 01:00", ""]
    assert Event.objects.get(verb="chose its window").actor == "customer (of a customer)"


def test_a_viewer_only_looks(acme, viewer) -> None:
    assert viewer.read(PLACE).status_code == 200 and put(viewer, "Mon 01:00").status_code == 403


@pytest.mark.parametrize("state", ["destroying", "destroyed"])
def test_on_what_goes_no_work_is_planned(acme, operator, state) -> None:
    change(acme.resource, state=state)
    assert put(operator, "Mon 01:00").status_code == 409
