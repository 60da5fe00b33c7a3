"""Until when a beat may act, and for whom, asked of our database right before an order is sent to a host; and its lease
is made to last for as long as that may take."""

import time
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from fleet import policy, ring
from fleet.lifecycle import LeaseLost
from fleet.models import ControlPlane
from fleet.models.member import KINDS
from fleet.orders import Anchor, Order


def _clock() -> float:
    """Seconds that pass also while this machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Right:
    """To give orders for so many seconds from `asked_at` (our own clock), as this control plane."""

    plane: str
    reign: int
    seconds: float
    asked_at: float

    def order(self, epoch: int, anchor: Anchor) -> Order:
        """One that ends with the right; the host's clock was read before the right was asked for."""
        return Order(epoch, self.plane, self.reign, anchor.boot_id, anchor.uptime_s + self.seconds)

    def order_since(self, epoch: int, anchor: Anchor) -> Order:
        """The same where the host's clock has just been read: what passed since counts off."""
        left = self.seconds - (_clock() - self.asked_at)
        return Order(epoch, self.plane, self.reign, anchor.boot_id, anchor.uptime_s + left)


def right(kind: str, id: UUID, lease: UUID, lasts_s: float = policy.CALL_S) -> Right:
    """That of a beat that has the lease of a thing, or acts on it: as it is now, and for what takes `lasts_s` (s) once
    the host is reached, so that no other begins meanwhile. Raises LeaseLost when it is over."""
    asked_at = _clock()
    apart = hasattr(KINDS[kind], "acting")
    longer = "greatest({0}, clock_timestamp() + %(seconds)s * interval '1 s')"
    held = "({0} = %(lease)s AND {1} > clock_timestamp())"
    # Whoever acts apart holds what it acts by, and leaves the looks alone.
    acts = held.format("acting", "acting_until") if apart else "false"
    looks = f"{held.format('lease', 'leased_until')} AND NOT coalesce({acts}, false)"
    acting = f", acting_until = CASE WHEN {acts} THEN {longer.format('acting_until')} ELSE acting_until END"
    until = f"CASE WHEN {acts} THEN {'acting_until' if apart else 'NULL'} WHEN {looks} THEN leased_until END"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE {ring.table_of(kind)} AS member
                SET leased_until = CASE WHEN {looks} THEN {longer.format("leased_until")} ELSE leased_until END
                    {acting if apart else ""}
                WHERE id = %(id)s
                RETURNING extract(epoch FROM {until} - clock_timestamp())::float8,
                          (SELECT id FROM fleet_controlplane LIMIT 1),
                          (SELECT epoch FROM fleet_controlplane LIMIT 1)""",
            {"lease": lease, "id": id, "seconds": policy.REACH_S + lasts_s + policy.LEASE_MARGIN_S},
        )
        row = cursor.fetchone()
    if row is None or row[0] is None or row[0] <= 0:
        raise LeaseLost("the right to act ran out before the order was sent")
    plane, reign = (row[1].hex, row[2]) if row[1] else _plane()
    return Right(plane, reign, row[0], asked_at)


def right_of_a_step() -> Right:
    """That of a step of a playbook, which holds its incident for as long as a step may take."""
    asked_at = _clock()
    return Right(*_plane(), policy.STEP_TIMEOUT_S, asked_at)


def _plane() -> tuple[str, int]:
    """This control plane's id and epoch; it is made when it is first asked for."""
    row, _made = ControlPlane.objects.get_or_create(only=True)
    return row.id.hex, row.epoch
