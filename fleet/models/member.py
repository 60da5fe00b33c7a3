"""What every thing on a ring has in common: a name, a protected state, its last facts, and its place in the queue.

The state changes only through a transition (fleet/lifecycle.py calls it, and writes the Event in the same database
transaction). A save of a stale copy loses: ConcurrentTransitionMixin compares the state that was read.
"""

import uuid
from typing import Any, ClassVar

from django.contrib.postgres.fields import HStoreField
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Now
from django_fsm import ConcurrentTransitionMixin, FSMField, transition

from fleet import policy, wakes
from fleet.states import CREATING, MOVES, STATES, Move, State, states_of

valid_name = RegexValidator(
    r"^[a-z][a-z0-9]*(-[a-z0-9]+)*\Z",
    "Use lower-case letters, digits and single hyphens, beginning with a letter: serene-elephant-42.",
)


# The models that move, by the name of their kind; apps above the fleet add theirs.
KINDS: dict[str, type[Any]] = {}


class Moving:
    """A model of a kind that moves: `class Server(Member, kind="server")` has one django-fsm transition for each move
    of that kind in fleet/states.py."""

    KIND: ClassVar[str] = ""
    # Each model has a field of this name, with the states of its own kind.
    state: Any

    def __init_subclass__(cls, kind: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if kind:
            cls.KIND = kind
            KINDS[kind] = cls
            for move in MOVES[kind]:
                setattr(cls, move.name, _transition(move))


def _transition(move: Move) -> Any:
    def body(_self: Any) -> None:
        return None

    body.__name__, body.__doc__ = move.name, f"{' or '.join(move.sources)} → {move.target}: it {move.label}."
    return transition(field="state", source=list(move.sources), target=move.target)(body)


def state_field(kind: str, default: str = CREATING) -> FSMField:
    return FSMField(
        default=default,
        protected=True,
        db_index=True,
        choices=[(name, STATES[name].label) for name in states_of(kind)],
    )


class Member(Moving, ConcurrentTransitionMixin, models.Model):
    """Ring columns: `due_at` is when its next beat is due (NULL: it has left the ring), `lease` and `leased_until`
    whose beat it is now, `vantage` who beat it last, `felt_at` when, `seen_at` when a look last succeeded.
    `row` and `why` are the table row that won at the last beat, `problem` is what went wrong with the last action,
    `watch` how its alarms stand.
    All times are the database's clock."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63, unique=True, validators=[valid_name])
    state_since = models.DateTimeField(db_default=Now(), editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    attrs = HStoreField(default=dict, blank=True, help_text="Attributes without a column.")

    queue = models.CharField(max_length=16, default=policy.WORK, editable=False)
    due_at = models.DateTimeField(null=True, db_default=Now(), editable=False)
    lease = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    vantage = models.CharField(max_length=80, default="", editable=False)
    felt_at = models.DateTimeField(null=True, editable=False)
    seen_at = models.DateTimeField(null=True, editable=False)
    facts = HStoreField(default=dict, editable=False)
    probed = models.JSONField(default=dict, editable=False)
    evidence = models.JSONField(default=dict, editable=False)
    watch = models.JSONField(default=dict, editable=False)
    row = models.PositiveSmallIntegerField(null=True, editable=False)
    why = models.TextField(default="", editable=False)
    problem = models.TextField(default="", editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        abstract = True
        ordering = ["name"]
        indexes = [models.Index(fields=["queue", "due_at"], name="%(class)s_ring")]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        made = self._state.adding
        super().save(*args, **kwargs)
        if made:
            # Its first beat is due at once.
            transaction.on_commit(lambda: wakes.call([self.queue]))

    @property
    def look(self) -> State:
        """Its state as people see it: label and colour."""
        return STATES[self.state]


class Watched(Member):
    """What is looked at on, while something is done about it: `acting` is the lease of the beat that acts, until
    `acting_until` at the latest. With `acting` empty, nobody acts again before `acting_until`."""

    acting = models.UUIDField(null=True, editable=False)
    acting_until = models.DateTimeField(null=True, editable=False)

    class Meta(Member.Meta):
        abstract = True
