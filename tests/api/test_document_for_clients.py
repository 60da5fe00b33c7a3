"""What generated clients need of the OpenAPI document: links that lead on, examples that are taken, one form of each
value, and no field that may be missing where it never is."""

from collections.abc import Iterator
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from tests.api.operations import CHANGING

pytestmark = pytest.mark.django_db
HERE = "/api/v1/"
PLAIN = {"string", "integer", "number", "boolean"}


@pytest.fixture
def document() -> dict[str, Any]:
    return SchemaGenerator().get_schema(public=True)


def operations(document: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """By id: the address, the method, and the operation."""
    return {
        operation["operationId"]: (path, method, operation)
        for path, ways in document["paths"].items()
        for method, operation in ways.items()
    }


def named(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for."""
    words = schema["$ref"].rpartition("/")[2] if "$ref" in schema else ""
    return document["components"]["schemas"][words] if words else schema


def answers(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Everything that is answered when all goes well: of which operation, the answer, and the form of its body."""
    for name, (_path, _method, operation) in operations(document).items():
        for status, answer in operation["responses"].items():
            if status.startswith("2"):
                for content in answer["content"].values():
                    yield name, answer, named(document, content["schema"])


def test_every_link_leads_to_an_operation_by_what_the_answer_holds(document):
    known, followed = operations(document), set()
    for name, answer, body in answers(document):
        for link in answer.get("links", {}).values():
            path, _method, _operation = known[link["operationId"]]
            followed.add(link["operationId"])
            assert path.count("{") == len(link["parameters"]) == 1, (name, link)
            source = link["parameters"]["name"]
            where, _, field = source.partition("#/")
            assert (where == "$response.body" and field in body["properties"]) or (
                where == "$request.path.name" and known[name][0].endswith("/{name}")
            ), (name, link)
    on_one = {name for name, (path, _method, _operation) in known.items() if "{name}" in path}
    read = {name for name in on_one if known[name][1] == "get" and known[name][0].endswith("{name}")}
    assert followed >= on_one - read, "whatever can be done with an object follows on reading it"


@pytest.mark.parametrize("create", [True, False], ids=["create", "ask"])
def test_what_follows_on_a_request_is_found_there(document, acme, admin, create):
    if create:
        answer = admin.send("resources", {"plan": "standard-0", "customer": "acme"})
        (_path, _method, operation) = operations(document)["resources_create"]
    else:
        answer = admin.send("resources/acme-orders/asks", {"verb": "restart"})
        (_path, _method, operation) = operations(document)["resources_asks"]
    assert answer.status_code == 202
    links, found = operation["responses"]["202"]["links"], {}
    for name, link in links.items():
        path, method, _operation = operations(document)[link["operationId"]]
        value = answer.json()[link["parameters"]["name"].partition("#/")[2]]
        place = path.replace("{name}", value).removeprefix(HERE)
        found[name] = admin.send(place, {} if method == "post" else None, method.upper())
    leads = {"intent", "subject"} | (set() if create else {"cancel"})
    assert {name: one.status_code for name, one in found.items()} == dict.fromkeys(leads, 200)
    assert found["intent"].json()["id"] == answer.json()["id"]
    assert found["subject"].json()["name"] == answer.json()["name"]


def test_every_body_has_an_example_that_it_takes(document, acme):
    shown = 0
    for operation in CHANGING:
        said = document["paths"][HERE + operation.place][operation.method]
        for body in said.get("requestBody", {}).get("content", {}).values():
            (example,) = named(document, body["schema"])["examples"]
            whole = body["schema"] | {"components": document["components"]}
            assert not list(Draft202012Validator(whole).iter_errors(example)), operation
            taken = operation.view.takes[operation.action](data=example, context={"customer": None})
            assert taken.is_valid(), (operation, taken.errors)
            assert not set(example) - set(taken.fields)
            shown += 1
    assert shown == len(CHANGING)


def test_no_value_is_one_of_several_plain_forms(document):
    """One that two forms take is invalid by `oneOf`, and a client that is generated from it has a class for a text."""
    for schema, where in _schemas(document, "document"):
        forms = [form for kind in ("oneOf", "anyOf") for form in schema.get(kind, ())]
        assert sum(form.get("type") in PLAIN for form in forms) == 0, where


@pytest.mark.parametrize(
    ("body", "field", "values"),
    [
        ("NewResource", "zone", {"": True, "b": True, "eu/1": False}),
        ("PatchedWindowChange", "window", {"": True, "Tue 03:00": True, "Tuesday": False}),
        ("CustomerBody", "email", {"": True, "dba@acme.example": True}),
    ],
)
def test_the_document_takes_an_empty_text_where_the_api_does(document, body, field, values):
    checks = Draft202012Validator(document["components"]["schemas"][body]["properties"][field])
    assert {value: checks.is_valid(value) for value in values} == values


def test_a_field_that_is_always_answered_is_never_optional(document):
    for name, _answer, body in answers(document):
        assert set(body.get("required", ())) == set(body["properties"]), name


def _schemas(part: Any, where: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Every object of the document that may be a schema, and where it is."""
    if isinstance(part, dict):
        yield part, where
        for name, value in part.items():
            yield from _schemas(value, f"{where}/{name}")
    elif isinstance(part, list):
        for n, value in enumerate(part):
            yield from _schemas(value, f"{where}/{n}")
