"""The verbs that touch the world, by kind; the LIFE tables name them."""

from fleet.actions import instance, resource, server
from fleet.actions.base import Action, Acting, ActionError

ACTIONS: dict[str, dict[str, Action]] = {
    "server": server.ACTIONS,
    "instance": instance.ACTIONS,
    "resource": resource.ACTIONS,
}

__all__ = ["ACTIONS", "Acting", "Action", "ActionError"]
