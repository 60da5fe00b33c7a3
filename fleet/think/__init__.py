"""The LIFE tables, one file each: open them to know what herdsite does."""

from fleet.rules import Table
from fleet.think import instance, resource, server

LIFE: dict[str, Table] = {"server": server.LIFE, "instance": instance.LIFE, "resource": resource.LIFE}
