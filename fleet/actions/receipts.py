"""What a failover cost, as far as it is known: the bound at once, the range that was really discarded when the old
leader's end is seen."""

from contextlib import suppress
from dataclasses import replace

from fleet import ledger
from fleet.models import Changeover, Instance
from fleet.postgres import control
from fleet.subject import Subject
from fleet.succession import lsn, receipt
from fleet.transports.base import Shell, TransportError


def note_end(instance: Instance, end: str, shell: Shell, subject: Subject) -> str:
    """The old leader was stopped, and its WAL ended there: what lies past the fork was discarded. Returns what was
    counted of it, in words; "" where nothing was to be settled."""
    at = lsn.known(end or None)
    lost = Changeover.objects.select_related("timeline__parent").filter(source=instance)
    changeover = lost.order_by("-created_at").first()
    if at is None or changeover is None or not changeover.receipt or changeover.receipt.get("discarded"):
        return ""
    since = changeover.receipt.get("promoted_lsn") or ""
    gone = receipt.discarded(at, lsn.known(since or None))
    if gone is None:
        return ""
    line = changeover.timeline.parent if changeover.timeline else None
    if gone.bytes and line is not None:
        with suppress(TransportError):
            gone = replace(gone, commits=control.commits(shell, subject, line.timeline_id, since))
    ledger.settle(changeover, vars(gone))
    counted = "not counted" if gone.commits is None else f"{gone.commits}"
    return f"{gone.bytes} bytes past the fork, commits in them: {counted if gone.bytes else 0}"
