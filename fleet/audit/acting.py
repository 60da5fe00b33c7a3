"""Who acts just now. Set by whatever lets people in (a request, a command); beats act for nobody."""

import getpass
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Acting:
    """`actor` is asked for when something is written, since who it is may only be found out on the way."""

    actor: Callable[[], str]
    address: str
    door: str
    request: str = ""


_ACTING: ContextVar[Acting | None] = ContextVar("acting", default=None)
# Commands that no person's doing is behind.
MACHINERY = (
    "check", "clock", "collectstatic", "demo", "life", "makemigrations", "migrate", "prepare", "tables", "test", "up",
    "web", "worker",
)  # fmt: skip


def acting() -> Acting | None:
    return _ACTING.get()


@contextmanager
def in_name_of(who: Acting) -> Iterator[None]:
    token = _ACTING.set(who)
    try:
        yield
    finally:
        _ACTING.reset(token)


@contextmanager
def by_command(argv: Sequence[str]) -> Iterator[None]:
    """The user who runs a command is the actor of what it does. Only its name is kept: the rest may hold a secret."""
    name = argv[1] if len(argv) > 1 else ""
    if not name or name in MACHINERY:
        yield
        return
    with in_name_of(Acting(lambda: f"{getpass.getuser()} (command line)", "", f"command {name}"[:64])):
        yield
