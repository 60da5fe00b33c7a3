"""Positions in the WAL: PostgreSQL writes them as two hexadecimal halves, arithmetic wants one number."""

import re

_FORM = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


def parse(text: str) -> int:
    """`"0/3000148"` as a number of bytes since the WAL began. ValueError when it is no position."""
    halves = _FORM.fullmatch(text)
    if halves is None:
        raise ValueError(f"{text!r} is no position in the WAL")
    return int(halves[1], 16) << 32 | int(halves[2], 16)


def known(text: str | None) -> int | None:
    """The same of a fact: what is not there, or does not read as a position, is not known."""
    try:
        return None if text is None else parse(text)
    except ValueError:
        return None


def text(position: int) -> str:
    """The reverse of parse, as PostgreSQL writes it. ValueError when it does not fit 64 bits."""
    if not 0 <= position < 1 << 64:
        raise ValueError(f"{position} is no position in the WAL")
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def ahead(one: int | None, other: int | None) -> int | None:
    """Bytes that `one` has and `other` has not; 0 when it has none, None when either is not known."""
    return None if one is None or other is None else max(0, one - other)


def size(count: int) -> str:
    """A number of bytes as pg_size_pretty prints it: in powers of two, a unit larger from ten thousand on."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 10 * 1024:
            return f"{count} {unit}"
        count = (count + 512) // 1024
    return f"{count} TB"
