"""What `manage.py check` holds against the settings of the add-on."""

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from fleet.addon import config


@register
def addon(**_kwargs: Any) -> list[CheckMessage]:
    """addon.E001: a name that no platform takes. addon.W001: half of what is secret is set."""
    found: list[CheckMessage] = [
        Error(wrong, hint="Correct the HERDSITE_ADDON_… settings.", id="addon.E001") for wrong in _wrong()
    ]
    given = [name for name in ("PASSWORD", "SSO_SALT", "CLIENT_SECRET") if getattr(settings, f"ADDON_{name}")]
    if 0 < len(given) < 3:
        hint = "Set HERDSITE_ADDON_PASSWORD, _SSO_SALT and _CLIENT_SECRET: without one of them platforms are refused."
        found.append(Warning(f"The add-on has only {', '.join(given)}.", hint=hint, id="addon.W001"))
    return found


def _wrong() -> Iterator[str]:
    if not re.fullmatch(r"[A-Z][0-9A-Z_]+", config.name()):
        yield f"{config.name()!r} can't be the name of a config var."
    if not re.fullmatch(r"[a-z][a-z0-9-]+", settings.ADDON_ID):
        yield f"{settings.ADDON_ID!r} can't be the id of a manifest."
    if settings.ADDON_DEPROVISION not in ("now", "later"):
        yield f"A database can be deprovisioned now or later, not {settings.ADDON_DEPROVISION!r}."
    if settings.ADDON_WEBHOOKS not in ("", "notify", "sync"):
        yield f"Webhooks of the platform are of the level notify or sync, not {settings.ADDON_WEBHOOKS!r}."
    elif settings.ADDON_WEBHOOKS and not settings.URL:
        yield "The platform's webhooks have nowhere to go while HERDSITE_URL is empty."
    if not 0 <= settings.ADDON_WAIT_S <= 2.5:
        yield f"A request may be waited for between 0 and 2.5 s, not {settings.ADDON_WAIT_S:g}."
