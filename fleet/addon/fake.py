"""The Platform in memory, for tests of whatever speaks to one: it keeps add-ons, grants and what it was told."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from fleet.addon.platform import (
    DEPROVISIONED,
    PROVISIONED,
    PROVISIONING,
    Declined,
    Gone,
    Info,
    PlatformError,
    Tokens,
    Unauthorised,
)


@dataclass
class FakeAddon:
    """One add-on as the platform keeps it. `marked` counts how often it was said to be ready."""

    name: str = "acme-primary"
    app_id: str = "app-1"
    app_name: str = "acme"
    state: str = PROVISIONING
    config: dict[str, str] = field(default_factory=dict)
    marked: int = 0
    webhooks: list[dict[str, str]] = field(default_factory=list)


class FakePlatform:
    """`addons` by uuid, `apps` by heroku_id, `codes` that can be exchanged (code → uuid), `trouble` that meets the next
    calls, in turn (None: this one goes well), and `calls` by name."""

    def __init__(self, lives_s: float | None = 28_800) -> None:
        self.addons: dict[UUID, FakeAddon] = {}
        self.apps: dict[str, FakeAddon] = {}
        self.owners: dict[str, str] = {}
        self.codes: dict[str, UUID] = {}
        self.lives_s = lives_s
        self.trouble: deque[PlatformError | None] = deque()
        self.calls: list[str] = []
        self._access: dict[str, UUID] = {}
        self._refresh: dict[str, UUID] = {}
        self._issued = 0

    def exchange(self, code: str) -> Tokens:
        self._meet("exchange")
        if code not in self.codes:
            raise Declined("400 to POST: the code is used up or unknown")
        return self._tokens(self.codes.pop(code))

    def refresh(self, refresh_token: str) -> Tokens:
        self._meet("refresh")
        if refresh_token not in self._refresh:
            raise Unauthorised("401 to POST")
        return self._tokens(self._refresh.pop(refresh_token))

    def push_config(self, addon: UUID, token: str, config: Mapping[str, str | None]) -> None:
        self._meet("push_config")
        _merge(self._mine(addon, token).config, config)

    def provisioned(self, addon: UUID, token: str) -> None:
        self._meet("provisioned")
        mine = self._mine(addon, token)
        if mine.state != PROVISIONING:
            raise Declined("422 to POST: it is provisioned already")
        mine.state = PROVISIONED
        mine.marked += 1

    def deprovisioned(self, addon: UUID, token: str) -> None:
        self._meet("deprovisioned")
        self._mine(addon, token).state = DEPROVISIONED

    def info(self, addon: UUID, token: str) -> Info:
        self._meet("info")
        mine = self._mine(addon, token)
        return Info(mine.state, mine.name, mine.app_id, mine.app_name)

    def subscribe(self, addon: UUID, token: str, url: str, level: str, secret: str) -> None:
        self._meet("subscribe")
        mine = self._mine(addon, token)
        if level not in ("notify", "sync"):
            raise Declined("422 to POST: level is notify or sync")
        mine.webhooks.append({"url": url, "level": level, "secret": secret})

    def app_info(self, heroku_id: str) -> Info:
        self._meet("app_info")
        app = self._app(heroku_id)
        return Info(app_id=app.app_id, app_name=app.app_name, owner_email=self.owners.get(heroku_id, ""))

    def push_app_config(self, heroku_id: str, config: Mapping[str, str | None]) -> None:
        self._meet("push_app_config")
        _merge(self._app(heroku_id).config, config)

    def forget_tokens(self) -> None:
        """Every access token is none any more."""
        self._access.clear()

    def _meet(self, call: str) -> None:
        self.calls.append(call)
        if self.trouble and (trouble := self.trouble.popleft()):
            raise trouble

    def _tokens(self, addon: UUID) -> Tokens:
        self._issued += 1
        tokens = Tokens(f"access-{self._issued}", f"refresh-{self._issued}", self.lives_s)
        self._access[tokens.access], self._refresh[tokens.refresh] = addon, addon
        return tokens

    def _mine(self, addon: UUID, token: str) -> FakeAddon:
        if self._access.get(token) != addon:
            raise Unauthorised("401")
        if addon not in self.addons:
            raise Gone("404")
        return self.addons[addon]

    def _app(self, heroku_id: str) -> FakeAddon:
        if heroku_id not in self.apps:
            raise Gone("404")
        return self.apps[heroku_id]


def _merge(config: dict[str, str], pushed: Mapping[str, str | None]) -> None:
    for name, value in pushed.items():
        config.pop(name, None)
        if value is not None:
            config[name] = value
