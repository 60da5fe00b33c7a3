"""The config vars of a resource, under the names that the manifest declares: its URL and, where the settings say so,
the CA by which its server proves who it is."""

import hashlib
import json
from collections.abc import Mapping

from django.conf import settings

from fleet import certificates, connecting, context
from fleet.models import Resource


def name() -> str:
    """HERDSITE_URL, or with whatever prefix the manifest has."""
    return f"{settings.ADDON_PREFIX}_URL"


def ca_name() -> str:
    """HERDSITE_CA, likewise. A platform refuses names that its manifest does not have, so a setting switches it on."""
    return f"{settings.ADDON_PREFIX}_CA"


def names() -> list[str]:
    return [name(), ca_name()] if settings.ADDON_CA else [name()]


def of(resource: Resource) -> dict[str, str]:
    """Name and value as they are now; {} while the resource has no place yet."""
    database = context.database_of(resource)
    if database is None:
        return {}
    return {name(): connecting.url(database)} | ({ca_name(): certificates.roots()} if settings.ADDON_CA else {})


def digest(config: Mapping[str, str]) -> str:
    """By which it is known whether a config was pushed already, without keeping it."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
