from importlib import import_module

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "fleet.audit"
    label = "audit"
    verbose_name = "Audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # They look at models, which are loaded by now.
        for name in ("changes", "logins"):
            import_module(f"fleet.audit.{name}").watch()
