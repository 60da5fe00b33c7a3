"""The config vars of a resource: its URL, under the one name that the manifest declares."""

import hashlib
import json
from collections.abc import Mapping

from django.conf import settings

from fleet import connecting, context
from fleet.models import Resource


def name() -> str:
    """HERDSITE_URL, or with whatever prefix the manifest has."""
    return f"{settings.ADDON_PREFIX}_URL"


def of(resource: Resource) -> dict[str, str]:
    """Name and value as they are now; {} while the resource has no place yet."""
    database = context.database_of(resource)
    return {name(): connecting.url(database)} if database else {}


def digest(config: Mapping[str, str]) -> str:
    """By which it is known whether a config was pushed already, without keeping it."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
