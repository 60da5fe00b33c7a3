"""How another content for a database is asked for: a logical backup of ours, or a dump that lies elsewhere. All that
can be refused is refused here, before anything begins; once more when its beat takes it up, for what has changed."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from fleet import logical
from fleet.choices import AskError
from fleet.intents import asked_before, asked_just_now, write
from fleet.models import Backup, Intent, Resource
from fleet.states import DESTROYED, DESTROYING


def load(
    resource: Resource,
    params: Mapping[str, Any],
    *,
    actor: str,
    confirm: str = "",
    reason: str = "",
    key: str | None = None,
    again: bool = False,
) -> Intent:
    """Ask for what the database holds to be replaced, by {"backup": NAME} (with "across_customers": true for another
    customer's, which is for operators to say) or {"url": ADDRESS}. AskError when that can't be."""
    if known := asked_before(key, "load", Resource.KIND):
        return known
    if resource.state in (DESTROYING, DESTROYED):
        raise AskError(f"{resource.name} is {resource.look.label.lower()}: nothing can be put into it any more.")
    if why := logical.refusal(resource, params):
        raise AskError(why)
    if confirm != resource.name:
        raise AskError(f"To load {resource.name}, which replaces all that it holds, type its name to confirm.")
    if not reason.strip():
        raise AskError(f"To load {resource.name}, give a reason. The reason is kept with the event.")
    asked_just_now(resource, "load", actor, again)
    return write(resource, "load", actor, reason, dict(params), key)


def load_own(
    resource: Resource,
    params: Mapping[str, Any],
    *,
    actor: str,
    confirm: str = "",
    reason: str = "",
    key: str | None = None,
    again: bool = False,
) -> Intent:
    """As `load`, for a customer: a backup of the customer's own, or a dump at an https address. What another has is
    as if it were not there."""
    name, url = params.get("backup"), str(params.get("url") or "")
    if name and not own(resource).filter(name=name).exists():
        raise AskError(f"There is no logical backup {name!r} of yours.")
    if url and not url.startswith("https://"):
        raise AskError("An address begins with https://.")
    if params.get("across_customers"):
        raise AskError("Only operators let data go from one customer to another.")
    return load(resource, params, actor=actor, confirm=confirm, reason=reason, key=key, again=again)


def own(resource: Resource) -> QuerySet[Backup]:
    """The logical backups of the resource's customer."""
    return Backup.objects.filter(method=Backup.LOGICAL, resource__customer=resource.customer_id)
