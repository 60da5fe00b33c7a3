"""What we have. One kind of thing a file."""

from typing import Any

from fleet.models.address import Address
from fleet.models.authority import Authority, ServerCertificate
from fleet.models.backup import Backup
from fleet.models.changeover import Changeover
from fleet.models.credential import Credential
from fleet.models.customer import Customer
from fleet.models.event import Event
from fleet.models.instance import Instance
from fleet.models.intent import Intent
from fleet.models.member import Member
from fleet.models.plan import Plan
from fleet.models.plane import ControlPlane
from fleet.models.resource import Resource
from fleet.models.server import Server
from fleet.models.timeline import Timeline
from fleet.models.worker import Worker

_MODELS = (Server, Instance, Resource, Timeline, Backup, Changeover, Address)
# The rings' members by the name of their kind.
MEMBERS: dict[str, type[Any]] = {model.KIND: model for model in _MODELS}

__all__ = [
    "MEMBERS",
    "Address",
    "Authority",
    "Backup",
    "Changeover",
    "ControlPlane",
    "Credential",
    "Customer",
    "Event",
    "Instance",
    "Intent",
    "Member",
    "Plan",
    "Resource",
    "Server",
    "ServerCertificate",
    "Timeline",
    "Worker",
]
