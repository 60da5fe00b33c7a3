from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.core.management.base import CommandParser

from fleet import context, ring
from fleet.facts import FACTS
from fleet.models import Member
from fleet.rules import tried
from fleet.think import LIFE
from fleet.workers import vantage
from herdsite import beat, wiring
from herdsite.naming import NamedCommand
from observations.record import Look

MARKS = {True: "✔", False: "✘", None: "?"}


class Command(NamedCommand):
    help = "Say why a thing is as it is: the facts, the rows of its table that were tried, and the row that won."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--look", action="store_true", help="look now, instead of taking the last facts")

    def handle(self, *_args: Any, **options: Any) -> None:
        member = self.find(options)
        thought = ponder(member, look=options["look"])
        state = thought.loaded.subject.state
        self.stdout.write(
            f"{member.KIND} {member.name} is {state}, last look {member.felt_at or 'never'} by {member.vantage}\n"
        )
        self.stdout.write("\nfacts")
        for name, value in sorted(thought.facts.items()):
            self.stdout.write(f"  {name} = {value}{_unit(name)}   {FACTS[name].meaning}")
        self.stdout.write(f"\nrows tried for {state}")
        for rule, verdict in tried(LIFE[member.KIND], state, thought.facts):
            self.stdout.write(f"  {MARKS[verdict]} {rule.row}  {rule.when}")
            for name in rule.when.names:
                self.stdout.write(f"        {name} = {thought.facts[name]}")
        self.stdout.write(f"\nrow {thought.rule.row} wins: {thought.rule.then}, because: {thought.rule.because}")
        if member.problem:
            self.stdout.write(f"problem: {member.problem}")


def ponder(member: Member, look: bool) -> beat.Thought:
    """Think about one thing, outside of any ring: nothing is changed and nothing recorded."""
    claim = ring.Claim(uuid4(), [member.pk], datetime.now(UTC))
    # The last facts are thought about as whoever felt them would: ours would be one more vantage in the evidence.
    who = vantage() if look or not member.vantage else member.vantage
    loaded = context.load_one(member, who, claim)
    felt = (
        beat.look_at(loaded, wiring.ports())
        if look
        else Look(member.KIND, member.pk, member.felt_at or claim.now, 0, False, dict(member.facts), {})
    )
    return beat.ponder(loaded, claim, felt, who)


def _unit(name: str) -> str:
    return f" {FACTS[name].unit}" if FACTS[name].unit else ""
