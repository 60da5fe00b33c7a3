"""What is wrong, who mends it, who was told."""

from incidents.models.notices import Hook, Notice, Page, Rota

__all__ = ["Hook", "Notice", "Page", "Rota"]
