"""What can be asked of a thing over the API: the verbs of fleet/intents.py, the copies of fleet/copies.py as verbs of
the database that is copied, loads (fleet/loads.py) and upgrades (fleet/upgrading.py). Each with the params that it
takes."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

from fleet import copies, intents, loads, upgrading
from fleet.api import fields
from fleet.models import Intent, Resource

NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
ZONE = r"^[A-Za-z0-9_-]+$"


class At(fields.Text):
    """A moment: 2026-11-20 14:03 (UTC unless it says otherwise), or 2 hours ago."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """What is validated is the text; the moment that it says is what is handed on."""
        said = super().run_validation(data)
        try:
            return copies.moment(said, datetime.now(UTC)) if isinstance(said, str) else said
        except (intents.AskError, OverflowError) as error:
            raise serializers.ValidationError("Say 2026-11-20 14:03 (in UTC), or 2 hours ago.") from error


class When(serializers.DateTimeField):
    """A time to come; kept as text, as params are."""

    def to_internal_value(self, value: Any) -> Any:
        return super().to_internal_value(value).isoformat()


class Follow(fields.Body):
    name = fields.Word(NAME, max_length=63, required=False)
    plan = fields.Text(max_length=40, required=False)
    zone = fields.Word(ZONE, max_length=32, required=False)


class Fork(Follow):
    at = At(max_length=40, required=False)


class Restore(fields.Body):
    at = At(max_length=40)


class Failover(fields.Body):
    to = fields.Word(NAME, max_length=63, required=False)
    force = fields.Flag(required=False)
    accept_loss = fields.Word(r"^([0-9]+|unknown)$", max_length=20, required=False)


class Switchover(fields.Body):
    to = fields.Word(NAME, max_length=63, required=False)
    not_before = When(required=False)


class Resize(fields.Body):
    plan = fields.Text(max_length=40)
    not_before = When(required=False)


class Upgrade(fields.Body):
    major = fields.Number(min_value=10, max_value=99, required=False)
    not_before = When(required=False)


class Load(fields.Body):
    """One of `backup` (its name) and `url`; what is another customer's has to be allowed to go across."""

    backup = fields.Word(NAME, max_length=63, required=False)
    url = fields.Text(max_length=2_000, required=False)
    across_customers = fields.Flag(required=False)


class Retire(fields.Body):
    by = When(required=False)


PARAMS: dict[str, type[fields.Body]] = {
    "follow": Follow,
    "fork": Fork,
    "restore": Restore,
    "failover": Failover,
    "switchover": Switchover,
    "resize": Resize,
    "upgrade": Upgrade,
    "load": Load,
    "retire": Retire,
}
COPIES = {
    "follow": "make a database that follows it, read-only",
    "fork": "make a database of its own from it, as it is or was",
    "load": "replace what it holds by a logical backup, or by a dump at an https address",
    "restore": "go back to a moment; what was written since is left behind",
    "undelete": "bring it back after it was destroyed",
    "upgrade": "bring it to another major version of PostgreSQL",
}


# What wants a reason, besides its name to be confirmed.
REASONED = (*intents.DESTRUCTIVE, "load")


def of(kind: str) -> dict[str, str]:
    """What things of that kind can be asked for, and what it means."""
    return {**intents.VERBS[kind], **(COPIES if kind == Resource.KIND else {})}


def params_of(kind: str) -> dict[str, type[fields.Body]]:
    """The params of those that take any."""
    return {verb: PARAMS[verb] for verb in of(kind) if verb in PARAMS}


def ask(member: Any, sent: Mapping[str, Any], actor: str, own: bool) -> Intent | Resource:
    """Ask it: the Intent, or the database that is to be made. `own` is that a customer asks. Raises AskError."""
    verb, given = sent["verb"], sent["params"]
    reason, confirm = sent.get("reason", ""), sent.get("confirm", "")
    again = sent.get("again", False)
    if verb == "load":
        load = loads.load_own if own else loads.load
        return load(member, given, actor=actor, reason=reason, confirm=confirm, again=again)
    copy: Callable[..., Intent | Resource] | None = _COPYING.get(verb)
    if copy is None:
        return intents.ask(member, verb, actor=actor, reason=reason, confirm=confirm, params=dict(given), again=again)
    more: dict[str, Any] = {"again": again} if verb in intents.EACH_TIME else {}
    more |= {"confirm": confirm} if verb == "restore" else {}
    return copy(member, actor=actor, reason=reason, **more, **given)


_COPYING: dict[str, Callable[..., Intent | Resource]] = {
    "follow": copies.follow,
    "fork": copies.fork,
    "restore": copies.restore,
    "undelete": copies.undelete,
    "upgrade": upgrading.upgrade,
}
