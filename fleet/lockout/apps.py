from django.apps import AppConfig


class LockoutConfig(AppConfig):
    name = "fleet.lockout"
    label = "lockout"
    default_auto_field = "django.db.models.BigAutoField"
