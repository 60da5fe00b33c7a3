"""What a platform asks for, read from a JSON body of either generation. What can't be read is refused with a sentence
that helps; members that are not known here are left alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.dateparse import parse_datetime

from fleet.addon.http import invalid
from fleet.addon.models import Addon

LONGEST = 4_000


@dataclass(frozen=True)
class Grant:
    """A code to be exchanged for tokens, until it expires."""

    code: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Grant(expires_at={self.expires_at})"


@dataclass(frozen=True)
class Asked:
    """A database that is asked for. The first generation may give no uuid, and then has a heroku_id."""

    generation: int
    uuid: UUID | None
    heroku_id: str
    name: str
    plan: str
    region: str
    zone: str
    callback_url: str
    options: Mapping[str, str]
    grant: Grant | None
    log_input_url: str
    log_drain_token: str

    def __repr__(self) -> str:
        return f"Asked({self.uuid or self.heroku_id}: {self.plan})"


def provision(sent: Mapping[str, Any], third: bool) -> Asked:
    """Raises Refusal. `third` is that the request says it is of the third generation; where it says nothing, its
    members decide."""
    heroku_id, grant = _text(sent, "heroku_id"), _grant(sent)
    generation = Addon.V1 if heroku_id and not (third or grant) else Addon.V3
    uuid = _uuid(sent)
    if uuid is None and (generation == Addon.V3 or not heroku_id):
        raise invalid("There is no uuid by which the add-on is known.")
    if not _text(sent, "plan"):
        raise invalid("There is no plan. Choose one.")
    region = _text(sent, "region")
    return Asked(
        generation=generation,
        uuid=uuid,
        heroku_id=heroku_id[:200],
        name=_text(sent, "name")[:200],
        plan=_text(sent, "plan"),
        region=region[:100],
        zone=zone(region),
        callback_url=_text(sent, "callback_url"),
        options=_options(sent),
        grant=grant,
        log_input_url=_text(sent, "log_input_url"),
        log_drain_token=_text(sent, "log_drain_token") or _text(sent, "logplex_token"),
    )


def plan(sent: Mapping[str, Any]) -> str:
    """The plan that a change is to."""
    wanted = _text(sent, "plan")
    if not wanted:
        raise invalid("There is no plan to change to.")
    return wanted


def zone(region: str) -> str:
    """The zone for a region of the platform's; "" where it does not mind."""
    if not region:
        return ""
    known: Mapping[str, str] = settings.ADDON_REGIONS
    if region not in known:
        raise invalid(f"No databases are offered in {region[:100]!r}. Choose one of: {', '.join(known)}.")
    return known[region]


def _text(sent: Mapping[str, Any], name: str) -> str:
    """A member that is a text; "" where it is not there."""
    value = sent.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(f"{name} must be a text.")
    if len(value) > LONGEST:
        raise invalid(f"{name} has at most {LONGEST} characters; this one has {len(value)}.")
    if strange := next((character for character in value if not character.isprintable()), ""):
        raise invalid(f"{name} is one line of printable characters; U+{ord(strange):04X} is none.")
    return value.strip()


def _uuid(sent: Mapping[str, Any]) -> UUID | None:
    text = _text(sent, "uuid")
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError as error:
        raise invalid("uuid must be a UUID.") from error


def _options(sent: Mapping[str, Any]) -> dict[str, str]:
    """Options are texts; a bare flag is "true". What else can come is taken by its text."""
    given = sent.get("options")
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise invalid("options must be an object of texts.")
    found = {}
    for name, value in given.items():
        if isinstance(value, bool | int | float):
            value = str(value).lower()
        if value is not None:
            found[name] = _text({f"option {name[:40]!r}": value}, f"option {name[:40]!r}")
    return found


def _grant(sent: Mapping[str, Any]) -> Grant | None:
    given = sent.get("oauth_grant")
    if given is None:
        return None
    if not isinstance(given, dict):
        raise invalid("oauth_grant must be an object.")
    code, until = _text(given, "code"), _moment(_text(given, "expires_at"))
    if not code or until is None:
        raise invalid("oauth_grant needs a code and when it expires.")
    return Grant(code, until)


def _moment(text: str) -> datetime | None:
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return at if at and at.tzinfo else None
