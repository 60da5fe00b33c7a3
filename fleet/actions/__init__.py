"""The verbs that touch the world, by kind; the LIFE tables name them."""

from collections.abc import Mapping

from fleet.actions import instance, resource, server
from fleet.actions.base import Acting, Action, ActionError

ACTIONS: dict[str, Mapping[str, Action]] = {
    "server": server.ACTIONS,
    "instance": instance.ACTIONS,
    "resource": resource.ACTIONS,
}

__all__ = ["ACTIONS", "Acting", "Action", "ActionError"]
