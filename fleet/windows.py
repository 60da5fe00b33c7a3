"""When planned work may happen: a resource's maintenance window is a weekday and an hour in UTC, four hours long."""

import re
from datetime import datetime, timedelta

from django.db import transaction

from fleet.lifecycle import Because, story
from fleet.models import Changeover, Resource

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LENGTH = timedelta(hours=4)
FORM = re.compile(rf"({'|'.join(DAYS)}) ([01]\d|2[0-3]):([0-5]\d)")


def parse(text: str) -> tuple[int, int, int]:
    """`"Tue 03:00"` as weekday (Monday is 0), hour and minute. ValueError when it is no window."""
    found = FORM.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no window: say a day and a time in UTC, Tue 03:00")
    return DAYS.index(found[1]), int(found[2]), int(found[3])


def choose(resource: Resource, text: str, actor: str) -> None:
    """Another window from now on ("": at any time), and its Event. ValueError when it is none."""
    if text:
        parse(text)
    if text == resource.window:
        return
    resource.window = text
    with transaction.atomic():
        Resource.objects.filter(pk=resource.pk).update(window=text)
        why = f"planned work may happen {f'from {text} UTC' if text else 'at any time'}"
        story(resource, "chose its window", Because(None, why, actor))


def next_open(text: str, now: datetime) -> datetime:
    """When the window opens next, or when it opened if it is open now."""
    day, hour, minute = parse(text)
    opens = (now - timedelta(days=(now.weekday() - day) % 7)).replace(hour=hour, minute=minute, second=0, microsecond=0)
    if opens > now:
        opens -= timedelta(days=7)
    return opens if now < opens + LENGTH else opens + timedelta(days=7)


def is_open(changeover: Changeover, now: datetime) -> bool:
    """Whether it may happen now: at once unless it was asked to wait for a time."""
    return changeover.not_before is None or now >= changeover.not_before
