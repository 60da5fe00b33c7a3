from django.apps import AppConfig


class AddonConfig(AppConfig):
    name = "fleet.addon"
    label = "addon"
    verbose_name = "Add-ons"
    default_auto_field = "django.db.models.BigAutoField"
