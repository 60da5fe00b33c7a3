"""What is wrong, who mends it, who was told."""

from incidents.models.incident import BrakeRelease, Incident, Journal, PlaybookPolicy
from incidents.models.notices import Hook, Notice, Page, Rota

__all__ = ["BrakeRelease", "Hook", "Incident", "Journal", "Notice", "Page", "PlaybookPolicy", "Rota"]
