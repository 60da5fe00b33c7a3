"""What a person sees of `up`: progress, moves and trouble on the terminal, every line in var/log/herdsite.log."""

import contextlib
import re
import shlex
import sys
import time
from pathlib import Path

# A line that a person wants to see without asking: trouble, and things of the herd that change their state.
WORTH = re.compile(r"\blevel=(warning|error|critical)\b|\blogger=move\b")
LOGFMT_OR_TRACE = re.compile(r"[\w.]+=|\s|$|Traceback ")


class Console:
    """Takes lines of named processes. `chatty` names those whose every line is shown; `verbose` shows all of them."""

    def __init__(self, folder: Path, verbose: bool = False, chatty: tuple[str, ...] = ("demo",)):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "herdsite.log"
        if self.path.exists():
            self.path.replace(folder / "herdsite.log.1")
        self.log = self.path.open("a", buffering=1)
        self.verbose, self.chatty = verbose, chatty

    def line(self, name: str, text: str) -> None:
        """One line that a process wrote."""
        stamp = time.strftime("%H:%M:%S")
        self.log.write(f"{stamp} {name:8}| {text}\n")
        if self.verbose:
            self._show(f"{stamp} {name:8}| {text}")
        elif name in self.chatty or is_worth_a_look(text):
            self._show(f"{stamp} {name:8}| {shortened(text)}")

    def stage(self, text: str) -> None:
        """One step of the way up or down."""
        self.log.write(f"{time.strftime('%H:%M:%S')} up      | {text}\n")
        self._show(f"  {text}")

    def block(self, lines: list[str]) -> None:
        """Something to be found again at a glance."""
        rule = "=" * max(map(len, lines))
        self._show("\n".join(["", rule, *lines, rule, ""]))

    def _show(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a terminal that went away is no reason to end
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


def is_worth_a_look(text: str) -> bool:
    """Whether a person should see this line: a warning or worse, a move, or the last words of what crashed.

    Those are no log line; of a traceback, whose other lines are indented, the last line is enough.
    """
    return bool(WORTH.search(text)) or not LOGFMT_OR_TRACE.match(text)


def shortened(text: str) -> str:
    """A log line as a person reads it: a move as a sentence, anything else without its time and logger."""
    try:
        facts = dict(word.split("=", 1) for word in shlex.split(text))
        if facts["logger"] == "move":
            return "{subject} {source} → {target} (row {row}: {why})".format(**facts)
    except (KeyError, ValueError):
        return text
    return re.sub(r"\b(at|logger)=\S+ ", "", text, count=2)
