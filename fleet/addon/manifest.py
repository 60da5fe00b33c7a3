"""The manifest: what a platform is told about this add-on once, when it is registered there."""

from typing import Any

from django.conf import settings

from fleet.addon import config

RESOURCES, SIGN_ON = "/heroku/resources", "/sso/login"


def required() -> list[str]:
    """What a platform must have for this add-on: what the settings hold an answer for, and no more."""
    drains = ["syslog_drain"] if settings.ADDON_LOG_DRAIN_URL else []
    return ["many_per_app", *drains, "log_input"]


def manifest(third: bool = True) -> dict[str, Any]:
    """As plain JSON. It holds the password and the salt: it is for the platform alone."""
    production, test = settings.URL or "https://herdsite.example.com", f"http://localhost:{settings.ADDON_PORT}"
    # A region that is named with its provider is the long name of a short one.
    regions = [region for region in settings.ADDON_REGIONS if "::" not in region]
    api: dict[str, Any] = {
        "config_vars": config.names(),
        "config_vars_prefix": settings.ADDON_PREFIX,
        "password": settings.ADDON_PASSWORD,
        "sso_salt": settings.ADDON_SSO_SALT,
        "regions": regions,
        "requires": required(),
    }
    if third:
        api = {"version": "3"} | api | {"production": _addresses(production), "test": _addresses(test)}
    else:
        api |= {"production": production, "test": test}
    return {"id": settings.ADDON_ID, "name": settings.ADDON_NAME, "api": api}


def _addresses(root: str) -> dict[str, str]:
    return {"base_url": root + RESOURCES, "sso_url": root + SIGN_ON}
