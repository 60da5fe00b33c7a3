"""JSON from outside: of a depth that can be meant, in characters that can be kept."""

import json
import re
from typing import Any

MOST_LEVELS = 32
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def read_json(text: bytes | str) -> Any:
    """What `text` says. ValueError where that is no JSON, deeper than MOST_LEVELS, or holds what we could not write
    down again: numbers that JSON doesn't know, half a character of UTF-16."""
    sent = text.encode() if isinstance(text, str) else text
    if levels(sent) > MOST_LEVELS:
        raise ValueError(f"nested deeper than {MOST_LEVELS} levels")
    found = json.loads(sent.decode(), parse_constant=_no_number)
    json.dumps(found, ensure_ascii=False).encode()
    return found


def levels(text: bytes) -> int:
    """How deep objects and lists in it lie in each other, found without following them."""
    depth = deepest = 0
    for bracket in re.findall(rb"[\[{\]}]", _STRING.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
