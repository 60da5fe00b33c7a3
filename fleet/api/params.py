"""What a query string may say: how each parameter is read, what it filters by, and how the schema describes it. A
parameter that nobody knows, or that is given twice, is an error and not everything."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from rest_framework.request import Request

from fleet.api.problems import Invalid
from fleet.states import DESTROYED, states_of

LONGEST = 100
ANY = "any"


@dataclass(frozen=True)
class Param:
    """Text, as it is. `lookup` is by what a list is filtered ("a|b": by either); where there is none, the view knows
    what to do with it."""

    lookup: str = ""
    about: str = ""
    required: bool = False

    def read(self, text: str) -> Any:
        """The value; ValueError says what is wrong."""
        if len(text) > LONGEST:
            raise ValueError(f"At most {LONGEST} characters are allowed.")
        # No text of the database has a NUL, so that nothing is found by it. Nothing at all is as good as not given.
        return text.replace("\0", "") or None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": LONGEST}

    def filter(self, found: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """`value` is None where it was not given."""
        if value is None or not self.lookup:
            return found
        either = Q()
        for lookup in self.lookup.split("|"):
            either |= Q(**{lookup: value})
        return found.filter(either)


@dataclass(frozen=True)
class OneOf(Param):
    choices: tuple[str, ...] = ()

    def read(self, text: str) -> Any:
        if text not in self.choices:
            raise ValueError(f"{text!r} is none of {', '.join(self.choices)}.")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)}


@dataclass(frozen=True)
class State(OneOf):
    """What is gone is in a list only if it is asked for."""

    def filter(self, found: QuerySet[Any], value: Any) -> QuerySet[Any]:
        if value is None:
            return found.exclude(state=DESTROYED)
        return found if value == ANY else found.filter(state=value)


def state(kind: str) -> State:
    """The filter by the states of a kind."""
    return State("state", f"Of what is in this state; {ANY} includes what is gone.", choices=(*states_of(kind), ANY))


@dataclass(frozen=True)
class YesNo(OneOf):
    choices: tuple[str, ...] = ("true", "false")

    def read(self, text: str) -> Any:
        return super().read(text) == "true"


@dataclass(frozen=True)
class Whole(Param):
    """A whole number from `least` to `most`."""

    least: int = 1
    most: int = 2**31 - 1

    def read(self, text: str) -> Any:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and self.least <= int(text) <= self.most):
            raise ValueError(f"Give a whole number from {self.least} to {self.most}.")
        return int(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Moment(Param):
    """A time; without a zone it is UTC."""

    def read(self, text: str) -> Any:
        try:
            found = parse_datetime(text)
        except ValueError:
            found = None
        if found is None or not 1970 <= found.year <= 2999:
            raise ValueError("Give a time in ISO 8601, from 1970 to 2999: 2026-11-21T09:00:00Z.")
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


@dataclass(frozen=True)
class Search(Param):
    """Part of any of the texts that `lookup` names, in whatever case."""

    def filter(self, found: QuerySet[Any], value: Any) -> QuerySet[Any]:
        if not value:
            return found
        anywhere = Q()
        for path in self.lookup.split("|"):
            anywhere |= Q(**{f"{path}__icontains": value})
        return found.filter(anywhere)


WAIT = Whole("", "Wait for its end, so many seconds at most; it may not have come by then.", False, 0, 60)


def read(params: Mapping[str, Param], request: Request) -> dict[str, Any]:
    """All parameters by name, those that were not given as None. Raises Invalid."""
    wrong: dict[str, list[str]] = {}
    found: dict[str, Any] = dict.fromkeys(params)
    for name, texts in request.query_params.lists():
        if name not in params:
            wrong[name] = [f"There is no such parameter. There is: {', '.join(params) or 'none'}."]
        elif len(texts) > 1:
            wrong[name] = ["Give it once."]
        else:
            try:
                found[name] = params[name].read(texts[0])
            except ValueError as error:
                wrong[name] = [str(error)]
    for name, param in params.items():
        if param.required and found[name] is None and name not in wrong:
            wrong[name] = ["This field is required."]
    if wrong:
        raise Invalid(wrong)
    return found


def filtered(found: QuerySet[Any], params: Mapping[str, Param], asked: Mapping[str, Any]) -> QuerySet[Any]:
    """Those of a list that were asked for."""
    for name, param in params.items():
        found = param.filter(found, asked[name])
    return found
