"""What the slow workers do for metrics lines every few seconds: write those that are due, and send what waits."""

import structlog
from django.db.utils import InterfaceError, OperationalError

from observations.drains import buffer, meters, sending

log = structlog.get_logger("drains")


def go() -> tuple[int, int]:
    """Returns how many lines were written and frames sent, and 1 where something of ours went wrong: a bug in here must
    not end the turn of those who back up and restore."""
    try:
        meters.enrol()
        readings = meters.read()
        meters.write(readings)
        buffer.keep(readings)
        return len(readings) + sending.send_due(), 0
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("raised")
        return 0, 1
