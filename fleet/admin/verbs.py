"""What can be asked on pages, of which thing, with which fields: the verbs of fleet/intents.py and the copies of
fleet/copies.py, in one place for the admin and the portal. What is refused is an AskError, said where it was asked."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.db.models import Q

from fleet import choices, copies, intents, upgrading, windows
from fleet.choices import AskError
from fleet.intents import DESTRUCTIVE, EACH_TIME, VERBS
from fleet.models import Instance, Member, Plan, Resource
from fleet.models.member import valid_name
from fleet.plans import PRODUCTION
from fleet.states import CREATING, DESTROYED, DESTROYING, ENDS, EXPIRED, NEEDS_HUMAN, RETIRING, STOPPED

COPIES = {
    "follow": "make a database that shows what this one holds, read-only",
    "fork": "make a database of its own with what this one holds, or held",
    "restore": "go back to a moment; what was written since is left behind",
    "undelete": "bring it back as it was last",
    "upgrade": "bring it to another major version of PostgreSQL",
}
# What a verb takes besides the reason.
TAKES: dict[str, tuple[str, ...]] = {
    "follow": ("name", "plan", "zone"),
    "fork": ("at", "name", "plan", "zone"),
    "restore": ("at", "confirm"),
    "failover": ("to", "force", "accept_loss", "confirm"),
    "switchover": ("to", "in_window"),
    "resize": ("plan", "in_window"),
    "upgrade": ("major", "in_window"),
    "retire": ("by",),
    **dict.fromkeys(DESTRUCTIVE, ("confirm",)),
}
# These leave data behind, or may.
GRAVE = (*DESTRUCTIVE, "restore", "failover")
# What shares its instance with others has these alone.
SHARED = ("rotate", "resize", "dump", "destroy")


def words(kind: str) -> dict[str, str]:
    """What can be asked of a kind on pages, and what it means."""
    return VERBS[kind] | (COPIES if kind == Resource.KIND else {})


class Known(forms.ChoiceField):
    """One of what there is; whether it is, is checked for every door in one place (fleet/choices.py)."""

    def valid_value(self, _value: str) -> bool:
        return True


class AskForm(forms.Form):
    """The fields of one verb. `nonce` makes a form that was sent twice ask once. What is missing is said by `ask`, for
    all who ask alike."""

    at = forms.CharField(
        max_length=40, required=False, label="As of", help_text="2026-11-20 14:03 in UTC, or 2 hours ago."
    )
    by = forms.CharField(
        max_length=40,
        required=False,
        label="By",
        help_text="2026-12-04 or 2026-12-04 18:00, in UTC; left empty, in a week.",
    )
    name = forms.CharField(
        max_length=63, required=False, validators=[valid_name], label="Its name", help_text="Left empty, one is drawn."
    )
    plan = Known(required=False, help_text="Left empty, that of the original.")
    major = forms.IntegerField(
        required=False,
        label="PostgreSQL",
        help_text="The major version; left empty, the newer one if there is just one.",
    )
    zone = forms.CharField(
        max_length=32,
        required=False,
        validators=[RegexValidator(r"^[\w-]+\Z", "Use letters, digits, - and _.")],
        help_text="Where it would like to live, if anywhere.",
    )
    to = forms.CharField(
        max_length=63, required=False, label="New leader", help_text="An instance; left empty, the best is chosen."
    )
    in_window = forms.BooleanField(
        required=False, label="In its maintenance window", help_text="Wait until that opens next."
    )
    force = forms.BooleanField(
        required=False, label="Force it", help_text="Go past a refusal, on your own word: wants all below."
    )
    accept_loss = forms.CharField(
        max_length=20, required=False, label="Accept to lose", help_text="A number of bytes, or unknown."
    )
    again = forms.BooleanField(
        required=False, label="Once more", help_text="Although somebody asked for the same a moment ago."
    )
    confirm = forms.CharField(max_length=63, required=False, label="Type its name")
    reason = forms.CharField(max_length=1000, required=False, label="Why", help_text="It is kept with the story.")
    nonce = forms.CharField(max_length=32, required=False, widget=forms.HiddenInput)

    def __init__(self, verb: str, data: Any = None, **kwargs: Any):
        super().__init__(data, initial={"nonce": secrets.token_hex(8)}, **kwargs)
        again = {"again"} if verb in EACH_TIME else set()
        for field in set(self.fields) - {*TAKES.get(verb, ()), "reason", "nonce", *again}:
            del self.fields[field]
        if "confirm" in self.fields:
            self.fields["confirm"].widget.attrs |= {
                "autocomplete": "off",
                "autocapitalize": "off",
                "spellcheck": "false",
            }
        if plan := self.fields.get("plan"):
            tiers = Q() if verb == "resize" else Q(tier=PRODUCTION)
            offered = Plan.objects.filter(tiers, offered=True).order_by("name")
            plan.choices = [("", "—"), *((name, name) for name in offered.values_list("name", flat=True))]  # type: ignore[attr-defined]
            if verb == "resize":
                plan.help_text = "The plan to move to."
        if verb == "fork":
            self.fields["at"].help_text += " Left empty, now."
        if verb == "failover":
            self.fields["confirm"].help_text = "Where it is forced."


def offered(member: Any) -> list[str]:
    """The verbs that can be of use to this thing as it is."""
    if not isinstance(member, Resource):
        return [] if member.state in ENDS else [verb for verb in VERBS[member.KIND] if _fits(member, verb)]
    if member.state == DESTROYED:
        kept = member.timelines.exclude(archive="").exclude(state=EXPIRED).exists()
        return ["fork", "undelete"] if member.own_instance and kept else []
    if not member.own_instance:
        return [verb for verb in SHARED if verb in VERBS[Resource.KIND]]
    return [verb for verb in words(Resource.KIND) if _suits(member, verb)]


def _fits(member: Any, verb: str) -> bool:
    if verb == "rebuild":
        return member.role == Instance.STANDBY
    if verb == "discard":
        return member.outdated and member.state == CREATING
    if verb == "keep":
        return member.state == RETIRING
    if verb == "start":
        return member.state == STOPPED
    return verb != "retry" or member.state in (NEEDS_HUMAN, CREATING, DESTROYING)


def _suits(resource: Resource, verb: str) -> bool:
    if verb == "undelete":
        return False
    if verb == "unfollow":
        return resource.follows_id is not None
    if verb in ("failover", "switchover"):
        return resource.follows_id is None and (resource.plan.high_availability or bool(choices.candidates(resource)))
    if verb == "upgrade":
        return resource.follows_id is None and bool(upgrading.newer(resource))
    if verb in ("fork", "restore"):
        return resource.follows_id is None or verb == "fork"
    return True


def ask(member: Any, verb: str, given: Mapping[str, Any], actor: str, key: str | None = None) -> Member:
    """Ask it; the thing that was asked, or the one that is to be made. `given` is an AskForm's cleaned data. Raises
    AskError."""
    if verb not in words(member.KIND):
        raise AskError(f"A {member.KIND} can't be asked to {verb!r}. It knows: {', '.join(words(member.KIND))}.")
    if member.state in ENDS and verb not in ("fork", "undelete"):
        raise AskError(f"{member.name} is {member.look.label.lower()}: nothing can be asked of it any more.")
    common = {"actor": actor, "reason": given.get("reason", ""), "key": key}
    confirm, again = given.get("confirm", ""), bool(given.get("again"))
    like = {name: given.get(name, "") for name in ("name", "plan", "zone")}
    at = _moment(given.get("at", ""))
    if verb == "follow":
        return copies.follow(member, **common, **like)
    if verb == "fork":
        return copies.fork(member, at=at, **common, **like)
    if verb == "undelete":
        return copies.undelete(member, **common)
    if verb == "restore":
        _reasoned(member, verb, given)
        copies.restore(member, at=at, confirm=confirm, again=again, **common)
        return member
    if verb == "upgrade":
        begins = _params(member, verb, given).get("not_before", "")
        upgrading.upgrade(member, major=given.get("major"), not_before=begins, again=again, **common)
        return member
    intents.ask(member, verb, confirm=confirm, params=_params(member, verb, given), again=again, **common)
    return member


def _params(member: Any, verb: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the verb's action reads (fleet/actions/resource.py), once it makes sense."""
    params: dict[str, Any] = {}
    if to := given.get("to", ""):
        params["to"] = to
    if by := given.get("by", ""):
        params["by"] = by
    if verb == "resize":
        params["plan"] = given.get("plan", "")
    if given.get("in_window"):
        if not member.window:
            raise AskError(f"{member.name} has no maintenance window.")
        params["not_before"] = windows.next_open(member.window, datetime.now(UTC)).isoformat()
    if given.get("force") or given.get("accept_loss"):
        params |= _forced(member, verb, given)
    return params


def _forced(member: Any, verb: str, given: Mapping[str, Any]) -> dict[str, Any]:
    loss = given.get("accept_loss", "").strip()
    if not given.get("force") or not loss:
        raise AskError("To force it, tick that, and say what may be lost: a number of bytes, or unknown.")
    choices.loss(True, loss)
    if given.get("confirm", "") != member.name:
        raise AskError(f"To force a failover of {member.name}, type its name to confirm.")
    _reasoned(member, verb, given)
    return {"force": True, "accept_loss": loss}


def _reasoned(member: Any, verb: str, given: Mapping[str, Any]) -> None:
    if not given.get("reason", "").strip():
        raise AskError(f"To {verb} {member.name}, give a reason: it is kept with the story.")


def _moment(text: str) -> datetime | None:
    try:
        return copies.moment(text, datetime.now(UTC)) if text.strip() else None
    except OverflowError as error:
        raise AskError(f"{text!r} is too long ago.") from error
