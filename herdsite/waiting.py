"""Commands that wait: for an answer, and for what takes long, with a line that tells how far it is."""

import shutil
import time
from typing import Any

from django.core.management.base import CommandError

from fleet import progress, under_way
from fleet.models import MEMBERS, Backup, Intent
from fleet.states import FAILED, KEPT

OFTEN_S = 0.2


class Live:
    """One line of the terminal that is written over; what is no terminal gets a line for each change."""

    def __init__(self, out: Any):
        self.out, self.last = out, ""

    def say(self, text: str) -> None:
        if text != self.last:
            over = "\r\x1b[K" if self.out.isatty() else ""
            # A line that wraps could not be written over.
            shown = text[: shutil.get_terminal_size().columns - 1] if over else text
            self.out.write(f"{over}{shown}", ending="" if over else "\n")
            self.out.flush()
            self.last = text

    def end(self) -> None:
        """Whatever comes next begins on a line of its own."""
        if self.last and self.out.isatty():
            self.out.write("")


def for_end(intent: Intent, seconds: float, out: Any) -> str:
    """Wait for the answer to it, and for the end of what that only began: a backup is kept by then. What it came to.
    CommandError when it is a refusal, went wrong, or does not come in time."""
    end = time.monotonic() + seconds
    said = for_answer(intent, seconds, out)
    if intent.verb not in ("backup", "dump"):
        return said
    for child in intent.children.all():
        said = for_answer(child, max(0.0, end - time.monotonic()), out)
    if backup := Backup.objects.filter(name=said).first():
        for_backup(backup, max(0.0, end - time.monotonic()), out)
    return said


def for_answer(intent: Intent, seconds: float, out: Any) -> str:
    """Wait for the answer to it. CommandError when it is a refusal, or does not come in time."""
    live, began = Live(out), time.monotonic()
    while intent.state == Intent.OPEN:
        waited = time.monotonic() - began
        if waited > seconds:
            live.end()
            raise CommandError(
                f"Not answered within {seconds:g} s; the request stays open. See: manage.py explain {intent.name}"
            )
        if out.isatty():
            live.say("  ".join([f"{intent.verb} {intent.name}: {waited:.0f} s", *_far(intent)]))
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
            raise CommandError(
                f"{backup.name} is not kept after {seconds:g} s; the backup goes on. See: manage.py backups"
            )
        live.say(line(backup))
        time.sleep(OFTEN_S)
        backup.refresh_from_db()
    live.say(line(backup))
    live.end()
    if backup.state == FAILED:
        raise CommandError(
            f"{backup.name} failed: {backup.problem or backup.why}. See: manage.py explain {backup.name}"
        )


def _far(intent: Intent) -> list[str]:
    """How far all is that is under way for what was asked."""
    member = MEMBERS[intent.kind].objects.filter(pk=intent.subject).first()
    return [str(work) for work in under_way.of(member)] if member else []


def line(backup: Backup) -> str:
    """A backup with all that is known of how far it is:
    `shop-dump-7  Uploading  dumping 12 MB of 40 MB, 3 MB/s, 9 s left`."""
    far = under_way.backup(backup)
    known = progress.words(far) if far else human(backup.bytes or 0) if backup.state == KEPT else ""
    return "  ".join(filter(None, (backup.name, backup.look.label, known)))


human = progress.human
