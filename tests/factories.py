"""Rows for tests, in any state, without a fleet beneath them. Each returns what is in the database, freshly read.

Whatever is not given is made up; `fields` are the model's own. Times that a beat would have written can be given as
any other field.
"""

import itertools
from typing import Any

from fleet import streams
from fleet.models import Address, Backup, Changeover, Credential, Customer, Instance, Plan, Resource, Server, Timeline
from fleet.states import AVAILABLE

_numbers = itertools.count(1)


def _name(kind: str) -> str:
    return f"{kind}-{next(_numbers)}"


def _made(row: Any) -> Any:
    """The row with what the database filled in."""
    row.save(force_insert=True)
    return type(row).objects.get(pk=row.pk)


def customer(**fields: Any) -> Customer:
    name = fields.pop("name", None) or _name("customer")
    return _made(Customer(name=name, email=fields.pop("email", f"{name}@example.com"), **fields))


def plan(name: str = "standard-0") -> Plan:
    """One of the plans that the migration offers (fleet/plans.py)."""
    return Plan.objects.get(name=name)


def server(**fields: Any) -> Server:
    return _made(Server(**{"name": _name("server"), "state": AVAILABLE, "queue": "feel"} | fields))


def instance(**fields: Any) -> Instance:
    """On the server and the timeline that are given, or on new ones; on the first port that is free there."""
    fields = {"name": _name("instance"), "state": AVAILABLE, "queue": "feel"} | fields
    fields["server"] = fields.get("server") or server()
    fields["timeline"] = fields.get("timeline") or _made(Timeline(name=_name("line")))
    fields["plan"] = fields.get("plan") or plan()
    fields.setdefault("port", 5432 + fields["server"].instances.count())
    made = _made(Instance(**fields))
    # It was told what it is to be.
    Instance.objects.filter(pk=made.pk).update(attrs={"told": streams.wanted(made, {})} | made.attrs)
    return Instance.objects.get(pk=made.pk)


def resource(**fields: Any) -> Resource:
    """On the instance that is given, on none if that is None, else on a new one; with its owner's credential."""
    fields = {"name": _name("resource"), "state": AVAILABLE, "queue": "feel"} | fields
    if "instance" not in fields:
        fields["instance"] = instance()
    fields["plan"] = fields.get("plan") or (fields["instance"].plan if fields["instance"] else plan())
    fields["customer"] = fields.get("customer") or customer()
    fields.setdefault("dbname", f"d{next(_numbers)}")
    made = _made(Resource(**fields))
    Credential.objects.create(purpose=Credential.OWNER, resource=made, role=f"u{made.dbname}", secret="not for anyone")
    return made


def timeline(**fields: Any) -> Timeline:
    return _made(Timeline(**{"name": _name("timeline"), "queue": "slow"} | fields))


def backup(**fields: Any) -> Backup:
    """A base backup of the timeline that is given, or of a new one."""
    fields = {"name": _name("backup"), "queue": "slow"} | fields
    if "timeline" not in fields and "resource" not in fields:
        fields["timeline"] = timeline()
    return _made(Backup(**fields))


def address(**fields: Any) -> Address:
    fields = {"name": _name("address"), "provider": "local", "port": 5432} | fields
    fields["resource"] = fields.get("resource") or resource()
    return _made(Address(**fields))


def changeover(**fields: Any) -> Changeover:
    fields = {"name": _name("changeover"), "reason": Changeover.SWITCHOVER, "actor": "test"} | fields
    fields["resource"] = fields.get("resource") or resource()
    return _made(Changeover(**fields))
