"""Sends observations to their own database where there is one."""

from typing import Any

from django.conf import settings


class ObservationsRouter:
    def _database(self, label: str) -> str | None:
        return settings.OBSERVATIONS_DB if label == "observations" else None

    def db_for_read(self, model: Any, **_hints: Any) -> str | None:
        return self._database(model._meta.app_label)

    def db_for_write(self, model: Any, **_hints: Any) -> str | None:
        return self._database(model._meta.app_label)

    def allow_migrate(self, db: str, app_label: str, **_hints: Any) -> bool | None:
        if settings.OBSERVATIONS_DB == "default":
            return None
        return (app_label == "observations") == (db == settings.OBSERVATIONS_DB)
