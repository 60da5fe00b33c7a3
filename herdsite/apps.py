from django.apps import AppConfig


class HerdsiteConfig(AppConfig):
    name = "herdsite"
    verbose_name = "herdsite"
