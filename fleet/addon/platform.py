"""The Platform port: what herdsite says to the platform whose customers it serves. The real one (client.py) and the
fake (fake.py) pass the same contract tests. Repeating and giving up are the round's, never the port's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

# What we want to hear of: the add-on itself, and the app that it is for.
HEARD = ("api:addon", "api:app")
PROVISIONING, PROVISIONED, DEPROVISIONED = "provisioning", "provisioned", "deprovisioned"


class PlatformError(Exception):
    """It did not work; the message is one line without a secret in it."""


class Away(PlatformError):
    """Nothing came back, or "not now": it may work later. `wait_s` is how long the platform wants to be left alone, if
    it said so; `silent` that it did not answer at all."""

    def __init__(self, message: str, wait_s: float | None = None, silent: bool = False) -> None:
        super().__init__(message)
        self.wait_s, self.silent = wait_s, silent


class Unauthorised(PlatformError):
    """401: the token is none any more."""


class Gone(PlatformError):
    """404 or 410: the platform knows no such add-on."""


class Declined(PlatformError):
    """409, 422 or any other answer that would be the same the next time."""


@dataclass(frozen=True)
class Tokens:
    """What a grant is exchanged for. `lives_s` is None where the platform does not say."""

    access: str
    refresh: str
    lives_s: float | None

    def __repr__(self) -> str:
        return f"Tokens(lives_s={self.lives_s})"


@dataclass(frozen=True)
class Info:
    """An add-on as its platform describes it; what it does not say is empty."""

    state: str = ""
    name: str = ""
    app_id: str = ""
    app_name: str = ""
    owner_email: str = ""
    log_input_url: str = ""

    def __repr__(self) -> str:
        return f"Info({self.name}: {self.state})"


class Platform(Protocol):
    """Every call takes a few seconds at most and raises a PlatformError when it did not work. `token` is an add-on's
    access token; calls of the first generation go with the manifest's id and password."""

    def exchange(self, code: str) -> Tokens:
        """The tokens for a grant's code, which is used up by that."""
        ...

    def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for old ones. Where the platform keeps the refresh token, it is the same one again."""
        ...

    def push_config(self, addon: UUID, token: str, config: Mapping[str, str | None]) -> None:
        """Set the app's config vars; None takes one away."""
        ...

    def provisioned(self, addon: UUID, token: str) -> None:
        """Say that it is ready."""
        ...

    def deprovisioned(self, addon: UUID, token: str) -> None:
        """Say that it is no more, or never will be."""
        ...

    def info(self, addon: UUID, token: str) -> Info: ...

    def subscribe(self, addon: UUID, token: str, url: str, level: str, secret: str) -> None:
        """Be told at `url` of what changes there (HEARD), signed with the secret; `level` is "notify" (once, whatever
        comes of it) or "sync" (until it is taken). Twice subscribed is twice told."""
        ...

    def app_info(self, heroku_id: str) -> Info:
        """First generation: the app."""
        ...

    def push_app_config(self, heroku_id: str, config: Mapping[str, str | None]) -> None:
        """First generation: set the app's config vars."""
        ...
