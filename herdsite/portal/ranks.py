"""What wants attention first: the colours of fleet/states.py in that order, and the same as SQL."""

from django.db.models import Case, IntegerField, Value, When

from fleet.states import DESTROYED, STATES

ORDER = ("bad", "doubt", "busy", "quiet", "good")
# What is wrong, or not yet right.
TROUBLED = tuple(name for name, state in STATES.items() if state.colour in ("bad", "doubt", "busy"))
# What has come to its end is a record: the pages show it only when it is asked for.
GONE = DESTROYED


def rank(state: str) -> int:
    return ORDER.index(STATES[state].colour)


def by_rank() -> Case:
    """Sorts rows by what wants attention first. The commonest states come first in the CASE, for speed."""
    cases = [
        When(state__in=[name for name, state in STATES.items() if state.colour == colour], then=Value(n))
        for n, colour in reversed(list(enumerate(ORDER)))
    ]
    return Case(*cases, output_field=IntegerField())
