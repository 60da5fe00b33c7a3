from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import withdrawals
from fleet.choices import AskError
from fleet.models import Intent
from herdsite.databases import actor


class Command(BaseCommand):
    help = "Take back what was asked for, unless it has begun what can't be taken back. `ask` prints its id."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("intent", metavar="ID")
        parser.add_argument("--reason", default="", help="why; kept with the thing's events")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            intent = withdrawals.cancel(Intent.objects.get(pk=options["intent"]), actor(), options["reason"])
        except (Intent.DoesNotExist, ValidationError) as error:
            raise CommandError(f"Nothing was asked for under the id {options['intent']!r}.") from error
        except AskError as error:
            raise CommandError(str(error)) from error
        asked = intent.state == Intent.OPEN
        self.stdout.write(f"{intent}: {'the changeover was asked to cancel' if asked else 'cancelled'}")
