"""Writes entries. Whatever is written is scrubbed: no secret gets into a record that nothing is ever taken out of."""

import re
import threading
import time
from typing import Any

import structlog
from django.db import Error, transaction

from fleet.audit.acting import acting
from fleet.audit.models import Entry

log = structlog.get_logger("audit")

HIDDEN = "•••"
_LONGEST = 2_000  # characters of a text
_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]*@")
_SIGNED = re.compile(r"(?i)([?&][^=&\s]*(?:secret|password|token|sig|signature|key|credential)[^=&\s]*=)[^&\s]+")
_BEARER = re.compile(r"herd_[A-Za-z0-9]{8,}")
_SECRET_NAME = re.compile(r"(?i)secret|passw|token|digest|private|signature")


def scrub(value: Any) -> Any:
    """The same as JSON can hold it, without passwords in addresses, signatures and tokens."""
    if isinstance(value, dict):
        return {str(name): HIDDEN if is_secret(str(name)) and inner else scrub(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value).replace("\0", "")[:_LONGEST]
    return _BEARER.sub(HIDDEN, _SIGNED.sub(rf"\1{HIDDEN}", _PASSWORD.sub(rf"\1{HIDDEN}@", text)))


def is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name))


def write(
    action: str,
    *,
    kind: str = "",
    subject: Any = "",
    name: str = "",
    reason: str = "",
    before: Any = None,
    after: Any = None,
    actor: str = "",
) -> None:
    """Add an entry, in the transaction that is open. Without anybody who acts, nothing is written."""
    who = acting()
    if who is None:
        return
    Entry.objects.create(
        actor=scrub(actor or who.actor())[:160],
        address=who.address[:64],
        door=who.door[:64],
        action=action[:64],
        kind=kind[:64],
        subject=str(subject)[:64],
        name=scrub(name)[:200],
        reason=scrub(reason),
        before=scrub(before),
        after=scrub(after),
        request=who.request[:64],
    )


class Sparing:
    """Lets so many through in a minute, in this process, and counts the rest: who is refused a thousand times a second
    must not fill the disk with it."""

    def __init__(self, a_minute: int) -> None:
        self.a_minute, self._lock = a_minute, threading.Lock()
        self._minute, self._passed, self._kept_back = 0, 0, 0

    def admits(self) -> int | None:
        """How many were kept back since the last that was let through; None for one that is kept back."""
        with self._lock:
            minute = int(time.monotonic() // 60)
            if minute != self._minute:
                self._minute, self._passed = minute, 0
            if self._passed >= self.a_minute:
                self._kept_back += 1
                return None
            self._passed += 1
            kept_back, self._kept_back = self._kept_back, 0
            return kept_back


_strangers, _known = Sparing(60), Sparing(300)


def refusal(action: str, *, name: str = "", reason: str = "", after: Any = None) -> None:
    """Add what somebody was refused; of very many in a minute, how many more there were. A record that can't be written
    keeps nobody from being refused."""
    try:
        who = acting()
        kept_back = (_known if who and who.actor() else _strangers).admits()
        if kept_back is None:
            return
        more = {"kept_back": kept_back} if kept_back else {}
        with transaction.atomic():
            write(action, name=name, reason=reason, after={**(after or {}), **more} or None)
    except Error as error:
        log.warning("a refusal is not on record", action=action, name=name, error=str(error).strip())
