"""What customers may ask of their own databases: the verbs of the table that are theirs, as Intents like everybody's. A
copy is a database of its own, which a platform would have to know of, so whom a platform signed on makes copies
there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet import loads, windows
from fleet.admin.forms import AskForm, Known
from fleet.askers import Asker
from fleet.intents import AskError
from fleet.logical import links
from fleet.models import Resource
from fleet.states import CREATING, DESTROYED, DESTROYING, KEPT
from fleet.verbs import Verb, verbs_of

# How what was asked is called, for customers.
WORDS = {verb.name: verb.customer[0] for verb in verbs_of(Resource.KIND) if verb.customer}
WINDOW = "window"
LOADABLE = 20
REASON = "asked for on the customer's page"


@dataclass(frozen=True)
class Offer:
    """One verb in a customer's words; `no` is why it can't be asked in the state that the database is in. What takes
    something has a `form`, `open` when it was just refused."""

    verb: str
    label: str
    meaning: str
    no: str
    grave: bool
    form: AskForm | None
    open: bool


def offer(resource: Resource, by: Asker, sent: AskForm | None) -> dict[str, Any] | None:
    """What can be asked now; None where nothing can. `nonce` makes a button that was pressed twice ask once."""
    if resource.state in (CREATING, DESTROYING, DESTROYED):
        return None
    offers = [_offer(resource, verb, by, sent) for verb in verbs_of(Resource.KIND) if _offered(resource, verb, by)]
    day, _, time = resource.window.partition(" ")
    return {
        "plain": [one for one in offers if one.form is None],
        "own": sorted((one for one in offers if one.form), key=lambda one: one.grave),
        "window": {"days": windows.DAYS, "day": day, "time": time or "03:00"},
        "nonce": AskForm(verbs_of(Resource.KIND)[0]).initial["nonce"],
    }


def _offered(resource: Resource, verb: Verb, by: Asker) -> bool:
    return not verb.forbids(by) and not verb.unfit(resource) and verb.states != (DESTROYED,)


def _offer(resource: Resource, verb: Verb, by: Asker, sent: AskForm | None) -> Offer:
    assert verb.customer is not None
    again = sent is not None and sent.verb == verb
    form = (
        _form(resource, verb, by, sent.data if sent and again else None) if verb.params or verb.may_be_grave else None
    )
    return Offer(verb.name, *verb.customer, verb.out_of_state(resource), verb.may_be_grave, form, again)


def _form(resource: Resource, verb: Verb, by: Asker, data: Any) -> AskForm:
    """As everybody's; a customer is offered the backups that may be loaded, and no other customer's."""
    form = AskForm(verb, data, auto_id=f"ask-{verb.name}-%s")
    form.fields.pop("across_customers", None)
    if field := form.fields.get("backup"):
        names = loads.own(resource, by).filter(state=KEPT).order_by("-created_at").values_list("name", flat=True)
        choices = [("", "—"), *((name, name) for name in names[:LOADABLE])]
        form.fields["backup"] = Known(choices=choices, required=False, label=field.label)
    return form


def ask(resource: Resource, form: AskForm, by: Asker) -> str:
    """Write the Intent; the reason why not, if not."""
    if form.errors:
        return " ".join(f"{field}: {' '.join(map(str, errors))}" for field, errors in form.errors.items())
    try:
        form.cleaned_data["reason"] = form.cleaned_data["reason"].strip() or REASON
        form.ask(resource, by, "mine")
    except AskError as error:
        return str(error)
    return ""


def choose_window(resource: Resource, sent: Mapping[str, str], actor: str) -> str:
    """A day and a time, or any time; the reason why not, if not."""
    day, time = sent.get("day", "")[:3], sent.get("time", "")[:5]
    try:
        windows.choose(resource, f"{day} {time}" if day else "", actor)
    except ValueError as error:
        return f"{error}."
    return ""


def fetch(resource: Resource, name: str, by: Asker) -> str:
    """A link to download that logical backup of the database; "" where there is none."""
    if not loads.own(resource, by).filter(name=name.replace("\0", ""), resource=resource).exists():
        return ""
    try:
        return links.make(name, by)
    except links.NoLink:
        return ""
