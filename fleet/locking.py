"""The order in which one transaction takes rows that others wait for: by table as in ORDER, and of one table by id. Two
transactions that keep it never wait for each other. Whoever needs a row of an earlier table later takes it first."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row")

# What is asked for of a thing comes after the thing, and an incident before what it is about.
ORDER = (
    "incidents_incident",
    "fleet_addon",
    "fleet_server",
    "fleet_resource",
    "fleet_changeover",
    "fleet_instance",
    "fleet_address",
    "fleet_timeline",
    "fleet_backup",
    "fleet_credential",
    "fleet_intent",
)


def lock(rows: QuerySet[Any, Row]) -> list[Row]:
    """These rows as they are now, which nobody else changes before the transaction ends. Rows that refer to them may
    still be added."""
    return list(rows.order_by("pk").select_for_update(of=("self",), no_key=True))


def lock_one(model: type[Model], id: Any) -> Any:
    """The same of one row. Raises DoesNotExist."""
    return model._base_manager.select_for_update(of=("self",), no_key=True).get(pk=id)
