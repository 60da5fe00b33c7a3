"""The verbs that touch the world, by kind; the LIFE tables name them."""

from collections.abc import Mapping

from fleet.actions import address, backup, changeover, instance, resource, server, timeline
from fleet.actions.base import Acting, Action, ActionError

ACTIONS: dict[str, Mapping[str, Action]] = {
    "server": server.ACTIONS,
    "instance": instance.ACTIONS,
    "resource": resource.ACTIONS,
    "timeline": timeline.ACTIONS,
    "backup": backup.ACTIONS,
    "address": address.ACTIONS,
    "changeover": changeover.ACTIONS,
}

__all__ = ["ACTIONS", "Acting", "Action", "ActionError"]
