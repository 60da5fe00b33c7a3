"""logfmt: a line of pairs that people read and programs parse. Pure.

An identifier is made of anything above the space except `=` and `"`. A pair is `key`, `key=`, `key=identifier` or
`key="quoted"`, in which a backslash escapes; whatever else stands between pairs is skipped.
"""

from collections.abc import Iterable, Iterator

# A bare key is true.
Value = str | bool
Pair = tuple[str, Value]

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ESCAPED = {char: f"\\{name}" for name, char in _ESCAPES.items()} | {'"': '\\"', "\\": "\\\\"}
_DELETE = "\x7f"


def read(line: str) -> list[Pair]:
    """The line's pairs in their order. Never fails: what is no pair is not there, and neither is one whose quote does
    not end."""
    return list(_pairs(line))


def write(pairs: Iterable[Pair]) -> str:
    """One line. Values with a space, `=`, `"` or a control character, and empty ones, are quoted. ValueError for a key
    that is no identifier, and for False, which logfmt can't say."""
    return " ".join(_written(key, value) for key, value in pairs)


def _is_identifier(char: str) -> bool:
    return char > " " and char not in '="'


def _pairs(line: str) -> Iterator[Pair]:
    at = 0
    while at < len(line):
        if not _is_identifier(line[at]):
            at += 1
            continue
        key, at = _identifier(line, at)
        if line[at : at + 1] != "=":
            yield key, True
        elif line[at + 1 : at + 2] == '"':
            value, at = _quoted(line, at + 2)
            if value is not None:
                yield key, value
        else:
            value, at = _identifier(line, at + 1)
            yield key, value


def _identifier(line: str, at: int) -> tuple[str, int]:
    """The identifier that begins there, which may be empty, and where it ends."""
    end = at
    while end < len(line) and _is_identifier(line[end]):
        end += 1
    return line[at:end], end


def _quoted(line: str, at: int) -> tuple[str | None, int]:
    """What stands in the quotes, and where they have ended; None when they don't."""
    found: list[str] = []
    while at < len(line):
        char = line[at]
        if char == '"':
            return "".join(found), at + 1
        if char == "\\":
            char, at = _escaped(line, at + 1)
        else:
            at += 1
        found.append(char)
    return None, at


def _escaped(line: str, at: int) -> tuple[str, int]:
    """The character behind a backslash; one that means nothing special means itself."""
    name = line[at : at + 1]
    digits = line[at + 1 : at + 5]
    if name == "u" and len(digits) == 4 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
        return chr(int(digits, 16)), at + 5
    return _ESCAPES.get(name, name), at + 1


def _written(key: str, value: Value) -> str:
    if not key or not all(map(_is_identifier, key)) or value is False:
        raise ValueError(f"logfmt can't write {key!r}={value!r}")
    if value is True:
        return key
    text = str(value)
    plain = text and all(_is_identifier(char) and char != _DELETE for char in text)
    return f"{key}={text}" if plain else f'{key}="{"".join(map(_quoted_char, text))}"'


def _quoted_char(char: str) -> str:
    if char in _ESCAPED:
        return _ESCAPED[char]
    return f"\\u{ord(char):04x}" if char < " " or char == _DELETE else char
