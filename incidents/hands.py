"""What a person may do about an incident, as a table: the verb, what it asks for, and what it does. The portal's
buttons and the API are made from it, so that both take and refuse the same.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.db import transaction
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from incidents import desk, ourselves
from incidents.models import Incident
from incidents.models.incident import CODE_FAILED, STORM
from incidents.telling import Telling
from incidents.watch import BY_TYPE

PERMISSION = "incidents.change_incident"
# Every type of incident that there is.
TYPES = (*BY_TYPE, STORM, CODE_FAILED, *ourselves.FAILINGS)
LONGEST_SNOOZE_MIN = 30 * 24 * 60
TEXT_LENGTH = 10_000


class NotFound(LookupError):
    """There is no incident of that name; the message suggests what may have been meant."""


class Nothing(forms.Form):
    """The verb says it all."""


class Snooze(forms.Form):
    minutes = forms.FloatField(min_value=1, max_value=LONGEST_SNOOZE_MIN)


class Assign(forms.Form):
    to = forms.ModelChoiceField(get_user_model().objects.none(), to_field_name="username")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = operators()  # type: ignore[attr-defined]
        self.fields["to"].error_messages["invalid_choice"] = "There is no operator of that name."


class Note(forms.Form):
    text = forms.CharField(max_length=TEXT_LENGTH)


class Resolve(forms.Form):
    reason = forms.CharField(max_length=TEXT_LENGTH)


@dataclass(frozen=True)
class Hand:
    """`does` takes the incident, what the form made of what was typed, who did it, and who tells people; `example` is
    what may be typed."""

    verb: str
    label: str
    meaning: str
    form: type[forms.Form]
    does: Callable[[Incident, Mapping[str, Any], str, Telling], None]
    example: Mapping[str, Any] = field(default_factory=dict)


HANDS = {
    hand.verb: hand
    for hand in (
        Hand("ack", "Acknowledge", "acknowledge it: you work on it, and no one else is paged", Nothing,
             lambda incident, _asked, actor, telling: desk.acknowledge(incident, actor, telling)),
        Hand("retry", "Retry", "run its playbooks again, also those that ask first", Nothing,
             lambda incident, _asked, actor, _telling: desk.retry(incident, actor)),
        Hand("snooze", "Snooze", "send no pages about it for that time", Snooze,
             lambda incident, asked, actor, _telling: desk.snooze(incident, asked["minutes"] * 60, actor),
             {"minutes": 30}),
        Hand("assign", "Assign", "assign it to this person", Assign,
             lambda incident, asked, actor, _telling: desk.assign(incident, asked["to"].get_username(), actor),
             {"to": "ada"}),
        Hand("note", "Note", "add a line to its events", Note,
             lambda incident, asked, actor, _telling: desk.note(incident, asked["text"], actor),
             {"text": "the provider confirms a failed disk"}),
        Hand("resolve", "Resolve", "close it; if the alarm is still open, another incident may follow", Resolve,
             lambda incident, asked, actor, telling: desk.resolve(incident, actor, asked["reason"], telling),
             {"reason": "the disk was replaced"}),
    )
}  # fmt: skip


def operators() -> Any:
    """Whom an incident can be assigned to."""
    return get_user_model().objects.filter(is_staff=True, is_active=True).order_by("username")


def find(name: str) -> Incident:
    """The incident of that name. Raises NotFound."""
    name = name.replace("\0", "")
    if found := Incident.objects.select_related("cause").filter(name=name).first():
        return found
    near = difflib.get_close_matches(name, Incident.objects.values_list("name", flat=True)[:1000], n=3, cutoff=0.5)
    raise NotFound(f"There is no incident {name!r}." + (f" Did you mean {' or '.join(near)}?" if near else ""))


def lay(hand: Hand, incident: Incident, asked: Mapping[str, Any], actor: str, telling: Telling) -> None:
    """Do it, one person at a time: `asked` is the cleaned data of the hand's form. Raises DeskError when it can't be,
    or can't be any more."""
    try:
        with transaction.atomic():
            # The row before the pages' lock, as everybody takes them.
            held = Incident.objects.select_for_update(of=("self",)).select_related("cause").get(pk=incident.pk)
            hand.does(held, asked, actor, telling)
    except (ConcurrentTransition, TransitionNotAllowed) as error:
        raise desk.DeskError(f"{incident.name} has just changed: look again.") from error
