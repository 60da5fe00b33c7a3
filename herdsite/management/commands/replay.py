import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import names
from herdsite.replay import Tally, everything, replay

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Command(BaseCommand):
    help = (
        "Run the tables and alarms of this copy of herdsite over recorded looks, and print which moves, actions and "
        "alarms would differ from what happened. Nothing is changed. Known are: what was observed, what was "
        "requested and when, the states of neighbours (by today's place), and today's plans and roles. How many "
        "instances were on a server, what had been dropped, or whether a worker saw other things well is known only "
        "where an Event has kept it; a look that depends on more is counted as untold, and the thing carries on as it "
        "did. Doubts and counts that were under way before the window begin in it. A new probe finds nothing in old "
        "looks. The answers to other actions are not known. Alarms are compared by the time at which they open."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", default="24h", help="how far back: 90m, 24h, 2d (24h)")
        parser.add_argument("--name", default="", help="only this server, instance or resource")
        parser.add_argument("--fail-on-difference", action="store_true", help="end with code 1 if there is any")

    def handle(self, *_args: Any, **options: Any) -> None:
        since, tally = datetime.now(UTC) - ago(options["since"]), Tally()
        try:
            members = [names.find(options["name"])] if options["name"] else everything()
        except names.NotFound as error:
            raise CommandError(str(error)) from error
        for one in replay(members, since, tally, self._progress):
            self.stdout.write(
                f"{one.at:%Y-%m-%d %H:%M:%S} {one.kind} {one.name} in {one.state}: {one.then} → {one.now}"
            )
        self.stdout.write(
            f"{tally.differences} differences in {tally.looks} looks at {tally.things} things; {tally.untold} untold"
        )
        if tally.differences and options["fail_on_difference"]:
            raise SystemExit(1)

    def _progress(self, tally: Tally) -> None:
        self.stderr.write(f"… {tally.looks} looks at {tally.things} things, {tally.differences} differences")


def ago(text: str) -> timedelta:
    """A length of time from its text. Raises CommandError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if not match:
        raise CommandError(f"{text!r} is no length of time: say 90m, 24h or 2d.")
    return timedelta(seconds=float(match[1]) * UNITS_S[match[2]])
