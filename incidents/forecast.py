"""When a disk is full, if it fills on as it did between two looks. Pure. One pair of looks proves little: the alarm
wants many beats in a row that agree."""

from collections.abc import Mapping

# What does not fill at all is full in this long (s): known, and not soon.
NEVER_S = 10 * 365 * 86_400.0
SHORTEST_S = 5.0


def full_in_s(
    before: Mapping[str, str | None], before_at: float, now: Mapping[str, str | None], at: float
) -> float | None:
    """Seconds until no room is left. `before` and `now` are attributes of two looks at a host, made at those times
    (epoch, s). None when either does not tell, or they are too close together to tell anything."""
    used, was, share = _number(now, "disk_used_kb"), _number(before, "disk_used_kb"), _number(now, "disk_used_pct")
    if used is None or was is None or not share or at - before_at < SHORTEST_S:
        return None
    free, growth = used * (100 - share) / share, (used - was) / (at - before_at)
    return min(free / growth, NEVER_S) if growth > 0 else NEVER_S


def _number(attrs: Mapping[str, str | None], name: str) -> float | None:
    try:
        return float(attrs.get(name) or "")
    except ValueError:
        return None
