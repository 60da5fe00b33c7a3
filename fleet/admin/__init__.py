"""The fleet in the admin: lists and pages to read, actions that ask. Nothing here writes to a thing."""

from fleet.admin import members, moving, records

__all__ = ["members", "moving", "records"]
