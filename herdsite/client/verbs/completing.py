"""What could come next on a command line, for the shell. Names come from the server and are kept for a minute; whatever
goes wrong, nothing is offered."""

import hashlib
import json
import os
import time
from argparse import REMAINDER
from pathlib import Path

from herdsite.client import config
from herdsite.client.columns import COLUMNS
from herdsite.client.config import Login
from herdsite.client.errors import DONE, HerdError
from herdsite.client.herd import ASKED, Herd
from herdsite.client.verbs.base import Verb
from herdsite.client.verbs.handling import HANDS
from herdsite.client.wire import Wire

KEPT_S, READ_S, MOST = 60.0, 2.0, 50
# Verbs whose first word is none of the names of the herd.
LISTS = {"create": ("plans",), "incidents": ("incidents",)}
NAMELESS = ("login", "logout", "whoami", "add-server")


def complete(herd: Herd) -> int:
    """The words after `herd`, up to the one that is being typed."""
    *before, typed = herd.asked.words or [""]
    for word in sorted(_offered(herd, before, typed)):
        if word.startswith(typed):
            herd.output.say(word)
    return DONE


def _offered(herd: Herd, before: list[str], typed: str) -> list[str]:
    if not before:
        return herd.asked.verbs
    verb, *words = before
    if typed.startswith("-"):
        return herd.asked.options.get(verb, [])
    if verb == "ls":
        return list(COLUMNS)
    if verb == "incidents" and words:
        return list(HANDS)
    if verb in NAMELESS or (words and not words[-1].startswith("-")):
        return []
    return _names(herd, LISTS.get(verb, ASKED), typed)


def _names(herd: Herd, kinds: tuple[str, ...], typed: str) -> list[str]:
    try:
        login = config.load(herd.env)
        cache = _Cache(herd, login, kinds, typed)
        if (known := cache.read()) is not None:
            return known
        wire = Wire(login, read_s=READ_S, tries=1)
        found = [one["name"] for kind in kinds for one in _first(wire, kind, typed)]
        wire.close()
        cache.write(found)
    except (HerdError, OSError):
        return []
    return found


def _first(wire: Wire, kind: str, typed: str) -> list[dict]:
    try:
        return wire.get(kind, {"q": typed, "limit": MOST} if typed else {"limit": MOST})["results"]
    except HerdError:
        # Customers may not look into every list.
        return []


class _Cache:
    """What was found lately for one login, list and beginning. Tokens are only in it as a part of a hash."""

    def __init__(self, herd: Herd, login: Login, kinds: tuple[str, ...], typed: str):
        home = herd.env.get("XDG_CACHE_HOME") or Path(herd.env.get("HOME", "~")).expanduser() / ".cache"
        self.path = Path(home) / "herd/names.json"
        self.key = hashlib.sha256("\n".join((login.url, login.token, *kinds, typed)).encode()).hexdigest()

    def read(self) -> list[str] | None:
        return self._fresh().get(self.key, (0, None))[1]

    def write(self, names: list[str]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(self._fresh() | {self.key: (time.time(), names)}))
        draft.replace(self.path)

    def _fresh(self) -> dict[str, tuple[float, list[str]]]:
        try:
            found = json.loads(self.path.read_text())
            return {key: (at, names) for key, (at, names) in found.items() if 0 <= time.time() - at < KEPT_S}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}


VERBS = (
    Verb(
        "complete",
        "print completions",
        ("herd complete info acm",),
        complete,
        lambda parser: parser.add_argument("words", nargs=REMAINDER),
        hidden=True,
    ),
)
