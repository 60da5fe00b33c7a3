"""The channel that can't fail: a line in the log. It is the last on every path, so that no page is without a trace."""

import structlog

from incidents.notices.base import ACCEPTED, ACKNOWLEDGE, CUSTOMER, PAGE, RESOLVE, TEST, Delivery, Message

log = structlog.get_logger("page")


class Log:
    """Messages as log lines; a page is an error there."""

    actions = frozenset({PAGE, ACKNOWLEDGE, RESOLVE, CUSTOMER, TEST})

    def send(self, message: Message) -> Delivery:
        tell = log.error if message.action == PAGE else log.info
        tell(
            message.action,
            id=message.id,
            thread=message.thread,
            severity=message.severity,
            source=message.source,
            recipient=message.recipient,
            subject=message.subject,
        )
        return Delivery(ACCEPTED, "logged")
