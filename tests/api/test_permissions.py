"""Who may do what, over every operation that there is: a viewer changes nothing, a customer sees nobody else's things,
and every role can do exactly what the table of roles says."""

import json

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.core import serializers
from django.test import Client

from fleet.api import verbs
from fleet.api.base import Api
from fleet.api.models import Token
from fleet.models import Intent
from fleet.roles import CUSTOMER, DESTROY, READ, ROLES, SCOPES
from fleet.verbs import TABLE, verbs_of
from incidents.hands import HANDS
from tests.api.operations import ALL, CHANGING, METHODS, READING, Operation, label
from tests.api.world import API, Program, program
from tests.api.world import ROLES as ROLE_NAMES

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]

CUSTOMER_VERBS = {verb.name for verb in verbs_of("resource") if verb.customer}


def everything() -> dict[str, str]:
    """All rows that there are, but for when a token was last used."""
    rows = {}
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy and model._meta.app_label != "sessions":
            found = model._default_manager.order_by("pk")
            fields = [f.name for f in model._meta.concrete_fields if f.name != "last_used"]
            rows[model._meta.label] = serializers.serialize("json", found, fields=fields)
    return rows


def ask(asker: Client, operation: Operation, held, place: str = ""):
    body = dict(operation.body) if operation.method != "get" else None
    if body and "confirm" in body:
        body["confirm"] = held.resource.instance.server.name
    address = place or operation.of(held)
    if operation.method == "get":
        query = f"?subject={held.resource.name}" if operation.place == "observations" else ""
        return asker.get(f"{API}/{address}{query}")
    headers = {"if-match": "*"} if operation.method == "patch" else {}
    return asker.generic(
        operation.method.upper(), f"{API}/{address}", _json(body), content_type="application/json", headers=headers
    )


def _json(body) -> str:
    return json.dumps(body)


def needs(operation: Operation) -> set[str]:
    """The scopes that its body takes."""
    found = {operation.view.scopes.get(operation.action, READ)} - {""}
    grave = {verb.name for verb in TABLE if verb.grave}
    destroys = operation in CHANGING and operation.body.get("verb") in grave
    return found | ({DESTROY} if destroys else set())


def test_the_table_names_all_that_there_is():
    assert set(ROLES) == set(ROLE_NAMES) and all(set(scopes) <= set(SCOPES) for scopes in ROLES.values())
    assert set(verbs.of("resource")) >= CUSTOMER_VERBS
    used = {scope for operation in ALL for scope in operation.view.scopes.values()} | {READ, DESTROY}
    assert used - {""} == set(SCOPES)
    assert all(operation.action in operation.view.scopes for operation in CHANGING)


def test_every_role_is_a_group_with_the_permissions_of_its_scopes():
    for role, scopes in ROLES.items():
        held = {f"{p.content_type.app_label}.{p.codename}" for p in Group.objects.get(name=role).permissions.all()}
        assert held == (set() if role == CUSTOMER else {p for scope in scopes for p in SCOPES[scope].permissions})


@pytest.mark.parametrize("operation", CHANGING, ids=label)
def test_a_viewer_changes_nothing(acme, viewer, operation):
    before = everything()
    assert ask(viewer, operation, acme).status_code == 403
    assert everything() == before


@pytest.mark.parametrize("place", sorted({operation.place for operation in ALL}))
def test_no_other_method_does_anything(acme, admin, place):
    known = {operation.method for operation in ALL if operation.place == place}
    operation = next(operation for operation in ALL if operation.place == place)
    before = everything()
    for method in set(METHODS) - known:
        answer = admin.generic(method.upper(), f"{API}/{operation.of(acme)}", "{}", content_type="application/json")
        assert answer.status_code == 405 and set(answer["Allow"].lower().split(", ")) >= known
    assert everything() == before


@pytest.mark.parametrize("operation", READING, ids=label)
def test_reading_changes_nothing(acme, admin, operation):
    before = everything()
    assert ask(admin, operation, acme).status_code == 200
    assert everything() == before


@pytest.mark.parametrize("role", [role for role in ROLES if role != CUSTOMER])
@pytest.mark.parametrize("operation", ALL, ids=label)
def test_every_role_may_do_what_the_table_says(acme, role, operation):
    status = ask(program(role), operation, acme).status_code
    assert (status != 403) == (needs(operation) <= set(ROLES[role])), status
    assert status < 500


@pytest.mark.parametrize("operation", ALL, ids=label)
def test_a_token_without_scopes_may_do_nothing(acme, operation):
    status = ask(program("admin", scopes=[]), operation, acme).status_code
    assert status == (403 if needs(operation) else 200)


@pytest.mark.parametrize("operation", ALL, ids=label)
def test_who_is_nobody_learns_nothing(acme, operation):
    assert ask(Client(), operation, acme).status_code == 401
    stranger = Client()
    stranger.force_login(User.objects.create_user("stranger"))
    assert ask(stranger, operation, acme).status_code == (403 if needs(operation) else 200)


@pytest.mark.parametrize("operation", ALL, ids=label)
def test_a_customer_reaches_nothing_of_another(acme, rival, customer, operation):
    before = everything()
    if "{name}" in operation.place and operation.place.split("/")[0] != "plans":
        hidden, nowhere = ask(customer, operation, rival), ask(customer, operation, acme, _nowhere(operation))
        assert hidden.status_code == nowhere.status_code and hidden.status_code in (403, 404)
        assert everything() == before
    answer = ask(customer, operation, acme)
    assert not [word for word in rival.words() if word in answer.content.decode()]


def _nowhere(operation: Operation) -> str:
    return operation.place.replace("{name}", "00000000-0000-4000-8000-000000000000")


@pytest.mark.parametrize("operation", [one for one in READING if one.view.own and one.action == "list"], ids=label)
def test_no_filter_tells_a_customer_of_another(acme, rival, customer, operation):
    """What another has is answered as what nobody has."""
    for name in operation.view.filters:
        for word in sorted(rival.words()):
            known = customer.read(f"{operation.place}?{name}={word}")
            unknown = customer.read(f"{operation.place}?{name}={'x' * len(word)}")
            assert known.status_code == unknown.status_code
            if known.status_code == 200:
                assert known.json()["results"] == unknown.json()["results"] == []
            told = known.content.decode().replace(word, "")
            assert not [other for other in rival.words() if other in told]


def test_a_customer_sees_what_is_theirs_and_nothing_of_what_it_stands_on(acme, rival, customer, admin):
    [shown] = customer.read("resources").json()["results"]
    assert shown["name"] == "acme-orders" and shown["size_bytes"] == 7_340_032 and shown["connections"] == 3
    assert shown["instance"] is None and shown["why"] == ""
    assert admin.read("resources/acme-orders").json()["instance"] == acme.resource.instance.name
    for place in ("credentials", "intents", "events", "incidents", "notices", "customers"):
        assert len(customer.read(place).json()["results"]) == 1, place
    said = "".join(ask(customer, operation, acme).content.decode() for operation in READING if operation.view.own)
    instance = acme.resource.instance
    assert instance.name not in said and instance.server.name not in said


def test_a_customers_suggestions_are_of_their_own(acme, rival, customer):
    said = customer.read("resources/rival-order").json()["detail"]
    assert "rival-orders" not in said
    assert "acme-orders" in customer.read("resources/acme-order").json()["detail"]


@pytest.mark.parametrize("verb", verbs.of("resource"))
def test_a_customer_asks_for_what_customers_may_ask_for(acme, customer, verb):
    params = {"restore": {"at": "2 hours ago"}, "resize": {"plan": "standard-1"}}.get(verb, {})
    body = {"verb": verb, "confirm": "acme-orders", "reason": "a test", "params": params}
    status = customer.send("resources/acme-orders/asks", body).status_code
    assert (status in (202, 409)) == (verb in CUSTOMER_VERBS) and status in (202, 409, 403)


def test_a_customer_makes_databases_for_nobody_else(acme, rival, customer):
    for name in ("rival", str(rival.customer.pk), "nobody"):
        said = customer.send("resources", {"plan": "standard-0", "customer": name}).json()
        assert said["errors"] == {"customer": [f"There is no customer {name!r}."]}
    assert customer.send("resources", {"plan": "standard-0"}).status_code == 202
    seen = {one["name"] for one in customer.read("resources").json()["results"]}
    assert seen == {"acme-orders", Intent.objects.get(verb="create").name}


def test_every_operation_is_of_a_view_that_says_who_may(acme):
    assert len(ALL) > 30 and {"servers", "resources/{name}/asks", "observations"} <= {one.place for one in ALL}
    assert {f"incidents/{{name}}/{verb}" for verb in HANDS} <= {one.place for one in ALL}
    assert all(issubclass(one.view, Api) for one in ALL)


def test_whoever_loses_a_role_loses_its_scopes_at_once(acme):
    asker: Program = program("operator")
    assert asker.send("resources/acme-orders/asks", {"verb": "restart"}).status_code == 202
    User.objects.get(username="operator").groups.clear()
    assert asker.send("resources/acme-orders/asks", {"verb": "restart"}).status_code == 403
    assert Token.objects.count() == 1
