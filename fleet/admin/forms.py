"""The form of one verb, for the admin, the portal and customers' pages: made from its row in the table of verbs. What
is refused is said by `intents.ask`, for all doors alike."""

import secrets
from typing import Any

from django import forms

from fleet import intents
from fleet.askers import Asker
from fleet.models import Intent, Member, Plan
from fleet.plans import PRODUCTION
from fleet.verbs import Parameter, Verb

REASON = 1_000


class Known(forms.ChoiceField):
    """One of what there is; whether it is, is checked for every door in one place (fleet/choices.py)."""

    def valid_value(self, _value: str) -> bool:
        return True


class AskForm(forms.Form):
    """The fields of a verb. `nonce` makes a form that was sent twice ask once."""

    again = forms.BooleanField(
        required=False, label="Once more", help_text="Although somebody asked for the same a moment ago."
    )
    confirm = forms.CharField(
        max_length=63,
        required=False,
        label="Type its name",
        widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )
    reason = forms.CharField(max_length=REASON, required=False, label="Why", help_text="Kept with the event.")
    nonce = forms.CharField(max_length=32, required=False, widget=forms.HiddenInput)

    def __init__(self, verb: Verb, data: Any = None, **kwargs: Any):
        super().__init__(data, initial={"nonce": secrets.token_hex(8)}, **kwargs)
        self.verb = verb
        own = {param.name: _field(verb, param) for param in verb.params}
        left = {*([] if verb.each_time else ["again"]), *([] if verb.may_be_grave else ["confirm"])}
        self.fields = own | {name: field for name, field in self.fields.items() if name not in left}
        if verb.may_be_grave and not verb.grave:
            self.fields["confirm"].help_text = "Where it is forced."

    def ask(self, member: Member, by: Asker, door: str) -> Intent:
        """Ask it of a thing; the form has to be valid. Raises AskError."""
        given = self.cleaned_data
        key = f"{door}/{member.pk}/{self.verb.name}/{given['nonce']}" if given["nonce"] else None
        return intents.ask(
            member,
            self.verb.name,
            actor=by,
            reason=given["reason"],
            confirm=given.get("confirm", ""),
            params={param.name: given[param.name] for param in self.verb.params},
            again=bool(given.get("again")),
            key=key,
        )


def _field(verb: Verb, param: Parameter) -> forms.Field:
    more: dict[str, Any] = {
        "required": False,
        "label": param.title,
        "help_text": f"{param.help[0].upper()}{param.help[1:]}.",
    }
    if param.type.of is bool:
        return forms.BooleanField(**more)
    if param.name == "plan":
        offered = Plan.objects.filter(offered=True).order_by("name")
        offered = offered if verb.name == "resize" else offered.filter(tier=PRODUCTION)
        return Known(choices=[("", "—"), *((name, name) for name in offered.values_list("name", flat=True))], **more)
    return forms.CharField(max_length=param.type.longest, **more)
