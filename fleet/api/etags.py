"""Which version of a thing was read, and that nobody writes over a newer one."""

import hashlib
import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api.problems import Stale, Unconditional


def tag(data: Any) -> str:
    """The ETag of what is shown."""
    text = json.dumps(data, cls=DjangoJSONEncoder, sort_keys=True)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def shown(request: Request, data: Any, status: int = 200) -> Response:
    """The data with its ETag; 304 and nothing else, if that is what the asker has already."""
    etag = tag(data)
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if request.method in ("GET", "HEAD") and (etag in known or "*" in known):
        return Response(status=304, headers={"ETag": etag})
    return Response(data, status=status, headers={"ETag": etag})


def demand(request: Request, data: Any) -> None:
    """The asker has to have read what is there now. Raises Unconditional or Stale."""
    given = request.headers.get("If-Match")
    if given is None:
        raise Unconditional
    known = parse_etags(given)
    if "*" not in known and tag(data) not in known:
        raise Stale
