"""What a database holds is replaced over the API: by whom, by what, and how the document says it."""

import pytest

from fleet.api import verbs
from fleet.models import Backup, Intent
from fleet.roles import ASK, READ
from fleet.verbs import TABLE
from tests.api.world import SECRET, program

pytestmark = pytest.mark.django_db
ASKS = "resources/acme-orders/asks"
URL = f"https://dumps.example/latest?signed={SECRET}"


def dump(held, name: str = "", **fields) -> Backup:
    given = {"name": name or f"{held.customer.name}-dump-1", "state": "kept", "bytes": 5, "method": Backup.LOGICAL}
    return Backup.objects.create(resource=held.resource, **given | fields)


def load(asker, place: str = ASKS, **params):
    body = {"verb": "load", "confirm": "acme-orders", "reason": "a test", "params": params}
    return asker.send(place, body)


def test_a_customer_loads_a_backup_of_their_own(acme, customer) -> None:
    backup = dump(acme)
    answer = load(customer, backup=backup.name)
    assert answer.status_code == 202 and answer.json()["verb"] == "load"
    intent = Intent.objects.get(verb="load")
    assert (intent.params, intent.actor) == ({"backup": backup.name}, "customer (of a customer)")


def test_a_customer_loads_a_dump_from_outside_and_its_address_is_not_shown(acme, customer) -> None:
    answer = load(customer, url=URL)
    assert answer.status_code == 202 and answer.json()["params"] == {"url": "https://dumps.example/…"}
    assert SECRET not in answer.content.decode() and Intent.objects.get(verb="load").params == {"url": URL}


def test_what_another_has_is_as_if_it_were_not_there(acme, rival, customer) -> None:
    theirs = dump(rival)
    there = load(customer, backup=theirs.name)
    nowhere = load(customer, backup="rival-dump-9")
    assert there.status_code == nowhere.status_code == 409
    assert there.json()["detail"].replace("dump-1", "dump-9") == nowhere.json()["detail"]
    assert load(customer, backup=theirs.name, across_customers=True).status_code == 409
    assert not Intent.objects.filter(verb="load").exists()


def test_no_customer_lets_data_go_across(acme, customer) -> None:
    answer = load(customer, backup=dump(acme).name, across_customers=True)
    assert answer.status_code == 409 and "operators" in answer.json()["detail"]


def test_an_operator_may_let_it_go_across(acme, rival, operator) -> None:
    theirs = dump(rival)
    assert load(operator, backup=theirs.name).status_code == 409
    assert load(operator, backup=theirs.name, across_customers=True).status_code == 202


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://169.254.169.254/x",
        "http://dumps.example/x",
        "ftp://dumps.example/x",
        "file:///etc/passwd",
        "HTTPS//x",
        "https://u:p@e.example/",
    ],
)
def test_a_customer_fetches_over_https_only(acme, customer, settings, url) -> None:
    settings.IMPORT_HOSTS = ["dumps.example", "*"]
    assert load(customer, url=url).status_code == 409
    assert not Intent.objects.filter(verb="load").exists()


@pytest.mark.parametrize(("left_out", "status"), [("confirm", 400), ("reason", 400), ("params", 409)])
def test_it_wants_its_name_a_reason_and_something_to_load(acme, customer, left_out, status) -> None:
    body = {"verb": "load", "confirm": "acme-orders", "reason": "a test", "params": {"backup": dump(acme).name}}
    assert customer.send(ASKS, {name: value for name, value in body.items() if name != left_out}).status_code == status
    assert customer.send(ASKS, body | {"confirm": "acme-order"}).status_code == 409
    assert not Intent.objects.filter(verb="load").exists()


def test_it_takes_the_scope_to_destroy(acme) -> None:
    asker = program("customer", acme.customer, scopes=[READ, ASK])
    assert load(asker, backup=dump(acme).name).status_code == 403


@pytest.mark.parametrize("verb", ["dump", "rotate"])
def test_a_customer_asks_for_a_dump_and_another_password(acme, rival, customer, verb) -> None:
    assert customer.send(ASKS, {"verb": verb}).status_code == 202
    assert customer.send("resources/rival-orders/asks", {"verb": verb}).status_code == 404
    assert Intent.objects.get(verb=verb).subject == acme.resource.pk


def test_the_document_says_which_params_each_verb_takes(viewer) -> None:
    shapes = viewer.read("openapi.json").json()["components"]["schemas"]
    params = shapes["ResourceAsk"]["properties"]["params"]
    assert "load: backup, url, across_customers" in params["description"]
    named = [one["$ref"].rpartition("/")[2] for one in params["anyOf"] if "$ref" in one]
    assert set(named) == {body.__name__ for body in verbs.params_of("resource").values()}
    assert set(shapes["Fork"]["properties"]) == {"name", "plan", "zone", "at"}
    assert not shapes["Load"]["additionalProperties"] and shapes["Resize"]["required"] == ["plan"]


def test_every_param_of_the_table_is_in_the_document(viewer) -> None:
    shapes = viewer.read("openapi.json").json()["components"]["schemas"]
    for verb in (verb for verb in TABLE if verb.params):
        assert set(shapes[verb.name.capitalize()]["properties"]) == {param.name for param in verb.params}
