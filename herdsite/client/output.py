"""What is printed where: what was asked for on stdout, everything else on stderr; for people, or as the API's own
objects (`--json`), or as little as possible (`--quiet`)."""

import json
import shutil
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TextIO

from herdsite.client.words import plain

FRAMES = "⣾⣽⣻⢿⡿⣟⣯⣷"
FRAME_S = 0.1


@dataclass
class Output:
    out: TextIO
    err: TextIO
    as_json: bool = False
    quiet: bool = False

    def say(self, text: str) -> None:
        self.out.write(f"{text}\n")

    def tell(self, text: str) -> None:
        """One line of many that come with time."""
        self.say(plain(text))
        self.out.flush()

    def remark(self, text: str) -> None:
        """Good to know, and no part of what was asked for."""
        if not self.quiet:
            self.err.write(f"{plain(text)}\n")

    def complain(self, text: str) -> None:
        self.err.write(f"herd: {plain(text)}\n")

    def object(self, found: Any) -> None:
        """As the API said it."""
        self.say(json.dumps(found, indent=2, ensure_ascii=False))

    def line(self, found: Any) -> None:
        """As the API said it, on one line, at once."""
        self.say(json.dumps(found, ensure_ascii=False))
        self.out.flush()

    def table(self, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """In aligned columns."""
        lines = [[title.upper() for title in titles], *([plain(cell) for cell in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            self.say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def pairs(self, title: str, rows: Iterable[tuple[str, str]]) -> None:
        """A thing's name, and line by line what there is to say of it."""
        lines = [(f"{name}:", plain(text)) for name, text in rows]
        width = max((len(name) for name, _text in lines), default=0) + 2
        self.say(f"=== {plain(title)}")
        for name, text in lines:
            self.say(f"{name.ljust(width)}{text}")

    def progress(self, words: str) -> "Progress":
        return Progress(self.err, plain(words), live=self.err.isatty() and not self.quiet)


class Progress:
    """A line on a terminal that says what is waited for, since when, and how far it is (`far`); nothing where there is
    no terminal."""

    def __init__(self, stream: TextIO, words: str, live: bool):
        self.stream, self.words, self.live, self.far = stream, words, live, ""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._draw, daemon=True)

    def __enter__(self) -> Self:
        if self.live:
            self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self.live:
            self.over.set()
            self.thread.join()
            self._write("")

    def _draw(self) -> None:
        began, turn = time.monotonic(), 0
        while True:
            line = f"{FRAMES[turn % len(FRAMES)]} {self.words}, {time.monotonic() - began:.0f} s"
            line += f": {plain(self.far)}" if self.far else ""
            # A line that wraps could not be written over.
            self._write(line[: shutil.get_terminal_size().columns - 1])
            if self.over.wait(FRAME_S):
                return
            turn += 1

    def _write(self, text: str) -> None:
        self.stream.write(f"\r\x1b[K{text}")
        self.stream.flush()
