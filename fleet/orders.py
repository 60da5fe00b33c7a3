"""What every order to a host bears, so that one that comes late, or from another herdsite, does nothing there. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Anchor:
    """A host's own clock as it was read: which run of the host it was, and how long that had been up (s)."""

    boot_id: str
    uptime_s: float


@dataclass(frozen=True)
class Order:
    """`epoch` is never smaller than that of an order which the host has taken, `plane` is who gives it (the control
    plane's id) and `reign` that one's own epoch. It is too late once the host has been up for `not_after_s` (s) in the
    run `boot_id`, or runs anew; without a boot id it is bound to no time."""

    epoch: int = 0
    plane: str = ""
    reign: int = 0
    boot_id: str = ""
    not_after_s: float = 0.0

    def __str__(self) -> str:
        """As fleet/postgres/prologue.py reads it; rounded so that it is never later."""
        return f"{self.plane or '-'} {self.reign} {self.epoch} {self.boot_id or '-'} {math.floor(self.not_after_s)}"


def anchor(attrs: Mapping[str, str | None]) -> Anchor | None:
    """The host's clock, if what was found has it."""
    boot_id, uptime_s = attrs.get("boot_id"), attrs.get("uptime_s")
    return Anchor(boot_id, float(uptime_s)) if boot_id and uptime_s else None
