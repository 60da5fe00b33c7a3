"""The one place where an add-on asks for more than a new database: for a copy of another one, or another plan."""

from datetime import datetime
from typing import Any

from fleet import copies, intents
from fleet.addon.asked import Asked
from fleet.addon.http import invalid, not_now
from fleet.addon.options import FOLLOW, Copy
from fleet.addon.steps import ACTOR
from fleet.models import Backup, Intent, Plan, Resource
from fleet.states import CHANGING_OVER, CREATING, KEPT


def create(asked: Asked, copy: Copy) -> Resource:
    """A resource that follows or forks another. Raises AskError where that can't be."""
    key = f"addon/{asked.uuid}" if asked.uuid else None
    common: dict[str, Any] = {"actor": ACTOR, "plan": asked.plan, "zone": asked.zone, "key": key}
    if copy.kind == FOLLOW:
        return copies.follow(copy.source, **common)
    return copies.fork(copy.source, at=_last_backup(copy.source) if copy.fast else copy.at, **common)


def resize(resource: Resource, plan: Plan) -> None:
    """Ask for a changeover to another plan; asked again while it is under way, it is asked once. Raises Refusal."""
    if resource.plan.shared or plan.shared:
        raise not_now(
            f"A database can't move between {resource.plan} and {plan}: one of them shares a server with others. "
            f"Create a database of {plan} and move your data to it."
        )
    if resource.state == CREATING:
        raise not_now("It is being created: its plan can be changed once it is there.")
    held = resource.facts.get("db_size_bytes") or ""
    if held.isdigit() and int(held) > plan.disk_mb * 2**20:
        raise invalid(f"It holds {int(held) >> 20} MB, and {plan} has room for {plan.disk_mb} MB.")
    under_way = Intent.objects.filter(subject=resource.pk, verb="resize", state=Intent.OPEN).first()
    if under_way and under_way.params.get("plan") == plan.pk:
        return
    if under_way or resource.state == CHANGING_OVER:
        raise not_now("Another change of it is under way. Try again once that is done.")
    try:
        intents.ask(resource, "resize", actor=ACTOR, reason="change of plan", params={"plan": plan.pk})
    except intents.AskError as error:
        raise invalid(str(error)) from error


def _last_backup(source: Resource) -> datetime | None:
    """When its latest base backup was complete: a copy of that needs no WAL after it."""
    found = Backup.objects.filter(resource=source, method=Backup.BASE, state=KEPT, ended_at__isnull=False)
    last = found.order_by("-ended_at").first()
    return last.ended_at if last else None
