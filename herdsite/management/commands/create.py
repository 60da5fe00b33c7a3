import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from fleet import intents
from fleet.models import Customer


class Command(BaseCommand):
    help = "Create a database for a customer. Beats build it; `manage.py explain NAME` tells how far it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("plan", metavar="PLAN", help="starter-0, standard-0, …")
        parser.add_argument("--customer", required=True, help="a customer's name; made if there is none of it")
        parser.add_argument("--name", default="", help="name of the database; drawn if not given")
        parser.add_argument("--zone", default="", help="where it would like to live")
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
        self.stdout.write(f"asked: create {resource.name}; see: manage.py explain {resource.name}")
