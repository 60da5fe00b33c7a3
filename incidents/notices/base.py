"""The Notifier port: one message by one channel, once. Log, email, webhook, PagerDuty and the fake pass
tests/contracts/test_notifier.py. Repeating, falling back and giving up are the outbox's, never a channel's."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

PAGE, ACKNOWLEDGE, RESOLVE, CUSTOMER, TEST = "page", "acknowledge", "resolve", "customer", "test"
# Nobody is called: it stands beside the alerts for whoever wonders what was done.
CHANGE = "change"

# What came of it: the other side took it; it never will (our fault: stop, report); it may later.
ACCEPTED, REFUSED, LATER = "accepted", "refused", "later"

CRITICAL, ERROR, WARNING, INFO = "critical", "error", "warning", "info"
SUMMARY_LENGTH = 1024
ANSWER_LENGTH = 300
# The least that one waits after being told to slow down, and the longest that one lets itself be told to (s).
SLOWED_S = 60.0
LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True)
class Message:
    """What is to be told. `id` is the same at every attempt, so that a receiver can tell a repetition; `thread` is
    what belongs together, and by which a paging service knows the alert. `details` are plain JSON."""

    id: str
    action: str
    thread: str
    recipient: str
    subject: str
    body: str
    at: datetime
    severity: str = INFO
    source: str = "herdsite"
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """What came of one attempt, with the other side's answer in one line. `wait_s` is how long it wants to be left
    alone, if it said so."""

    outcome: str
    answer: str
    wait_s: float | None = None


class Notifier(Protocol):
    """One channel."""

    # The actions that it can carry; the others are not for it.
    actions: frozenset[str]

    def send(self, message: Message) -> Delivery:
        """Tell it, once, within a dozen seconds. Whatever goes wrong is a Delivery and not an exception, and no
        answer contains a secret."""
        ...


def by_status(status: int, answer: str, retry_after: str | None = None) -> Delivery:
    """What an HTTP status says of a delivery; any 2xx is taken as accepted."""
    answer = f"{status} {answer}".strip()
    if 200 <= status < 300:
        return Delivery(ACCEPTED, answer)
    if status == 429:
        asked = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
        return Delivery(LATER, answer, min(max(asked, SLOWED_S), LONGEST_WAIT_S))
    return Delivery(LATER if status >= 500 or status == 408 else REFUSED, answer)


def plain(text: str, *secrets: str) -> str:
    """One line of bounded length, with every secret masked."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return " ".join(text.split())[:ANSWER_LENGTH]
