"""Idempotency keys: a request that is sent again with its key gets the answer of the first, and nothing is done twice.
The key's row and what was asked are one transaction, so that of two at once one waits for the other."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.request import Request

from fleet.api.logins import asker_of
from fleet.api.models import Asked
from fleet.api.problems import Invalid, Reused
from fleet.models import Intent

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
LONGEST = 200
KEPT = timedelta(days=1)
_KEY = re.compile(rf"[\x20-\x7e]{{1,{LONGEST}}}")


@dataclass(frozen=True)
class Answer:
    """What came of a request: an Intent, or data with a status. `again` if it came of an earlier one."""

    intent: Intent | None = None
    data: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    again: bool = False


def once(request: Request, do: Callable[[], Answer]) -> Answer:
    """Do it in one transaction; or, if the asker has sent the same with the same key within a day, answer as then.
    What raises is not remembered."""
    key = request.headers.get(HEADER)
    with transaction.atomic():
        if key is None:
            return do()
        if not _KEY.fullmatch(key):
            raise Invalid({HEADER: [f"Send 1 to {LONGEST} printable ASCII characters."]})
        asker, fingerprint = asker_of(request).key, _fingerprint(request)
        Asked.objects.filter(asker=asker, created_at__lt=timezone.now() - KEPT).delete()
        try:
            with transaction.atomic():
                row = Asked.objects.create(asker=asker, key=key, fingerprint=fingerprint)
        except IntegrityError:
            return _as_then(Asked.objects.select_related("intent").get(asker=asker, key=key), fingerprint)
        answer = do()
        row.intent, row.status = answer.intent, answer.status
        row.body = json.dumps([answer.data, answer.headers], cls=DjangoJSONEncoder)
        row.save(update_fields=["intent", "status", "body"])
        return answer


def _fingerprint(request: Request) -> str:
    """Of what makes a request the same: what it is sent to, and with which words."""
    said = json.dumps([request.method, request.path, request.data], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _as_then(row: Asked, fingerprint: str) -> Answer:
    if row.fingerprint != fingerprint:
        raise Reused
    data, headers = json.loads(row.body)
    return Answer(row.intent, data, row.status or 200, headers, again=True)
