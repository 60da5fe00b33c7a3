"""When people sleep: nobody is called for a mere warning then. It waits for the morning, and can be seen in the portal
meanwhile; what becomes graver in the night has an alarm of its own that calls."""

import re
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from incidents.notices.base import INFO, WARNING

MILD = (WARNING, INFO)


def hours(text: str) -> tuple[int, int] | None:
    """ "20-8" as (20, 8): from the first hour until just before the second, over midnight if need be; None for none.
    ValueError says what is wrong."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,2})-(\d{1,2})", text)
    if not found or not all(0 <= int(hour) <= 24 for hour in found.groups()):
        raise ValueError(f"{text!r} is no stretch of hours: say 20-8, or nothing for none.")
    return int(found[1]), int(found[2])


def is_quiet(at: datetime) -> bool:
    """Whether people sleep at that time, by settings.TIME_ZONE. With a setting that can't be read they never do."""
    try:
        stretch = hours(settings.QUIET_HOURS)
    except ValueError:
        return False
    if stretch is None:
        return False
    (start, end), hour = stretch, timezone.localtime(at).hour
    return start <= hour < end if start <= end else hour >= start or hour < end
