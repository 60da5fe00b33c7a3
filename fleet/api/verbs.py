"""The params of verbs as bodies of the API, made from the table of verbs. What JSON type each has is checked here; what
it means, where every door has it checked (fleet/verbs/parameters.py)."""

from functools import cache
from typing import Any

from rest_framework import serializers

from fleet.api import fields
from fleet.verbs import Parameter, verbs_of


def of(kind: str) -> dict[str, str]:
    """What things of that kind can be asked for, and what it means."""
    return {verb.name: verb.meaning for verb in verbs_of(kind)}


@cache
def params_of(kind: str) -> dict[str, type[fields.Body]]:
    """The params of those that take any."""
    return {verb.name: _body(verb.name, verb.params) for verb in verbs_of(kind) if verb.params}


def _body(verb: str, params: tuple[Parameter, ...]) -> type[fields.Body]:
    made: dict[str, Any] = {param.name: _field(param) for param in params}
    made["needed"] = tuple(param.name for param in params if param.required)
    return type(verb.capitalize(), (fields.Body,), made)


def _field(param: Parameter) -> serializers.Field:
    kind, more = param.type, {"required": False, "help_text": param.help}
    if kind.of is bool:
        return fields.Flag(**more)
    if kind.of is int:
        return fields.Number(min_value=kind.least, max_value=kind.most, **more)
    if kind.pattern:
        return fields.Word(kind.pattern, max_length=kind.longest, **more)
    return fields.Text(max_length=kind.longest, **more)
