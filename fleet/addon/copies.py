"""The one place where an add-on asks for more than a new database: for a copy of another one, or another plan."""

from datetime import datetime
from typing import Any

from fleet import choices, intents
from fleet.addon.asked import Asked
from fleet.addon.http import invalid, not_now
from fleet.addon.options import FORK, Copy
from fleet.addon.steps import ACTOR
from fleet.models import Backup, Resource
from fleet.states import CHANGING_OVER, CREATING, KEPT


def create(asked: Asked, copy: Copy) -> Resource:
    """A resource that follows or forks another. Raises AskError where that can't be."""
    key = f"addon/{asked.uuid}" if asked.uuid else None
    params: dict[str, Any] = {"plan": asked.plan, "zone": asked.zone}
    if copy.kind == FORK and (at := _last_backup(copy.source) if copy.fast else copy.at):
        params["at"] = at.isoformat()
    made = intents.ask(copy.source, copy.kind, actor=ACTOR, params=params, key=key)
    return Resource.objects.get(pk=made.subject)


def resize(resource: Resource, plan: str) -> bool:
    """Ask for another plan; whether that is asked for now, or under way: False where it is on that plan and stays.
    Raises Refusal: 503 while something stands in the way that ends by itself, 422 for what can never be."""
    under_way = choices.open_resize(resource)
    if under_way and under_way.params.get("plan") == plan:
        return True
    if under_way is None and plan == resource.plan_id:
        return False
    if resource.state == CREATING:
        raise not_now("The database is being created: change its plan when it is available.")
    if under_way is None and resource.state == CHANGING_OVER:
        raise not_now("Another change of this database is in progress. Try again when it is done.")
    try:
        intents.ask(resource, "resize", actor=ACTOR, reason="change of plan", params={"plan": plan}, again=True)
    except choices.NotNow as error:
        raise not_now(f"Another change of this database is in progress. {error}") from error
    except intents.AskError as error:
        raise invalid(str(error)) from error
    return True


def _last_backup(source: Resource) -> datetime | None:
    """When its latest base backup was complete: a copy of that needs no WAL after it."""
    found = Backup.objects.filter(resource=source, method=Backup.BASE, state=KEPT, ended_at__isnull=False)
    last = found.order_by("-ended_at").first()
    return last.ended_at if last else None
