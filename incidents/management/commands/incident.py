import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from incidents import desk, hands, moving, story
from incidents.hands import HANDS, Hand
from incidents.models import Incident
from incidents.notices import desk as notices
from incidents.resolvers import RESOLVERS

VERBS = ("show", *HANDS)
# What is meant where nothing is said.
MEANT = {"minutes": "60"}


class Command(BaseCommand):
    help = "Show one incident with all its events, or act on it. " + "; ".join(
        f"{hand.verb}: {hand.meaning}" for hand in HANDS.values()
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="as `manage.py incidents` lists it")
        parser.add_argument("verb", metavar="VERB", nargs="?", default="show", choices=VERBS, help=" | ".join(VERBS))
        parser.add_argument(
            "text", nargs="?", default="", help="assign: to whom; note and resolve: the words; snooze: minutes (60)"
        )
        parser.add_argument(
            "--as", dest="actor", default="", help="your name, if not that of the user who is logged in"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            incident = hands.find(options["name"])
        except hands.NotFound as error:
            raise CommandError(str(error)) from error
        if options["verb"] == "show":
            self._show(incident)
            return
        hand = HANDS[options["verb"]]
        actor = options["actor"] or f"{getpass.getuser()} (command line)"
        try:
            hands.lay(hand, incident, _asked(hand, options["text"]), actor, notices)
        except desk.DeskError as error:
            raise CommandError(str(error)) from error
        incident.refresh_from_db()
        self.stdout.write(f"{incident.name}: {incident.look.label.lower()}")

    def _show(self, incident: Incident) -> None:
        self.stdout.write(f"{incident.name}: {incident.look.label}, {incident.severity}\n{incident.summary}")
        facts: dict[str, Any] = {
            "since": f"{incident.created_at:%Y-%m-%d %H:%M:%S}",
            "under": incident.cause.name if incident.cause else "",
            "row": f"{incident.row}: {incident.why}" if incident.row else "",
            "playbook": f"{incident.resolver} ({incident.resolver_version})" if incident.resolver else "",
            "problem": incident.problem,
            "acknowledged by": incident.acknowledged_by,
            "assigned to": incident.assigned_to,
        }
        for name, value in facts.items():
            if value:
                self.stdout.write(f"  {name}: {value}")
        self.stdout.write("\nevidence")
        for kind, told in sorted(incident.evidence.items()):
            self.stdout.write(f"  {kind}: {told}")
        self.stdout.write("\nstory")
        for line in story.of(incident):
            where = f"[{line.where}] " if line.where else ""
            self.stdout.write(f"  {line.at:%H:%M:%S}  {line.what:<12} {where}{line.text}  ({line.actor})")
        playbook = RESOLVERS.get(incident.resolver)
        self.stdout.write(f"\nrunbook\n{playbook.runbook if playbook else moving.runbook(incident)}")


def _asked(hand: Hand, text: str) -> dict[str, Any]:
    """What the hand's form makes of the words. Raises CommandError, which says what is wrong with them."""
    form = hand.form({name: text or MEANT.get(name, "") for name in hand.form.base_fields})
    if form.is_valid():
        return form.cleaned_data
    raise CommandError(" ".join(f"{name}: {error}" for name, errors in form.errors.items() for error in errors))
