"""The whole OpenAPI document, asked by machine as each role: nothing fails, and no answer is off the document."""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from herdsite.wsgi import application
from tests.api.operations import names
from tests.api.world import ROLES, holding, program

pytestmark = pytest.mark.thorough

# What is well-formed may still name a plan or a person that there is not (400), or another version (412).
CHECKS = {
    "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", 400, 403, 404, 409, 412, 422]},
    "missing_required_header": {"expected-statuses": [400, 403, 404, 428]},
}
OTHERS = tuple(role for role in ROLES if role != "admin")


def _document(thorough: bool):
    """The document as schemathesis reads it; thorough is with every edge of every parameter, and logins that fail."""
    config = {
        "generation": {"deterministic": True},
        "phases": {"coverage": {"enabled": thorough}},
        "checks": CHECKS | {"ignored_auth": {"enabled": thorough}},
    }
    found = schemathesis.openapi.from_dict(
        SchemaGenerator().get_schema(public=True), config=SchemathesisConfig.from_dict(config)
    )
    found.app = application
    return found


thorough, brief = _document(True), _document(False)


def bounded(examples: int):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture
def places(db):
    """Something real for each part of the API, so that it isn't all 404."""
    held = holding("acme")
    return {**names(held), "customer": held.customer}


@pytest.fixture(autouse=True)
def one_connection():
    """The requests are a part of the test's transaction, as Django's own client has it."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def put(case, program, places):
    """Send it; what is meant well is about something that there is."""
    if case.meta.generation.mode.is_positive:
        if "name" in case.path_parameters:
            case.path_parameters["name"] = places[case.path.removeprefix("/api/v1/").split("/")[0]]
        if "subject" in (case.query or {}):
            case.query["subject"] = places["resources"]
    case.call_and_validate(headers={"Authorization": f"Bearer {program.secret}", "Accept-Encoding": "identity"})


@thorough.parametrize()
@bounded(10)
def test_every_operation_to_its_edges_as_admin(case, admin, places):
    put(case, admin, places)


@brief.parametrize()
@bounded(5)
@pytest.mark.parametrize("role", OTHERS)
def test_every_operation_as_every_other_role(case, role, places):
    put(case, program(role, places["customer"] if role == "customer" else None), places)
