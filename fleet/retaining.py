"""What of an archive is still needed: by the plan's promise to go back so many days, and by the timelines that were
forked from it and have no base backup of their own that reaches so far back."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fleet.models import Backup, Instance, Timeline
from fleet.states import CREATING, EXPIRED, KEPT


def window(timeline: Timeline) -> timedelta:
    """How far back its plan promises to go."""
    return timedelta(days=timeline.plan.keep_days if timeline.plan else 1)


def good(timeline: Timeline) -> list[Backup]:
    """Its complete base backups, oldest first."""
    kept = [one for one in timeline.backups.all() if one.method == Backup.BASE and one.state == KEPT and one.ended_at]
    return sorted(kept, key=ended)


def ended(backup: Backup) -> datetime:
    """When it was complete: from then on every moment can be gone back to."""
    return backup.ended_at or datetime.max.replace(tzinfo=UTC)


def expirable(timeline: Timeline, now: datetime) -> list[Backup]:
    """The base backups that nobody needs any more: a later one reaches back to the edge of the window, and no copy is
    being built from it."""
    old = [one for one in good(timeline) if ended(one) <= now - window(timeline)][:-1]
    if not old:
        return []
    used = set(Instance.objects.filter(state=CREATING).values_list("attrs__from_backup", flat=True))
    return [one for one in old if str(one.pk) not in used]


def needed(timeline: Timeline, now: datetime, has_children: bool) -> bool:
    """Whether a closed timeline must stay: its retention lasts, or another one parted from it that has no base backup
    of its own yet (`has_children`)."""
    until = timeline.keep_until or timeline.state_since + window(timeline)
    return now < until or has_children


def reachable(
    timeline: Timeline, moment: datetime | None, ancestors: Sequence[Timeline]
) -> tuple[Timeline, Backup] | None:
    """The timeline and base backup from which a restore to `moment` (None: the end) begins: the newest that was
    complete by then, on this timeline or, before it parted, on one of its ancestors. The end is after every base backup
    whatever the clocks say: `ended_at` is of the host's clock, and some tools round it up to a whole second."""
    for one in (timeline, *ancestors):
        if one.state == EXPIRED:
            continue
        fit = [backup for backup in good(one) if moment is None or ended(backup) <= moment]
        if fit:
            return one, fit[-1]
    return None
