"""What tests of rings and beats share: time that passes by the row, and the offers that a flushed database has lost."""

from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.db.models.functions import Now

from fleet import ring
from fleet.models import MEMBERS, Member
from fleet.models.member import Watched


def offer() -> None:
    """The plans that the migration made: a test on real transactions ends by emptying every table."""
    import_module("fleet.migrations.0002_plans_and_storage").offer(apps, None)


def due(member: Member, ago_s: float = 1.0) -> None:
    """Its beat has been due for so long, and nobody has it."""
    free = {"acting": None, "acting_until": None} if isinstance(member, Watched) else {}
    change(member, due_at=Now() - timedelta(seconds=ago_s), lease=None, leased_until=None, **free)


def expire(*members: Member) -> None:
    """Time passes until the leases of these have run out and their beats are due; of all, when none is given."""
    for model in MEMBERS.values():
        rows = model.objects.filter(due_at__isnull=False)
        if members:
            rows = rows.filter(pk__in=[member.pk for member in members])
        over = Now() - timedelta(milliseconds=1)
        free = {"acting_until": over} if issubclass(model, Watched) else {}
        rows.update(leased_until=over, due_at=Now() - timedelta(seconds=1), **free)


def change(member: Member, **fields: Any) -> None:
    """Write columns of a row as they are, past every guard."""
    type(member).objects.filter(pk=member.pk).update(**fields)


def again(member: Any) -> Any:
    """The row as it is now."""
    return type(member).objects.get(pk=member.pk)


def beat(member: Member, claim: ring.Claim, in_s: float | None = 15.0, **fields: Any) -> ring.Beat:
    """What a beat may leave on a row."""
    left: dict[str, Any] = {"facts": {}, "probed": {}, "evidence": {}, "row": 901, "why": "Nothing to do", "seen": True}
    return ring.Beat(member.pk, claim, in_s, **(left | fields))


def nobodys(member: Member) -> ring.Claim:
    """A claim that was never given: a lease that is somebody else's by now."""
    return ring.Claim(uuid4(), [member.pk], member.created_at)
