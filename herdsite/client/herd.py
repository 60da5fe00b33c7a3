"""What every verb is given: the server, where to print, and what of the machine it may use."""

import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TextIO

from herdsite.client import config
from herdsite.client.errors import NOT_FOUND, HerdError
from herdsite.client.output import Output
from herdsite.client.wire import Wire, step

# Where names are looked for, in this order, and what a person may write before one: `server/host-1`.
ASKED = ("resources", "instances", "servers")
KNOWN = (*ASKED, "incidents", "changeovers", "backups", "timelines", "addresses", "customers", "plans")


@dataclass
class Herd:
    asked: Namespace
    output: Output
    env: Mapping[str, str]
    stdin: TextIO
    sleep: Callable[[float], None] = time.sleep

    @cached_property
    def wire(self) -> Wire:
        """The server that this login is for. HerdError if there is no login."""
        return Wire(config.load(self.env), sleep=self.sleep)

    def close(self) -> None:
        if wire := self.__dict__.get("wire"):
            wire.close()

    def find(self, name: str, kinds: tuple[str, ...] = ASKED) -> tuple[str, dict[str, Any]]:
        """The thing of that name and the list that it is in. HerdError, with what the server suggests."""
        before, _, after = name.rpartition("/")
        if before:
            kinds, name = tuple(kind for kind in KNOWN if before in (kind, kind[:-1])), after
        missed: HerdError | None = None
        for kind in kinds:
            try:
                return kind, self.wire.get(f"{kind}/{step(name)}")
            except HerdError as error:
                # Customers may not look into every list; the first one says best what is missing.
                if error.code != NOT_FOUND and missed is None:
                    raise
                missed = missed or error
        raise missed or HerdError(f"There is no kind {before!r}. There is: {', '.join(KNOWN)}.", NOT_FOUND)
