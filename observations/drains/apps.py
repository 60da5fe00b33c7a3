from django.apps import AppConfig


class DrainsConfig(AppConfig):
    name = "observations.drains"
    label = "drains"
    verbose_name = "Drains"
    default_auto_field = "django.db.models.BigAutoField"
