"""What was done to a database on purpose, as change events: no page, and yet, beside the alerts of a paging service,
the first thing that a person who is called wants to know.

The story is read, not hooked into: each Event of CHANGES becomes one message for each channel that takes such, under a
key of the Event's own, so that reading it again does nothing. What is older than a few minutes is news to nobody.
"""

from datetime import datetime, timedelta

from django.conf import settings

from fleet.models import Event, Resource
from incidents.models import Notice
from incidents.notices import channels
from incidents.notices.base import CHANGE, SUMMARY_LENGTH

# By the move of a resource that its Event names.
CHANGES = {
    "enter_maintenance": "maintenance has begun",
    "leave_maintenance": "maintenance is over",
    "finish_changeover": "another instance leads now",
}
WITHIN = timedelta(minutes=10)


def tell(now: datetime) -> int:
    """Write down what is to be told of what happened lately. Returns how many messages that are."""
    names = [name for name in settings.PAGING if channels.carries(name, CHANGE)]
    if not names:
        return 0
    lately = Event.objects.filter(at__gt=now - WITHIN, kind=Resource.KIND, verb__in=CHANGES)
    wanted = {_key(event, name): _notice(event, name) for event in lately for name in names}
    known = Notice.objects.filter(key__in=wanted).values_list("key", flat=True)
    new = [wanted[key] for key in wanted.keys() - set(known)]
    # Another worker may be at it, too.
    Notice.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def _key(event: Event, channel: str) -> str:
    return f"herdsite/event/{event.pk}/{channel}"


def _notice(event: Event, channel: str) -> Notice:
    return Notice(
        key=_key(event, channel),
        thread=f"herdsite/event/{event.pk}",
        purpose=Notice.CHANGE,
        channel=channel,
        subject=f"{event.name}: {CHANGES[event.verb]}"[:SUMMARY_LENGTH],
        body=f"{event.why}\nBy {event.actor} at {event.at.isoformat()}\n",
    )
