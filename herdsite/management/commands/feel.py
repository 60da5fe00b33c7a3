from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fleet import context, ring
from fleet.facts import FACTS
from fleet.workers import vantage
from herdsite import wiring
from herdsite.naming import NamedCommand
from observations import record
from observations.feel import feel


class Command(NamedCommand):
    help = "Look at one thing now, from here, with every probe; record and print the result. No state changes."

    def handle(self, *_args: Any, **options: Any) -> None:
        member = self.find(options)
        claim = ring.Claim(uuid4(), [member.pk], datetime.now(UTC))
        loaded = context.load_one(member, vantage(), claim)
        look = feel(loaded.subject, wiring.ports(), everything=True)
        record.write([look], vantage())
        for name, value in sorted(look.attrs.items()):
            fact = FACTS.get(name)
            unit = f" {fact.unit}" if fact and fact.unit and value is not None else ""
            meaning = f"   {fact.meaning}" if fact else ""
            self.stdout.write(f"{name} = {'not known' if value is None else value}{unit}{meaning}")
        self.stdout.write(f"{'seen well' if look.good else 'NOT seen well'} in {look.took_ms:.0f} ms by {vantage()}")
