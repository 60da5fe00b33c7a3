import getpass
import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from fleet import changing, choices, intents
from fleet.lifecycle import Because
from fleet.models import Changeover, Resource
from fleet.states import CANCELLED, DONE
from herdsite import foreground
from herdsite.naming import NamedCommand


class Command(NamedCommand):
    help = (
        "Promote a standby of a database now, whatever its leader does. The old leader is fenced first; where that "
        "can't be proven, or more would be lost than the plan allows, it is refused with the reason, unless you take "
        "it on yourself with --force and --accept-loss. Runs in the foreground, whether or not workers are alive, and "
        "prints the receipt."
    )
    reason = Changeover.FAILOVER

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--to", default="", metavar="INSTANCE", help="who shall lead; chosen if not given")
        parser.add_argument("--reason", default="", help="why; kept with the story")
        parser.add_argument("--patience", type=float, default=120, metavar="SECONDS", help="(default %(default)g)")
        parser.add_argument("--again", action="store_true", help="although it moved a moment ago")
        if self.reason == Changeover.FAILOVER:
            parser.add_argument("--force", action="store_true", help="go past a refusal, on your own word")
            parser.add_argument("--accept-loss", default="", metavar="BYTES|unknown", help="what you accept to lose")

    def handle(self, *_args: Any, **options: Any) -> None:
        resource = self.find(options)
        if not isinstance(resource, Resource):
            raise CommandError(f"{resource.name} is a {resource.KIND}: name the database.")
        force, loss = bool(options.get("force")), options.get("accept_loss", "")
        try:
            choices.check(resource, self.reason, {"to": options["to"], "force": force, "accept_loss": loss})
            intents.asked_just_now(resource, self.reason, _actor(), options["again"])
            because = Because(None, options["reason"] or f"{self.reason} from the command line", _actor())
            changeover = changing.begin(
                resource, self.reason, because, wanted=options["to"], force=force, accept_loss=loss
            )
        except (changing.Busy, changing.CantMove, choices.AskError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{changeover.name}: {self.reason} of {resource.name}")
        changeover = foreground.follow(changeover, self.stdout.write, options["patience"])
        if changeover.receipt:
            self.stdout.write(json.dumps(changeover.receipt, indent=2))
        if changeover.state == CANCELLED:
            raise CommandError(f"It was called off: {changeover.marks.get('why', '')}")
        if changeover.state != DONE:
            raise CommandError(
                f"{changeover.name} is {changeover.look.label.lower()}: {changeover.marks.get('why', '')} "
                f"See, cancel or retry it with: manage.py changeover {resource.name}"
            )


def _actor() -> str:
    return f"{getpass.getuser()} (command line)"
