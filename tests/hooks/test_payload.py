"""What an endpoint gets: all that happened, and nothing secret."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from fleet.models import Event
from incidents.hooks.models import Delivery
from incidents.hooks.payload import body, redacted

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HAPPENED = Event(
    pk=7,
    at=AT,
    kind="resource",
    subject=UUID(int=1),
    name="proud-walrus",
    verb="go_down",
    row=313,
    why="several vantages agree",
    source="uncertain",
    target="down",
    actor="box/17",
    generation=2,
    facts={"dsn": "hunter2"},
    evidence={"sql": "hunter2"},
)


def test_the_whole_of_it() -> None:
    assert json.loads(body(Delivery(event=HAPPENED), limited=False)) == {
        "type": "resource.go_down",
        "timestamp": "2026-11-21T12:00:00+00:00",
        "data": {
            "sequence": 7,
            "kind": "resource",
            "id": "00000000-0000-0000-0000-000000000001",
            "name": "proud-walrus",
            "verb": "go_down",
            "from": "uncertain",
            "to": "down",
            "why": "several vantages agree",
            "generation": 2,
            "row": 313,
            "actor": "box/17",
        },
    }


def test_a_customers_endpoint_does_not_hear_who_works_for_us() -> None:
    told = json.loads(body(Delivery(event=HAPPENED), limited=True))["data"]
    assert not {"row", "actor"} & set(told) and told["to"] == "down"


def test_facts_and_evidence_stay_here() -> None:
    assert b"hunter2" not in body(Delivery(event=HAPPENED), limited=False)


def test_a_proof_says_nothing() -> None:
    told = json.loads(body(Delivery(created_at=AT), limited=True))
    assert told == {"type": "herdsite.test", "timestamp": "2026-11-21T12:00:00+00:00", "data": {}}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("connect postgres://u1:hunter2@10.0.0.1:5432/d1 failed", "connect postgres://***@10.0.0.1:5432/d1 failed"),
        ("password=hunter2 host=a", "password=*** host=a"),
        ("PGPASSWORD='hunter 2', and so on", "PGPASSWORD=***, and so on"),
        ('aws_secret: "hunter2"', "aws_secret: ***"),
        ("token = hunter2;x", "token = ***;x"),
        ("psql ended with 2: could not connect", "psql ended with 2: could not connect"),
        ("the password is wrong", "the password is wrong"),
    ],
)
def test_what_looks_like_a_password_is_masked(text: str, shown: str) -> None:
    assert redacted(text) == shown
