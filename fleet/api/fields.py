"""What bodies are made of: fields that take their own type and nothing that merely looks like it, and objects that
refuse what they don't know. A slip is told, not guessed at."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers, status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

from fleet import outside

MOST_BYTES = 256 * 1024
LONGEST_TEXT = 1_000
MOST = 2**31 - 1


class Text(serializers.CharField):
    def __init__(self, **kwargs: Any):
        super().__init__(**{"max_length": LONGEST_TEXT, "trim_whitespace": False} | kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Word(serializers.RegexField):
    """Text of a pattern; the schema has the pattern too."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Number(serializers.IntegerField):
    def __init__(self, **kwargs: Any):
        super().__init__(**{"min_value": 1, "max_value": MOST} | kwargs)

    def to_internal_value(self, data: Any) -> int:
        whole = isinstance(data, float) and data.is_integer()
        if isinstance(data, bool) or not (isinstance(data, int) or whole):
            self.fail("invalid")
        return super().to_internal_value(int(data))


class Real(serializers.FloatField):
    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Choice(serializers.ChoiceField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


class Known(Choice):
    """One of what there is. The schema says what that is; whether it is, is checked for every door in one place
    (fleet/choices.py)."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return data


class Body(serializers.Serializer[Any]):
    """An object that is sent. What it doesn't know, it refuses. `example` is one that would be taken, `needed` names
    what is needed and is asked for in words of its own elsewhere."""

    example: ClassVar[dict[str, Any]] = {}
    needed: ClassVar[tuple[str, ...]] = ()

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := [name for name in data if name not in self.fields]):
            raise serializers.ValidationError({name: ["There is no such field."] for name in unknown})
        return super().to_internal_value(data)


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"A body has at most {MOST_BYTES} bytes."


class Json(JSONParser):
    """JSON of a size and a depth that can be meant, in characters that can be kept."""

    def parse(self, stream: Any, _media_type: Any = None, _parser_context: Any = None) -> Any:
        text = stream.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise TooLarge
        try:
            return outside.read_json(text)
        except ValueError as error:
            raise ParseError("Not valid JSON, or nested too deep.") from error
