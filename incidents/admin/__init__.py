"""Incidents in the admin: what is wrong and who mends it, who was told, and who is on call."""

from incidents.admin import incidents, notices

__all__ = ["incidents", "notices"]
