"""What a row of the table of verbs says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fleet import askers, intake
from fleet.askers import Asker
from fleet.choices import AskError, Unknown
from fleet.models import Intent
from fleet.roles import ASK, DESTROY
from fleet.states import DESTROYING, ENDS, STATES
from fleet.verbs.parameters import Parameter

Params = Mapping[str, Any]


class Missing(AskError):
    """What a grave verb wants besides was not given: `field` is confirm or reason."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Request:
    """One asking, as it is carried out: `params` are read already."""

    verb: str
    params: Params
    by: Asker
    reason: str = ""
    key: str | None = None
    again: bool = False


def fits(_member: Any) -> str:
    return ""


def sound(_member: Any, _request: Request) -> Params | None:
    return None


def written(member: Any, asked: Request, params: Params) -> Intent:
    """What most verbs come to: an Intent of the thing, which its own table reads."""
    return intake.write(member, asked.verb, asked.by.name, asked.reason, dict(params), asked.key)


@dataclass(frozen=True)
class Verb:
    """`meaning` and `effect` (what it would do, of this thing with these params) complete "This …".
    `states` are those in which it can be asked, `unfit` says why this thing can't ("" where it can). `check` refuses
    params and may add to them. `grave` is that it leaves data behind, as it may with params that are `grave`: it wants
    the thing's name and a reason, and takes the right to destroy. `each_time` is done once more each time that it is
    asked for, so that who asks what another has just asked is told. `customer` is its label and meaning for customers,
    who may not ask for what has none; `platform` is whether those whom a platform signed on may. `bears` is the verb of
    the Intent, where another is written, of another thing."""

    kind: str
    name: str
    meaning: str
    states: tuple[str, ...]
    effect: Callable[[Any, Params], str]
    params: tuple[Parameter, ...] = ()
    grave: bool = False
    each_time: bool = False
    customer: tuple[str, str] | None = None
    platform: bool = False
    unfit: Callable[[Any], str] = fits
    check: Callable[[Any, Request], Params | None] = sound
    carry: Callable[[Any, Request, Params], Intent] = written
    bears: str = ""
    examples: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return LABELS.get(self.name, self.name.capitalize())

    @property
    def may_be_grave(self) -> bool:
        return self.grave or any(param.grave for param in self.params)

    def is_grave(self, params: Params) -> bool:
        return self.grave or any(params.get(param.name) for param in self.params if param.grave)

    def scope(self, params: Params) -> str:
        return DESTROY if self.is_grave(params) else ASK

    def forbids(self, by: Asker, params: Params | None = None) -> str:
        """Why the asker may not; "" for who may."""
        if by.customer and not self.customer:
            return f"{self.label} can't be asked of this database by its customer: operators do it."
        if by.platform and not self.platform:
            return f"{self.label} can't be asked of this database here: do it at the platform that you came from."
        needed = dict.fromkeys((ASK, self.scope(params or {})))
        return next((why for scope in needed if (why := askers.missing(by, scope))), "")

    def gone(self, member: Any) -> str:
        """Why it can't be asked of what goes or is gone."""
        if member.state in self.states or not (member.state in ENDS or member.state == DESTROYING):
            return ""
        return f"{member.name} is {member.look.label.lower()}: nothing can be asked of it any more."

    def out_of_state(self, member: Any) -> str:
        """Why it can't be asked in the state that the thing is in."""
        if member.state in self.states:
            return ""
        known = _either([STATES[name].label.lower() for name in self.states])
        return f"{member.name} is {member.look.label.lower()}. {self.label} is possible while it is {known}."

    def obstacle(self, member: Any) -> str:
        """Why it can't be asked of this thing as it is now, whatever the params; "" where it can."""
        return self.gone(member) or self.unfit(member) or self.out_of_state(member)

    def read(self, member: Any, given: Params) -> dict[str, Any]:
        """The params, typed. Raises Unknown and AskError."""
        if unknown := given.keys() - {param.name for param in self.params}:
            takes = ", ".join(param.name for param in self.params) or "nothing"
            raise AskError(f"There is no {', '.join(sorted(unknown))} to {self.name}. {self.label} takes: {takes}.")
        read = {param.name: param.read(given.get(param.name), member) for param in self.params}
        for param in self.params:
            if param.required and read[param.name] is None:
                why = f"To {self.name} {member.name}, say {param.name}: {param.help}."
                raise Unknown(param.name, param.missing(member) if param.missing else why)
        return {name: value for name, value in read.items() if value is not None}


# Where the button says more than the verb.
LABELS = {
    "failover": "Fail over", "switchover": "Switch over", "rotate": "Rotate password", "backup": "Take a base backup",
    "dump": "Take a logical backup", "restore": "Restore to a time", "unfollow": "Promote", "retry": "Try again",
    "load": "Load a dump", "drill": "Try a restore", "keep": "Keep in service", "follow": "Make a follower",
    "lift": "End the suspension", "believe": "Believe the hosts",
}  # fmt: skip


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
