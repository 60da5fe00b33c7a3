"""The LIFE tables, one file each: open them to know what herdsite does."""

from fleet.rules import Table
from fleet.think import address, backup, changeover, instance, resource, server, timeline

LIFE: dict[str, Table] = {
    "server": server.LIFE,
    "instance": instance.LIFE,
    "resource": resource.LIFE,
    "timeline": timeline.LIFE,
    "backup": backup.LIFE,
    "address": address.LIFE,
    "changeover": changeover.LIFE,
}
