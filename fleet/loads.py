"""How another content for a database is asked for: a logical backup of ours, or a dump that lies elsewhere. All that
can be refused is refused here, before anything begins; once more when its beat takes it up, for what has changed."""

from collections.abc import Mapping
from typing import Any

from fleet import logical
from fleet.intents import AskError, asked_before, write
from fleet.models import Intent, Resource
from fleet.states import DESTROYED, DESTROYING


def load(
    resource: Resource,
    params: Mapping[str, Any],
    *,
    actor: str,
    confirm: str = "",
    reason: str = "",
    key: str | None = None,
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
        raise AskError(f"To load {resource.name}, give a reason: it is kept with the story.")
    return write(resource, "load", actor, reason, dict(params), key)
