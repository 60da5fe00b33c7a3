import getpass
from typing import Any

from django.core.management.base import CommandError, CommandParser

from fleet import intents
from fleet.models import Resource
from herdsite import waiting
from herdsite.naming import NamedCommand


class Command(NamedCommand):
    help = "Run a restore drill now: restore a database from its archive to a scratch place, check it, and remove it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", default="", help="why; kept with the event")
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="wait for the result")

    def handle(self, *_args: Any, **options: Any) -> None:
        member = self.find(options)
        if not isinstance(member, Resource) or member.instance is None or not member.instance.timeline.archive:
            raise CommandError(f"{member.name} has no WAL archive to restore from.")
        actor = f"{getpass.getuser()} (command line)"
        try:
            intent = intents.ask(member.instance.timeline, "drill", actor=actor, reason=options["reason"])
        except intents.AskError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"requested: drill {member.name} ({intent.pk})")
        if options["wait"]:
            waiting.for_answer(intent, options["wait"], self.stdout)
            member.refresh_from_db()
            self._tell(member)

    def _tell(self, resource: Resource) -> None:
        told = resource.drilled
        if not told.get("good"):
            raise CommandError(f"{resource.name} could not be restored: {told.get('why')}")
        self.stdout.write(
            f"{resource.name} was restored on {told['server']} in {told['took_s']:g} s, "
            f"{waiting.human(told['bytes'])}, up to {told['newest']}; {told['tables']} tables have the "
            "expected number of rows."
        )
