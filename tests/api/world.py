"""A small herd of two customers, and programs that ask the API with a token of a role."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from fleet.api.models import Token
from fleet.models import Address, Backup, Changeover, Credential, Customer, Event, Intent, Resource
from fleet.roles import CUSTOMER, SCOPES
from incidents.models import Incident
from incidents.models.notices import Notice
from observations.models import Observation
from tests import factories

API = "/api/v1"
SECRET = "a-secret-that-nobody-may-see"


class Program(Client):
    """A program that asks with a token."""

    def __init__(self, token: Token, secret: str):
        super().__init__(headers={"authorization": f"Bearer {secret}"})
        self.token, self.secret = token, secret

    def send(self, place: str, body: Any = None, method: str = "POST", **headers: str) -> Any:
        """Ask with a JSON body; headers by their names with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {} if body is None else body
        return self.generic(method, f"{API}/{place}", _json(sent), content_type="application/json", headers=named)

    def read(self, place: str, **headers: str) -> Any:
        return self.get(f"{API}/{place}", headers={name.replace("_", "-"): value for name, value in headers.items()})


def _json(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body)


def program(role: str, customer: Customer | None = None, **fields: Any) -> Program:
    """A program of that role; a customer's is bound to the customer."""
    user = User.objects.filter(username=role).first() or User.objects.create_user(role)
    user.groups.add(Group.objects.get(name=role))
    given = {"name": f"of a {role}", "scopes": list(SCOPES), "expiry": timedelta(days=1), "customer": customer} | fields
    token, secret = Token.objects.create(user=user, **given)
    return Program(token, secret)


@dataclass
class Holding:
    """Everything that one customer has, and is told."""

    customer: Customer
    resource: Resource
    credential: Credential
    intent: Intent
    event: Event
    incident: Incident
    notice: Notice
    backup: Backup
    changeover: Changeover
    address: Address

    def words(self) -> set[str]:
        """What nobody but this customer and the operators may read, anywhere."""
        shown = (self.customer, self.resource, self.intent, self.incident, self.notice, self.backup, self.changeover)
        return {
            *(str(one.pk) for one in shown),
            *(self.customer.name, self.customer.email, self.resource.name, self.resource.dbname),
            *(self.credential.role, self.incident.name, self.intent.reason, self.event.why, self.notice.body),
            *(self.address.endpoint, self.backup.name, self.changeover.name, self.resource.instance.timeline.name),
        }


def holding(name: str) -> Holding:
    """A customer of that name with a database, and what was asked, done, wrong and told about it."""
    instance = factories.instance(server=factories.server(address="127.0.0.9"))
    customer = factories.customer(name=name, email=f"dba@{name}.example")
    resource = factories.resource(
        name=f"{name}-orders", customer=customer, dbname=f"d{name}", instance=instance,
        facts={"db_size_bytes": "7340032", "connections": "3"},
    )  # fmt: skip
    credential = Credential.objects.get(resource=resource)
    credential.secret = SECRET
    credential.save()
    about = {"kind": "resource", "subject": resource.pk, "name": resource.name}
    intent = Intent.objects.create(**about, verb="start", actor="ada", reason=f"{name} is slow")
    event = Event.objects.create(**about, verb="doubt", row=301, why=f"{name} is silent", actor="box/7")
    incident = Incident.objects.create(
        name=f"resource-down-{resource.name}-1", type="resource_down", subject=resource.pk, subject_kind="resource",
        subject_name=resource.name, problem="no answer",
    )  # fmt: skip
    notice = Notice.objects.create(
        key=name, thread=name, purpose=Notice.CUSTOMER, channel="email", recipient=customer.email, customer=customer,
        incident=incident.pk, incident_name=incident.name, subject=f"About {name}", body=f"{name} is down",
    )  # fmt: skip
    backup = Backup.objects.create(name=f"{name}-backup", resource=resource, state="kept", bytes=5)
    changeover = Changeover.objects.create(
        name=f"{name}-move-1", resource=resource, reason="switchover", actor="ada", asked_why=f"{name} wants it"
    )
    address = Address.objects.create(
        name=f"{name}-address", resource=resource, endpoint=f"{name}.db.example", port=5432, provider="local"
    )
    resource.instance.timeline.resource = resource
    resource.instance.timeline.save()
    for second in range(3):
        Observation.objects.create(
            at=timezone.now() - timedelta(seconds=second), kind="resource", subject=resource.pk, vantage="box/7",
            took_ms=1.5, attrs={"service_available": "true", "connections": str(second)},
        )  # fmt: skip
    return Holding(customer, resource, credential, intent, event, incident, notice, backup, changeover, address)


ROLES = ("viewer", "operator", "responder", "admin", CUSTOMER)
