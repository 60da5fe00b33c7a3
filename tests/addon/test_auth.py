"""Who may call: decided before anything is looked up, and said in JSON whatever goes wrong."""

import json
import uuid

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from fleet.addon import provisioning
from fleet.addon.models import Addon
from fleet.lockout import guard
from tests.addon.platforms import PASSWORD, RESOURCES, basic, third

pytestmark = pytest.mark.django_db
CALLS = (("POST", RESOURCES), ("PUT", f"{RESOURCES}/{uuid.UUID(int=1)}"), ("DELETE", f"{RESOURCES}/{uuid.UUID(int=1)}"))


def problem(answer, status: int) -> str:
    """The message of an error, having the form of one."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    said = json.loads(answer.content)
    assert set(said) == {"id", "message"} and said["id"] and said["message"]
    return said["message"]


@pytest.mark.thorough
@pytest.mark.parametrize(("method", "address"), CALLS)
@pytest.mark.parametrize(
    "given",
    [
        "",
        basic(password="wrong"),
        basic(user="another"),
        basic(password=""),
        "Basic",
        "Basic ####",
        basic().replace("Basic", "Bearer"),
        basic() + "AAAA",
        f"Basic {PASSWORD}",
        "Basic \xff\xfe",
    ],
)
def test_who_does_not_know_the_password_is_told_how_before_anything_is_looked_up(call, method, address, given) -> None:
    with CaptureQueriesContext(connection) as queries:
        answer = call(method, address, third(), authorization=given)
    assert problem(answer, 401) and answer["WWW-Authenticate"].startswith("Basic")
    # What was refused is on record, and nothing was read but how often it was tried.
    read = [query["sql"] for query in queries.captured_queries if query["sql"].startswith("SELECT")]
    assert all("lockout_wrong" in sql for sql in read) and not Addon.objects.exists()


def guess(call, times: int, address: str) -> list[int]:
    call.client.defaults["REMOTE_ADDR"] = address
    given = [basic(user=f"user {n}", password=f"guess {n}") for n in range(times)]
    return [call("POST", RESOURCES, third(), authorization=word).status_code for word in given]


def test_who_guesses_waits_whatever_name_he_gives(call) -> None:
    assert guess(call, guard.BOTH.free + 2, "192.0.2.1") == [401] * (guard.BOTH.free + 1) + [429]
    answer = call("POST", RESOURCES, third())
    assert problem(answer, 429) and int(answer["Retry-After"]) > 0, "the right one is not listened to either"
    assert not Addon.objects.exists()


def test_no_number_of_strangers_keeps_the_platform_waiting(call) -> None:
    for n in range(guard.LOGIN.free // guard.BOTH.free + 2):
        guess(call, guard.BOTH.free + 1, f"198.51.100.{n}")
    assert guess(call, guard.BOTH.free, "192.0.2.1") == [401] * guard.BOTH.free
    assert call("POST", RESOURCES, third()).status_code == 202
    assert guess(call, guard.BOTH.free, "192.0.2.1") == [401] * guard.BOTH.free, "what was right begins anew"


def test_what_comes_without_a_password_is_no_guess(call) -> None:
    for _ in range(guard.ADDRESS.free + 2):
        assert call("POST", RESOURCES, third(), authorization="").status_code == 401
    assert call("POST", RESOURCES, third()).status_code == 202


def test_what_a_platform_guesses_keeps_no_person_out_and_the_reverse(call) -> None:
    guess(call, guard.BOTH.free + 2, "192.0.2.1")
    assert guard.wait_s("people", "", "192.0.2.1") == 0 < guard.wait_s("platform", "", "192.0.2.1")


def test_without_a_password_of_ours_nobody_is_let_in(call, settings) -> None:
    settings.ADDON_PASSWORD = ""
    assert problem(call("POST", RESOURCES, third(), authorization=basic(password="")), 401)


def test_the_scheme_is_read_in_any_case(call) -> None:
    assert call("POST", RESOURCES, third(), authorization=basic().replace("Basic", "basic")).status_code == 202


@pytest.mark.parametrize(("method", "address"), [("PATCH", RESOURCES), ("GET", RESOURCES), ("POST", CALLS[1][1])])
def test_a_method_that_there_is_not_says_which_there_are(call, method, address) -> None:
    answer = call(method, address, {})
    assert problem(answer, 405) and answer["Allow"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"null", "application/json", 422),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"{}", "multipart/form-data; boundary=x", 415),
        (b"{}", "text/plain", 415),
    ],
)
def test_a_body_that_is_none_is_refused(call, body, kind, status) -> None:
    assert problem(call("POST", RESOURCES, body, content_type=kind), status)
    assert not Addon.objects.exists()


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.heroku-addons+json", ""])
def test_json_by_any_of_its_names_is_read(call, kind) -> None:
    assert call("POST", RESOURCES, third(), content_type=kind).status_code == 202


def test_a_body_beyond_all_bounds_is_refused(call, settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    assert problem(call("POST", RESOURCES, third(name="x" * 2_000)), 413)


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html", ""])
def test_whatever_is_accepted_the_answer_is_json(call, accept) -> None:
    answer = call("POST", RESOURCES, third(), accept=accept)
    assert answer.status_code == 202 and json.loads(answer.content)["id"]


@pytest.mark.parametrize(
    "error",
    [OperationalError("password=hunter2 is wrong"), ZeroDivisionError("a bug"), UnicodeDecodeError("x", b"", 0, 0, "")],
)
def test_what_nobody_foresaw_is_not_now_and_tells_no_secret(call, monkeypatch, caplog, error) -> None:
    def fail(_asked):
        raise error

    monkeypatch.setattr(provisioning, "provision", fail)
    said = problem(call("POST", RESOURCES, third()), 503)
    assert "hunter2" not in said + caplog.text
