import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from fleet import intents
from fleet.models import Customer


class Command(BaseCommand):
    help = "Create a database for a customer. `manage.py explain NAME` shows the progress."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("plan", metavar="PLAN", help="starter-0, standard-0, …")
        parser.add_argument("--customer", required=True, help="name of the customer; created if there is none")
        parser.add_argument("--name", default="", help="name of the database; generated if not given")
        parser.add_argument("--zone", default="", help="preferred zone")
        parser.add_argument("--major", type=int, default=17, help="PostgreSQL's major version (default %(default)s)")
        parser.add_argument("--reason", default="")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            # A refusal leaves no new customer behind.
            with transaction.atomic():
                customer, _made = Customer.objects.get_or_create(name=options["customer"])
                resource = intents.create_resource(
                    customer,
                    options["plan"],
                    actor=f"{getpass.getuser()} (command line)",
                    name=options["name"],
                    zone=options["zone"],
                    major=options["major"],
                    reason=options["reason"],
                )
        except intents.AskError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"requested: create {resource.name}; see: manage.py explain {resource.name}")
