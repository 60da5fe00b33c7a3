"""What an endpoint gets: JSON made of the Event alone, so that it is the same at every attempt.

Facts and evidence stay here: they are of no use outside and could hold what nobody thought of. Reasons are free text,
in which what looks like a password is masked.
"""

import json
import re
from typing import Any

from fleet.models import Event
from incidents.hooks.models import Delivery

PROOF = "herdsite.test"
WHY_LENGTH = 1_000

_IN_URL = re.compile(r"(?<=://)[^\s/@]*:[^\s/@]*(?=@)")
_NAMED = re.compile(
    r"""(?ix) \b ( [\w-]* (?: password | passwd | secret | token | api[_-]?key ) \s* [=:] \s* )
        ( '[^']*' | "[^"]*" | [^\s,;]+ )"""
)


def body(delivery: Delivery, limited: bool) -> bytes:
    """The request's body. `limited` leaves out who did it and by which row: that is ours, not a customer's."""
    told = _proof(delivery) if delivery.event is None else _of(delivery.event, limited)
    return json.dumps(told, separators=(",", ":")).encode()


def _proof(delivery: Delivery) -> dict[str, Any]:
    return {"type": PROOF, "timestamp": delivery.created_at.isoformat(), "data": {}}


def _of(event: Event, limited: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "sequence": event.pk,
        "kind": event.kind,
        "id": str(event.subject),
        "name": event.name,
        "verb": event.verb,
        "from": event.source or None,
        "to": event.target or None,
        "why": redacted(event.why)[:WHY_LENGTH],
        "generation": event.generation,
    }
    if not limited:
        data |= {"row": event.row, "actor": event.actor}
    return {
        "type": f"{event.kind}.{event.verb.replace(' ', '_')}",
        "timestamp": event.at.isoformat(),
        "data": data,
    }


def redacted(text: str) -> str:
    """The text without what looks like a name and password in a URL, or a password behind its name."""
    return _NAMED.sub(r"\1***", _IN_URL.sub("***", text))
