from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class HerdsiteConfig(AppConfig):
    name = "herdsite"
    verbose_name = "herdsite"

    def ready(self) -> None:
        # Each app's checks.py registers its system checks; they look at models, which are loaded by now.
        autodiscover_modules("checks")
