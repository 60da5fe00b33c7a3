"""The OpenAPI document and its page, and what of a request is in the logs."""

import re

import pytest
from django.contrib.auth.models import User
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from tests.api.operations import ALL
from tests.api.world import SECRET, program

pytestmark = pytest.mark.django_db


@pytest.mark.thorough
def test_the_document_is_openapi_3_1_and_has_every_operation(viewer):
    said = viewer.read("openapi.json").json()
    validate_schema(said)
    assert said["openapi"] == "3.1.0"
    described = {
        (path.removeprefix("/api/v1/"), method): found
        for path, ways in said["paths"].items()
        for method, found in ways.items()
    }
    assert set(described) == {(one.place, one.method) for one in ALL if one.place != "openapi.json"}
    names = [found["operationId"] for found in described.values()]
    assert len(names) == len(set(names)) and {"resources_list", "resources_asks", "incidents_ack"} <= set(names)
    assert all(found.get("description") for found in described.values())
    summaries = [found["summary"] for found in described.values()]
    assert all(0 < len(summary) <= 100 and not summary.endswith(".") for summary in summaries)
    assert [server["url"] for server in said["servers"]] == ["/"]


def _bodies():
    """Every body that can be sent, by operation."""
    said = SchemaGenerator().get_schema(public=True)
    for path, ways in said["paths"].items():
        for method, operation in ways.items():
            for body in operation.get("requestBody", {}).get("content", {}).values():
                yield f"{method} {path}", said["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]


@pytest.mark.parametrize(
    ("method", "place", "body"),
    [
        ("POST", "resources", {"customer": "", "plan": "standard-0"}),
        ("POST", "resources", {"customer": "acme", "plan": ""}),
        ("POST", "resources/{name}/asks", {"verb": ""}),
        ("POST", "incidents/{name}/assign", {"to": ""}),
        ("POST", "incidents/{name}/note", {"text": ""}),
        ("POST", "servers", {"name": "", "zone": ""}),
    ],
)
def test_what_may_not_be_empty_is_not_allowed_to_be_by_the_document(acme, admin, method, place, body):
    shape = dict(_bodies())[f"{method.lower()} /api/v1/{place}"]
    said = SchemaGenerator().get_schema(public=True)
    empty = [name for name, value in body.items() if value == ""]
    for name in empty:
        field = shape["properties"][name]
        if reference := field.get("$ref"):
            field = said["components"]["schemas"][reference.rpartition("/")[2]]
        assert field.get("minLength") or field.get("pattern") or "" not in field.get("enum", [""]), name
    held = {"resources": acme.resource.name, "incidents": acme.incident.name}
    answer = admin.send(place.replace("{name}", held.get(place.split("/")[0], "")), body, method)
    assert answer.status_code == 400 and set(empty) <= set(answer.json()["errors"])


def test_no_warning_is_hidden_in_the_document(capsys):
    SchemaGenerator().get_schema(public=True)
    assert "Warning" not in capsys.readouterr().err


def test_the_page_needs_a_session_and_nothing_from_elsewhere(client, acme):
    assert client.get("/api/v1/docs")["Location"].startswith("/admin/login/")
    client.force_login(User.objects.create_superuser("root"))
    page = client.get("/api/v1/docs")
    text = page.content.decode()
    assert "drf_spectacular_sidecar" in text and "csrftoken" in page.cookies
    (script,) = re.findall(r'src="(/api/v1/docs[^"]*)"', text)
    assert "X-CSRFTOKEN" in client.get(script).content.decode().upper()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)


def test_a_request_has_an_id_in_its_answer_its_problems_and_the_logs(viewer, caplog):
    caplog.set_level("INFO")
    viewer.read("resources?q=what-they-look-for", x_request_id="my-request-7")
    answer = viewer.read("nowhere", x_request_id="my-request-8")
    assert answer["X-Request-ID"] == answer.json()["request_id"] == "my-request-8"
    lines = [record.msg for record in caplog.records if record.name == "web"]
    assert [line["request_id"] for line in lines] == ["my-request-7", "my-request-8"]
    assert (lines[0]["actor"], lines[0]["path"], lines[1]["status"]) == (
        "viewer (of a viewer)",
        "/api/v1/resources",
        404,
    )
    assert "what-they-look-for" not in caplog.text
    for made_up in ("a b", "x" * 65, 'x"y', "ü"):
        assert re.fullmatch(r"[0-9a-f]{32}", viewer.read("me", x_request_id=made_up)["X-Request-ID"])


def test_secrets_are_in_no_log_no_problem_and_no_document(acme, admin, caplog):
    caplog.set_level("DEBUG")
    place = f"credentials/{acme.credential.pk}"
    said = [
        admin.read(place).content,
        admin.read("openapi.json").content,
        admin.send(f"{place}/reveal", {"reason": 7}).content,
        admin.send(f"{place}/reveal", {"password": SECRET[:-1]}).content.replace(SECRET[:-1].encode(), b""),
        admin.read(f"resources?q={SECRET}").content.replace(SECRET.encode(), b"", 1),
    ]
    assert admin.send(f"{place}/reveal", {"reason": "a test"}).json()["password"] == SECRET
    stranger = program("viewer")
    stranger.defaults["HTTP_AUTHORIZATION"] = f"Bearer {admin.secret}x"
    said.append(stranger.read("me").content)
    everything = b"".join(said).decode() + caplog.text
    assert "event': 'request'" in everything
    assert SECRET not in everything and admin.secret not in everything


def test_where_nothing_is_every_error_is_a_problem(admin):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = admin.send("no/where", {}, method)
        assert answer.status_code == (405 if method == "OPTIONS" else 404), method
        assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("[" * 100_000, 400),
        ('{"verb": "\\ud800"}', 400),
        ('{"\\ud800": 1}', 400),
        ('{"verb": NaN}', 400),
        (f'{{"verb": "{"x" * 300_000}"}}', 413),
        ("null", 400),
        ("7", 400),
    ],
)
def test_no_body_breaks_anything(acme, admin, body, status):
    answer = admin.send("resources/acme-orders/asks", body)
    assert answer.status_code == status and answer["Content-Type"] == "application/problem+json"
