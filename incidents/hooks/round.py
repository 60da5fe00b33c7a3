"""What the slow workers do for webhooks each second: read what happened, and send what is due."""

import structlog
from django.db.utils import InterfaceError, OperationalError

from incidents.hooks import fanout, sending

log = structlog.get_logger("hooks")


def go() -> tuple[int, int]:
    """Returns how many requests were made, and 1 where something of ours went wrong: a bug in here must not end the
    turn of those who back up and restore."""
    try:
        fanout.fan_out()
        return sending.send_due(), 0
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("raised")
        return 0, 1
