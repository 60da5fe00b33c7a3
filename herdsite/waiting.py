"""Commands that wait: for an answer, and for what takes long, with a line that tells how far it is."""

import time
from typing import Any

from django.core.management.base import CommandError
from django.template.defaultfilters import filesizeformat

from fleet import logical
from fleet.models import Backup, Intent
from fleet.states import FAILED, KEPT

OFTEN_S = 0.2


class Live:
    """One line of the terminal that is written over; what is no terminal gets a line for each change."""

    def __init__(self, out: Any):
        self.out, self.last = out, ""

    def say(self, text: str) -> None:
        if text != self.last:
            over = "\r\x1b[K" if self.out.isatty() else ""
            self.out.write(f"{over}{text}", ending="" if over else "\n")
            self.out.flush()
            self.last = text

    def end(self) -> None:
        """Whatever comes next begins on a line of its own."""
        if self.last and self.out.isatty():
            self.out.write("")


def for_answer(intent: Intent, seconds: float, out: Any) -> str:
    """Wait for the answer to it. CommandError when it is a refusal, or does not come in time."""
    live, began = Live(out), time.monotonic()
    while intent.state == Intent.OPEN:
        waited = time.monotonic() - began
        if waited > seconds:
            live.end()
            raise CommandError(
                f"Not answered within {seconds:g} s; it stays asked. See: manage.py explain {intent.name}"
            )
        if out.isatty():
            live.say(f"{intent.verb} {intent.name}: {waited:.0f} s")
        time.sleep(OFTEN_S)
        intent.refresh_from_db()
    live.end()
    if intent.state != Intent.DONE:
        raise CommandError(f"{intent.verb} {intent.name} was {intent.state}: {intent.answer}")
    return intent.answer


def for_backup(backup: Backup, seconds: float, out: Any) -> None:
    """Wait until it is kept. CommandError when it failed, or is not kept in time."""
    live, end = Live(out), time.monotonic() + seconds
    while backup.state not in (KEPT, FAILED):
        if time.monotonic() > end:
            live.end()
            raise CommandError(f"{backup.name} is not kept after {seconds:g} s; it goes on. See: manage.py backups")
        live.say(line(backup))
        time.sleep(OFTEN_S)
        backup.refresh_from_db()
    live.say(line(backup))
    live.end()
    if backup.state == FAILED:
        raise CommandError(
            f"{backup.name} failed: {backup.problem or backup.why}. See: manage.py explain {backup.name}"
        )


def line(backup: Backup) -> str:
    """A backup with all that is known of how far it is: `shop-dump-7  Uploading  12 MB of 40 MB, 3 MB/s, 9 s left`."""
    far = logical.progress(backup)
    size = human(far.bytes)
    if backup.state != KEPT:
        size += f" of {human(far.of_bytes)}" if far.of_bytes else ""
        size += f", {human(far.rate)}/s" if far.rate else ""
        size += f", {far.left_s:.0f} s left" if far.left_s is not None else ""
    return f"{backup.name}  {backup.look.label}  {size}"


def human(size: float) -> str:
    """A number of bytes as people read it."""
    return filesizeformat(size).replace("\xa0", " ")
