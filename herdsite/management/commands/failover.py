import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from fleet import verbs
from fleet.models import Changeover, Resource
from fleet.states import CANCELLED, DONE
from herdsite import foreground
from herdsite.databases import DatabaseCommand, add_asking, add_params, ask


class Command(DatabaseCommand):
    # An on-call engineer waits: the system checks take a second, and a deployment runs them.
    requires_system_checks: Any = []
    help = (
        "Promote a standby of a database now, whatever its leader does. The old leader is fenced first; where that "
        "can't be proven, or more would be lost than the plan allows, it is refused with the reason, unless you take "
        "it on yourself with --force and --accept-loss. Runs in the foreground, whether or not workers are alive, and "
        "prints the receipt."
    )
    verb = Changeover.FAILOVER

    def add_arguments(self, parser: CommandParser) -> None:
        verb = verbs.BY_NAME[Resource.KIND, self.verb]
        parser.add_argument("name", metavar="NAME", help="the database")
        add_params(parser, verb.params)
        add_asking(parser, verb.may_be_grave)
        parser.add_argument("--patience", type=float, default=120, metavar="SECONDS", help="(default %(default)g)")

    def handle(self, *_args: Any, **options: Any) -> None:
        resource = self.find(options)
        changeover = foreground.begin(resource, ask(resource, self.verb, options))
        self.stdout.write(f"{changeover.name}: {self.verb} of {resource.name}")
        changeover = foreground.follow(changeover, self.stdout.write, options["patience"])
        if changeover.receipt:
            self.stdout.write(json.dumps(changeover.receipt, indent=2))
        if changeover.state == CANCELLED:
            raise CommandError(f"{changeover.name} was cancelled: {changeover.marks.get('why', '')}")
        if changeover.state != DONE:
            raise CommandError(
                f"{changeover.name} is {changeover.look.label.lower()}: {changeover.marks.get('why', '')} "
                f"See, cancel or retry it with: manage.py changeover {resource.name}"
            )
