"""Endpoints and the log of deliveries in the admin: what operators register, see and send again."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from fleet.models import Event
from incidents.hooks.models import Attempt, Delivery, Endpoint
from tests import factories

pytestmark = pytest.mark.django_db
ADD, LIST, LOG = "/admin/hooks/endpoint/add/", "/admin/hooks/endpoint/", "/admin/hooks/delivery/"
GIVEN = {
    "name": "ours",
    "url": "https://hooks.example/in",
    "moves_only": "on",
    "active": "on",
    "verbs": "",
    "secret": "",
}


@pytest.fixture
def operator(client):
    client.force_login(User.objects.create_superuser("operator"))
    return client


def delivery(**fields: Any) -> Delivery:
    to = Endpoint.objects.create(name="ours", url="https://hooks.example/in", secret="whsec_c2VjcmV0")
    happened = Event.objects.create(
        kind="resource", subject=to.pk, name="proud-walrus", verb="go_down", why="", actor="a"
    )
    return Delivery.objects.create(endpoint=to, event=happened, subject=happened.subject, **fields)


def test_a_new_endpoint_gets_a_secret_that_is_shown_once(operator) -> None:
    answer = operator.post(ADD, GIVEN | {"kinds": ["resource", "incident"], "verbs": " go_down , open,"}, follow=True)
    made = Endpoint.objects.get()
    assert made.secret.startswith("whsec_") and made.secret in answer.content.decode()
    assert (made.kinds, made.verbs) == (["resource", "incident"], ["go_down", "open"])
    page = operator.get(f"/admin/hooks/endpoint/{made.pk}/change/").content.decode()
    assert made.secret not in page and "go_down, open" in page
    assert made.secret not in operator.get(LIST).content.decode()


def test_an_empty_secret_keeps_it_and_another_replaces_it(operator) -> None:
    made = delivery().endpoint
    page = f"/admin/hooks/endpoint/{made.pk}/change/"
    assert operator.post(page, GIVEN | {"name": "renamed"}).status_code == 302
    kept = Endpoint.objects.get()
    assert (kept.name, kept.secret) == ("renamed", "whsec_c2VjcmV0")
    assert operator.post(page, GIVEN | {"secret": "another"}).status_code == 302
    assert Endpoint.objects.get().secret == "another"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"secret": "whsec_?"}, "base64"),
        ({"url": "ftp://hooks.example"}, "begins with https://"),
        ({"url": "http://hooks.example"}, "Only https://"),
        ({"url": "https://169.254.169.254/latest"}, "not on the public internet"),
        ({"url": "https://10.0.0.7/"}, "not on the public internet"),
        ({"kinds": ["colour"]}, "colour"),
    ],
)
def test_what_can_not_be_is_said(operator, wrong: dict[str, Any], said: str) -> None:
    answer = operator.post(ADD, GIVEN | wrong)
    assert answer.status_code == 200 and said in answer.content.decode()
    assert not Endpoint.objects.exists()


def test_it_is_limited_to_a_customer_or_a_resource_and_not_to_both(operator) -> None:
    resource = factories.resource()
    both = {"customer": str(resource.customer_id), "resource": str(resource.pk)}
    assert operator.post(ADD, GIVEN | both).status_code == 200
    assert operator.post(ADD, GIVEN | {"resource": str(resource.pk)}).status_code == 302
    assert Endpoint.objects.get().limited


def test_the_log_shows_codes_and_answers_and_sends_again(operator) -> None:
    one = delivery(state=Delivery.FAILED, status=502, answer="Bad Gateway here", attempts=3)
    Attempt.objects.create(delivery=one, at=timezone.now(), status=418, answer="the first answer")
    page = operator.get(LOG).content.decode()
    assert "502" in page and "Bad Gateway here" in page and "proud-walrus" in page
    assert "Bad Gateway here" in operator.get(f"{LOG}?q=proud-walrus").content.decode()
    assert "Bad Gateway here" not in operator.get(f"{LOG}?q=somebody").content.decode()
    page = operator.get(f"{LOG}{one.pk}/change/").content.decode()
    assert "418" in page and "the first answer" in page
    operator.post(LOG, {"action": "send_again", "_selected_action": [str(one.pk)]})
    again = Delivery.objects.get()
    assert (again.state, again.attempts) == (Delivery.QUEUED, 0)


def test_from_an_endpoint_all_that_failed_is_sent_again_or_a_proof(operator) -> None:
    one = delivery(state=Delivery.FAILED)
    assert "1" in operator.get(LIST).content.decode()
    chosen = {"_selected_action": [str(one.endpoint_id)]}
    operator.post(LIST, chosen | {"action": "send_failed_again"})
    assert Delivery.objects.get().state == Delivery.QUEUED
    operator.post(LIST, chosen | {"action": "prove"})
    assert Delivery.objects.filter(event=None, endpoint=one.endpoint).count() == 1


def test_who_may_only_look_sends_nothing_again(client) -> None:
    one = delivery(state=Delivery.FAILED)
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(
        Permission.objects.filter(codename__startswith="view_", content_type__app_label="hooks")
    )
    client.force_login(viewer)
    assert client.get(LOG).status_code == 200
    client.post(LOG, {"action": "send_again", "_selected_action": [str(one.pk)]})
    client.post(LIST, {"action": "send_failed_again", "_selected_action": [str(one.endpoint_id)]})
    assert Delivery.objects.get().state == Delivery.FAILED
