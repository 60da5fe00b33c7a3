"""What wants attention first: the states of fleet/states.py by colour, and the same order as SQL."""

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Func, IntegerField, TextField, Value
from django.db.models.functions import Cast

from fleet.states import DESTROYED, STATES

COLOURS = ("bad", "doubt", "busy", "quiet", "good")
ORDER = tuple(sorted(STATES, key=lambda name: COLOURS.index(STATES[name].colour)))
WELL = tuple(name for name in ORDER if STATES[name].colour == "good")
NOT_WELL = tuple(name for name in ORDER if name not in WELL)
# What is wrong, or not yet right.
TROUBLED = tuple(name for name in NOT_WELL if STATES[name].colour != "quiet")
# What has come to its end is a record: the pages show it only when it is asked for.
GONE = DESTROYED


def rank(state: str) -> int:
    return ORDER.index(state)


def by_rank() -> Func:
    """Sorts rows by what wants attention first."""
    order = Value(list(ORDER), output_field=ArrayField(TextField()))
    return Func(order, Cast(F("state"), TextField()), function="array_position", output_field=IntegerField())
