"""The config vars of a resource: its URL, under the one name that the manifest declares."""

import hashlib
import json
from collections.abc import Mapping
from urllib.parse import quote

from django.conf import settings

from fleet import context
from fleet.models import Resource
from fleet.transports.base import Database


def name() -> str:
    """HERDSITE_URL, or with whatever prefix the manifest has."""
    return f"{settings.ADDON_PREFIX}_URL"


def url(database: Database) -> str:
    """postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…, as drivers read it."""
    host = f"[{database.address}]" if ":" in database.address else database.address
    who = f"{quote(database.user, safe='')}:{quote(database.password, safe='')}"
    dbname = quote(database.dbname, safe="")
    return f"postgres://{who}@{host}:{database.port}/{dbname}?sslmode={database.sslmode}"


def of(resource: Resource) -> dict[str, str]:
    """Name and value as they are now; {} while the resource has no place yet."""
    database = context.database_of(resource)
    return {name(): url(database)} if database else {}


def digest(config: Mapping[str, str]) -> str:
    """By which it is known whether a config was pushed already, without keeping it."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
