"""Whether a changeover has stopped whom a job reads from: then the job ended because of us, and not because of what it
did."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from fleet.models import Changeover
from fleet.states import FENCING, PROMOTING

# When the last attempt began, by our database's clock (epoch, s); on the row of what is built or taken.
BEGUN_AT = "begun_at"
NO, NOW, BEFORE = "no", "now", "before"
_STOPS = ("paused", "fence_sent", "fenced")


def stopped(member: Any, read_from: UUID | None) -> str:
    """`now` while a changeover stops it, `before` where one did since the attempt began and is past that."""
    if read_from is None:
        return NO
    begun_at = member.attrs.get(BEGUN_AT)
    since = datetime.fromtimestamp(float(begun_at), UTC) if begun_at else member.state_since
    theirs = Changeover.objects.filter(Q(source=read_from) | Q(target=read_from), marks__has_any_keys=_STOPS)
    states = theirs.filter(Q(state__in=(FENCING, PROMOTING)) | Q(state_since__gt=since)).values_list("state", flat=True)
    found = set(states)
    return NOW if found & {FENCING, PROMOTING} else BEFORE if found else NO
