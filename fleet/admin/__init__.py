"""The fleet in the admin: lists and pages to read, actions that ask. Nothing here writes to a thing."""

from fleet.admin import members, records

__all__ = ["members", "records"]
