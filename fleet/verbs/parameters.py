"""What a verb takes besides the reason. A parameter is read the same for every door, from text or from what JSON has;
its value is kept in the Intent as JSON."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fleet import choices, windows
from fleet.choices import Unknown
from fleet.models import Member, Resource

NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
ZONE = r"^[A-Za-z0-9_-]+$"
WINDOW = "window"
_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)(?: ago)?")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_NAMED = "lower-case letters, digits and single hyphens, beginning with a letter: serene-elephant-42"


@dataclass(frozen=True)
class Type:
    """What a value is: `of` is its type in JSON, `form` says in words what fits `pattern`. `read` makes of such a value
    what is kept; ValueError says what is wrong with it."""

    of: type[str] | type[int] | type[bool]
    longest: int = 63
    pattern: str = ""
    form: str = ""
    least: int = 1
    most: int = 2**31 - 1
    read: Callable[[str, Member], Any] | None = None
    metavar: str = "X"


@dataclass(frozen=True)
class Parameter:
    """`label` is what forms call it, `help` what it means where it is left out or given. `word` is that the command
    line takes it without its name, `grave` that with it data may be left behind,
    `missing` what is said of a thing where what is required was left out."""

    name: str
    type: Type
    help: str
    label: str = ""
    required: bool = False
    word: bool = False
    grave: bool = False
    missing: Callable[[Any], str] | None = None

    @property
    def title(self) -> str:
        return self.label or self.name.replace("_", " ").capitalize()

    def read(self, value: Any, member: Member) -> Any:
        """The value to keep; None where nothing was given. Raises Unknown, with the parameter's name."""
        if value is None or value is False or (isinstance(value, str) and not value.strip()):
            return None
        try:
            return self._typed(value, member)
        except ValueError as error:
            raise Unknown(self.name, str(error)) from error

    def _typed(self, value: Any, member: Member) -> Any:
        kind = self.type
        if kind.of is bool:
            if value not in (True, "true", "on", "True"):
                raise ValueError(f"{self.name} is on or off.")
            return True
        text = str(value).strip()
        if kind.of is int:
            if not (text.isascii() and text.isdigit() and len(text) < 11 and kind.least <= int(text) <= kind.most):
                raise ValueError(f"{self.name} is a whole number from {kind.least} to {kind.most}.")
            return int(text)
        if len(text) > kind.longest:
            raise ValueError(f"{self.name} has at most {kind.longest} characters.")
        if kind.form and not re.fullmatch(kind.pattern, text):
            raise ValueError(f"{text!r} is not a {self.name}: use {kind.form}.")
        return kind.read(text, member) if kind.read else text


def past(text: str, now: datetime) -> datetime:
    """A moment that is over: `2026-11-20 14:03` (UTC unless it says so), or `2 hours ago`. ValueError for others."""
    words = f"{text[:40]!r} is not a time: give 2026-11-20 14:03 (in UTC), or 2 hours ago."
    try:
        if ago := _AGO.fullmatch(text.strip()):
            return now - timedelta(seconds=float(ago[1]) * _UNIT_S[ago[2][0]])
        at = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise ValueError(words) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _past(text: str, _member: Member) -> str:
    return past(text, datetime.now(UTC)).isoformat()


def _to_come(text: str, member: Member) -> str:
    """A moment to come, or the next opening of the thing's maintenance window, if that is what it says."""
    if text.lower() != WINDOW:
        return choices.moment_to_come(text).isoformat()
    window = getattr(member, "window", "")
    if not window:
        raise ValueError(f"{member.name} has no maintenance window.")
    return windows.next_open(window, datetime.now(UTC)).isoformat()


def _plan(text: str, _member: Member) -> str:
    return choices.plan(text).name


def _zone(text: str, _member: Member) -> str:
    return choices.zone(text)


def _leader(text: str, member: Member) -> str:
    assert isinstance(member, Resource)
    return choices.leader(member, text)


def _member(text: str, member: Member) -> str:
    assert isinstance(member, Resource)
    return choices.member(member, text)


def _loss(text: str, _member: Member) -> str:
    return choices.loss(text)


NEW_NAME = Type(str, pattern=NAME, form=_NAMED, metavar="NAME")
PLAN = Type(str, longest=40, read=_plan, metavar="PLAN")
ZONE_NAME = Type(str, longest=32, pattern=ZONE, form="letters, digits, - and _", read=_zone, metavar="ZONE")
INSTANCE = Type(str, read=_leader, metavar="INSTANCE")
MEMBER = Type(str, read=_member, metavar="INSTANCE")
LOSS = Type(str, longest=20, pattern=r"^([0-9]+|unknown)$", read=_loss, metavar="BYTES")
PAST = Type(str, longest=40, read=_past, metavar="TIME")
TO_COME = Type(str, longest=40, read=_to_come, metavar="TIME")
MAJOR = Type(int, least=10, most=99, metavar="MAJOR")
BACKUP = Type(str, metavar="BACKUP")
URL = Type(str, longest=2_000, metavar="URL")
FLAG = Type(bool)
