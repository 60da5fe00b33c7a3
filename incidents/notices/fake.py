"""A channel in memory, for tests: what was sent lies in `sent`, what shall come of the next ones in `outcomes`."""

from collections import deque
from dataclasses import dataclass, field

from incidents.notices.base import ACCEPTED, ACKNOWLEDGE, CHANGE, CUSTOMER, PAGE, RESOLVE, TEST, Delivery, Message


@dataclass
class FakeNotifier:
    """Accepts, unless an outcome was put in line before. `sent` holds what was accepted, `tried` every attempt."""

    actions: frozenset[str] = frozenset({PAGE, ACKNOWLEDGE, RESOLVE, CUSTOMER, TEST, CHANGE})
    outcomes: deque[Delivery] = field(default_factory=deque)
    tried: list[Message] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> Delivery:
        self.tried.append(message)
        delivery = self.outcomes.popleft() if self.outcomes else Delivery(ACCEPTED, "202 taken")
        if delivery.outcome == ACCEPTED:
            self.sent.append(message)
        return delivery
