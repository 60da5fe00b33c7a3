"""What a verb is: its name, what it does in words, an example, what it takes, and what it does."""

from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass

from herdsite.client.herd import Herd

LONGEST_WAIT_S = 1_800.0


@dataclass(frozen=True)
class Verb:
    """`run` gives the exit code. `hidden` ones are for programs and not in the list of verbs."""

    name: str
    help: str
    examples: tuple[str, ...]
    run: Callable[[Herd], int]
    takes: Callable[[ArgumentParser], object] = lambda _parser: None
    hidden: bool = False


def waits(parser: ArgumentParser) -> None:
    """For what asks, and waits for the end of it."""
    parser.add_argument("--no-wait", dest="wait", action="store_false", help="don't wait for the end")
    limit(parser)


def limit(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=float,
        default=LONGEST_WAIT_S,
        metavar="S",
        help="wait at most this many seconds (%(default)g)",
    )


def named(parser: ArgumentParser) -> None:
    parser.add_argument("thing", metavar="NAME", help="name or id; `kind/name` if two kinds share it")
