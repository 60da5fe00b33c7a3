"""What a failover cost, as far as it is known: the bound at once, the range that was really discarded when the old
leader's end is seen."""

from fleet.models import Changeover, Instance
from fleet.succession import lsn, receipt


def note_end(instance: Instance, end: str) -> None:
    """The old leader was stopped, and its WAL ended there: what lies past the fork was discarded."""
    at = lsn.known(end or None)
    changeover = Changeover.objects.filter(source=instance).order_by("-created_at").first()
    if at is None or changeover is None or not changeover.receipt or changeover.receipt.get("discarded"):
        return
    fork = lsn.known(changeover.receipt.get("promoted_lsn") or None)
    if gone := receipt.discarded(at, fork):
        changeover.receipt["discarded"] = vars(gone)
        Changeover.objects.filter(pk=changeover.pk).update(receipt=changeover.receipt)
